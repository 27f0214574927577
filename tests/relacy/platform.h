// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// platform.h - the latches on Relacy's atomics, which give a load any value
// that the C++ memory model allows, with mistakes to plant.
//
// A sleep has no timeout here, so that a lost wake-up is a deadlock.

#ifndef MPOOL_TESTS_RELACY_PLATFORM_H_
#define MPOOL_TESTS_RELACY_PLATFORM_H_

#include <atomic>
#include <cstdint>
#include <optional>

#include "mpool/page/basic_page_latch.h"
#include "region/basic_latch.h"
#include "tests/relacy/relacy.h"

namespace mpool::relacy_test {

// Planted mistakes.
enum class Bug {
  kNone,
  kPublishAcqRel,   // a getter's entry is published without seq_cst
  kHitAcquire,      // the state is loaded without seq_cst
  kScanAcquire,     // a taker loads the entries without seq_cst
  kTakeAcqRel,      // a taker changes the state without seq_cst
  kPutRelaxed,      // a put has no release
  kPutUnfenced,     // no barriers, and a put without a fence
  kReleaseRelaxed,  // X is given up without release order
  kNoBarrier,       // a waiter for a reader has no barrier
  kNoWaiters,       // a state change under XP clears WAITERS
  kNoWake,          // no thread wakes the sleepers
  kGiveUpNoHint,    // XP is given up without the hint
  kReentryNoHint,   // a page got again under XP leaves the hint off
  kPinForgotten,    // X is acquired without the hint though a pin was seen
  kScanShared,      // a taker searches for shared entries only
  kHitUnseen,       // a hit does not check the state
  kLockRelaxed,     // region's latch is locked without acquire
  kUnlockRelaxed,   // region's latch is unlocked without release
};

// The mistake of the search that runs. A template argument would compile the
// latches and Relacy once for each mistake.
inline Bug planted = Bug::kNone;

enum class Role { kEntry, kState, kKey, kLatch };
enum class Access { kLoad, kStore, kExchange, kSwap };

// Returns the memory order of the access with the planted mistake.
inline std::memory_order Weakened(Role role, Access access,
                                  std::memory_order order) {
  struct Rule {
    Bug bug;
    Role role;
    Access access;
    std::memory_order order;
  };
  constexpr Rule kRules[] = {
      {Bug::kPublishAcqRel, Role::kEntry, Access::kExchange,
       std::memory_order_acq_rel},
      {Bug::kHitAcquire, Role::kState, Access::kLoad,
       std::memory_order_acquire},
      {Bug::kScanAcquire, Role::kEntry, Access::kLoad,
       std::memory_order_acquire},
      {Bug::kTakeAcqRel, Role::kState, Access::kSwap,
       std::memory_order_acq_rel},
      {Bug::kPutRelaxed, Role::kEntry, Access::kStore,
       std::memory_order_relaxed},
      {Bug::kPutUnfenced, Role::kEntry, Access::kExchange,
       std::memory_order_acq_rel},
      {Bug::kReleaseRelaxed, Role::kState, Access::kSwap,
       std::memory_order_acquire},
      {Bug::kLockRelaxed, Role::kLatch, Access::kSwap,
       std::memory_order_relaxed},
      {Bug::kUnlockRelaxed, Role::kLatch, Access::kExchange,
       std::memory_order_relaxed},
  };
  for (const Rule& rule : kRules) {
    if (rule.bug == planted && rule.role == role && rule.access == access) {
      return rule.order;
    }
  }
  return order;
}

constexpr rl::memory_order RelacyOrder(std::memory_order order) {
  switch (order) {
    case std::memory_order_relaxed: return rl::mo_relaxed;
    case std::memory_order_consume: return rl::mo_consume;
    case std::memory_order_acquire: return rl::mo_acquire;
    case std::memory_order_release: return rl::mo_release;
    case std::memory_order_acq_rel: return rl::mo_acq_rel;
    default: return rl::mo_seq_cst;
  }
}

// Has the interface of std::atomic<T>.
template <class T, Role role>
class Word {
 public:
  Word() { value_.store(0, rl::mo_relaxed, RL_INFO); }
  T load(std::memory_order order) const {
    return value_.load(Order(Access::kLoad, order), RL_INFO);
  }
  void store(T value, std::memory_order order) {
    value_.store(value, Order(Access::kStore, order), RL_INFO);
  }
  T exchange(T value, std::memory_order order) {
    return value_.exchange(value, Order(Access::kExchange, order), RL_INFO);
  }
  bool compare_exchange_strong(T& expected, T desired,
                               std::memory_order order) {
    return value_.compare_exchange_strong(
        expected, desired, Order(Access::kSwap, order), RL_INFO);
  }
  bool compare_exchange_strong(T& expected, T desired, std::memory_order order,
                               std::memory_order failure) {
    return value_.compare_exchange_strong(
        expected, desired, Order(Access::kSwap, order), RL_INFO,
        RelacyOrder(failure), RL_INFO);
  }
  bool compare_exchange_weak(T& expected, T desired, std::memory_order order,
                             std::memory_order failure) {
    return value_.compare_exchange_weak(
        expected, desired, Order(Access::kSwap, order), RL_INFO,
        RelacyOrder(failure), RL_INFO);
  }
  bool compare_exchange_weak(T& expected, T desired, std::memory_order order) {
    return value_.compare_exchange_weak(
        expected, desired, Order(Access::kSwap, order), RL_INFO);
  }

  // Sleeps as a futex does: the kernel's check is a full barrier, and is atomic
  // with the sleep.
  void Sleep(T expected, bool timed) {
    rl::context& context = rl::ctx();
    context.sched();
    context.atomic_thread_fence_seq_cst();
    T seen;
    {
      rl::preemption_disabler stay(context);
      seen = value_.load(rl::mo_acquire, RL_INFO);
    }
    if (seen == expected) value_.wait(context, timed, false, RL_INFO);
  }
  void WakeAll() {
    if (planted == Bug::kNoWake) return;
    rl::context& context = rl::ctx();
    context.sched();
    context.atomic_thread_fence_seq_cst();
    value_.wake(context, 99, RL_INFO);
  }

 private:
  static rl::memory_order Order(Access access, std::memory_order order) {
    return RelacyOrder(Weakened(role, access, order));
  }

  rl::atomic<T> value_;
};

// The part of a buffer header that the latch uses.
struct Header {
  using State = internal::State;

  State Load() const { return internal::LoadState(state); }
  bool Change(State* expected, State desired) {
    const bool was_pending = expected->has(State::kXPending);
    if (planted == Bug::kGiveUpNoHint && was_pending &&
        !desired.has(State::kXPending | State::kX)) {
      desired = desired.Without(State::kHint);
    }
    if (planted == Bug::kReentryNoHint && was_pending &&
        desired.bits == expected->With(State::kHint).bits) {
      return true;
    }
    if (planted == Bug::kNoWaiters && was_pending &&
        desired.bits == expected->Without(State::kDirty).bits) {
      desired = desired.Without(State::kWaiters);
    }
    if (planted == Bug::kPinForgotten && was_pending &&
        desired.has(State::kX)) {
      desired = desired.Without(State::kHint);
    }
    return internal::ChangeState(state, expected, desired);
  }

  Word<uint64_t, Role::kState> state;
  Word<uint64_t, Role::kKey> key;
};

// A deadline passes after `looks` checks; never, if `looks` is 0.
struct Deadline {
  bool passed() const { return looks != 0 && --looks == 0; }
  mutable int looks = 0;
};

inline constexpr internal::FrameIndex kFrame(1);
inline constexpr int kEntries = 4;  // entry i is of thread i + 1

struct PagePlatform {
  using Word = relacy_test::Word<uint64_t, Role::kEntry>;
  using Header = relacy_test::Header;
  using Deadline = relacy_test::Deadline;
  using Holder = internal::BasicHolder<Word>;

  internal::FrameIndex IndexOf(const Header&) const { return kFrame; }
  std::optional<Holder> FindOther(internal::FrameIndex frame, const Word* own,
                                  std::optional<internal::Mode> only) const {
    if (planted == Bug::kScanShared) only = internal::Mode::kShared;
    for (int i = 0; i < kEntries; ++i) {
      internal::Entry seen;
      if (internal::EntryNames(entries[i], frame, only, &seen) &&
          &entries[i] != own) {
        return Holder{&entries[i], seen, static_cast<uint32_t>(i + 1)};
      }
    }
    return std::nullopt;
  }
  bool PutNeedsFence() const { return fence_at_put; }
  void Barrier() const {
    if (planted != Bug::kNoBarrier && !fence_at_put) {
      rl::ctx().sched();
      rl::ctx().rl_global_fence();
    }
  }
  template <class W>
  void Sleep(W* word, uint64_t expected, const Deadline& deadline) const {
    word->Sleep(expected, deadline.looks != 0);
  }
  template <class W>
  void WakeAll(W* word) const {
    word->WakeAll();
  }
  bool RepairIfDead(uint32_t, uint32_t) const { return false; }

  Word* entries;
  bool fence_at_put;
};

// The platform of region::Latch, with almost no spinning, to sleep soon.
struct LatchPlatform {
  using Word = relacy_test::Word<uint32_t, Role::kLatch>;
  static constexpr int kSpins = 1;
  static void Sleep(Word* word, uint32_t expected) {
    word->Sleep(expected, /*timed=*/false);
  }
  static void WakeAll(Word* word) { word->WakeAll(); }
};

}  // namespace mpool::relacy_test

#endif  // MPOOL_TESTS_RELACY_PLATFORM_H_
