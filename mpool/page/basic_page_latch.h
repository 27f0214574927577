// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// basic_page_latch.h - the steps of the page latch on any platform: the real
// machine (page_latch.h) or a checker of memory orders
// (tests/relacy/relacy_test.cc).
//
// A platform has
//   Word        an atomic of 64 bits, like std::atomic
//   Header      words `state` and `key`, with Load and Change of the state
//   Deadline    with passed()
//   IndexOf     the frame of a header
//   FindOther   the scan of all ledger entries, like Ledger::FindOther
//   PutNeedsFence, Barrier    the side of a put and its waiter that fences
//   Sleep, WakeAll            on a word, while it has a value
//   RepairIfDead     a check of a thread's life; true if it repaired the thread

#ifndef MPOOL_MPOOL_PAGE_BASIC_PAGE_LATCH_H_
#define MPOOL_MPOOL_PAGE_BASIC_PAGE_LATCH_H_

#include <atomic>
#include <cstdint>
#include <optional>

#include "mpool/page/buffer_header.h"
#include "mpool/page/ledger.h"
#include "os/step.h"

namespace mpool::internal {

enum class Enter {
  kGranted,
  kMismatch,  // the frame holds another page; search for the page again
  kBusy,      // owned by a thread: wait for the state word
  kPoisoned,
};

template <class Header>
[[gnu::always_inline]] inline bool KeyIs(const Header& header, PageKey key) {
  return header.key.load(std::memory_order_acquire) == key.bits();
}

// False if a published ledger entry alone grants the page; for the hit path.
// Pairs with the taker's CAS and scan; see ledger.h.
template <class Header>
[[gnu::always_inline]] inline bool NeedsSlowPath(const Header& header,
                                                 PageKey key) {
  constexpr uint64_t kLook =
      State::kPhaseMask | State::kX | State::kXPending | State::kHint;
  if ((header.Load().bits & kLook) !=
      (static_cast<uint64_t>(Phase::kValid) | State::kHint)) [[unlikely]] {
    return true;
  }
  return header.key.load(std::memory_order_acquire) != key.bits();
}

template <class Platform>
class BasicPageLatch {
 public:
  using Word = typename Platform::Word;
  using Header = typename Platform::Header;
  using Deadline = typename Platform::Deadline;

  explicit BasicPageLatch(const Platform& platform) : platform_(platform) {}
  const Platform& platform() const { return platform_; }

  Enter TryShared(Header& header, PageKey key, bool reentrant);
  Enter TryPending(uint32_t self, Header& header, PageKey key, bool* had_hint);
  // Waits for the readers and turns XP into X. Returns the thread of the reader
  // that blocks it at the deadline, or nullopt if it got X.
  std::optional<uint32_t> DrainReaders(uint32_t self, Header& header,
                                       Word* entry, bool had_hint,
                                       const Deadline& deadline);
  void ReleaseExclusive(Header& header, bool changed);
  void Withdraw(Header& header, Word* entry);
  // Waits until the state changes. Returns the owner that blocks it at the
  // deadline, or nullopt if the caller must read the state again.
  std::optional<uint32_t> WaitForChange(uint32_t self, Header& header,
                                        State seen, uint32_t suspect,
                                        const Deadline& deadline);
  template <class F>
  State ChangeAndWake(Header& header, F&& make);

 private:
  void WaitForReader(uint32_t self, Header& header,
                     const BasicHolder<Word>& holder,
                     const Deadline& deadline);
  void GiveUpPending(Header& header);

  Platform platform_;
};

template <class Platform>
inline void BasicPageLatch<Platform>::Withdraw(Header& header, Word* entry) {
  uint64_t seen;
  if (platform_.PutNeedsFence()) [[unlikely]] {
    // If membarrier is refused: pairs with the waiter's CAS of WAITERS and its
    // load of the entry. All four accesses are seq_cst, in the single order.
    // no step: its callers pass steps.
    entry->exchange(0, std::memory_order_seq_cst);
    seen = header.state.load(std::memory_order_seq_cst);
  } else {
    // no step: its callers pass steps.
    entry->store(0, std::memory_order_release);
    seen = header.state.load(std::memory_order_relaxed);
  }
  if ((seen & State::kWaiters) != 0) [[unlikely]] {
    platform_.WakeAll(entry);
  }
}

template <class Platform>
template <class F>
State BasicPageLatch<Platform>::ChangeAndWake(Header& header, F&& make) {
  // WAITERS stays set under XP because the writer may sleep on a ledger entry.
  // Only a put of that entry wakes the writer.
  auto changed = [&](State s) {
    const State next = make(s);
    return next.has(State::kXPending) ? next : next.Without(State::kWaiters);
  };
  State seen = header.Load();
  // no step: its callers pass steps.
  while (!header.Change(&seen, changed(seen))) {
  }
  if (seen.has(State::kWaiters)) platform_.WakeAll(&header.state);
  return seen;
}

template <class Platform>
Enter BasicPageLatch<Platform>::TryShared(Header& header, PageKey key,
                                          bool reentrant) {
  State seen = header.Load();
  while (true) {
    if (!KeyIs(header, key)) return Enter::kMismatch;
    if (seen.phase() == Phase::kPoisoned) return Enter::kPoisoned;
    const bool may_enter =
        seen.is_open() || (reentrant && seen.has(State::kXPending));
    if (!may_enter) {
      return seen.is_owned() ? Enter::kBusy : Enter::kMismatch;
    }
    // A grant under XP changes the word even if the hint is set. So a writer
    // that has scanned past this thread's entry sees the change.
    if (seen.has(State::kHint)) return Enter::kGranted;
    MPOOL_STEP("mpool.latch.hint");
    if (header.Change(&seen, seen.With(State::kHint))) {
      MPOOL_STEP("mpool.latch.hinted");
      // The version may have wrapped around while this thread was delayed.
      return KeyIs(header, key) ? Enter::kGranted : Enter::kMismatch;
    }
  }
}

template <class Platform>
Enter BasicPageLatch<Platform>::TryPending(uint32_t self, Header& header,
                                           PageKey key, bool* had_hint) {
  State seen = header.Load();
  while (true) {
    if (!KeyIs(header, key)) return Enter::kMismatch;
    if (seen.phase() == Phase::kPoisoned) return Enter::kPoisoned;
    if (!seen.is_open()) {
      return seen.is_owned() ? Enter::kBusy : Enter::kMismatch;
    }
    MPOOL_STEP("mpool.latch.pend");
    if (header.Change(&seen, seen.With(State::kXPending)
                                 .Without(State::kHint)
                                 .WithOwner(self))) {
      break;
    }
  }
  MPOOL_STEP("mpool.latch.pending");
  *had_hint = seen.has(State::kHint);
  if (KeyIs(header, key)) return Enter::kGranted;
  GiveUpPending(header);
  return Enter::kMismatch;
}

// Clears XP and sets the hint in one CAS. The writer's scan may have met
// readers, and they must stay visible to evictors.
template <class Platform>
void BasicPageLatch<Platform>::GiveUpPending(Header& header) {
  MPOOL_STEP("mpool.latch.give_up");
  ChangeAndWake(header, [](State s) {
    return s.Without(State::kXPending).With(State::kHint).WithOwner(0);
  });
  MPOOL_STEP("mpool.latch.gave_up");
}

template <class Platform>
std::optional<uint32_t> BasicPageLatch<Platform>::DrainReaders(
    uint32_t self, Header& header, Word* entry, bool had_hint,
    const Deadline& deadline) {
  const FrameIndex frame = platform_.IndexOf(header);
  bool scan = had_hint;
  bool others = false;
  while (true) {
    if (scan) {
      while (auto reader = platform_.FindOther(frame, entry, Mode::kShared)) {
        if (deadline.passed() &&
            !platform_.RepairIfDead(reader->thread, self)) {
          GiveUpPending(header);
          return reader->thread;
        }
        WaitForReader(self, header, *reader, deadline);
      }
      others = platform_.FindOther(frame, entry, std::nullopt).has_value();
    }
    State seen = header.Load();
    if (seen.has(State::kHint)) {
      // A reader entered under XP: clear the hint and scan again.
      header.Change(&seen, seen.Without(State::kHint));
      scan = true;
      continue;
    }
    State exclusive = seen.Without(State::kXPending).With(State::kX);
    if (others) exclusive = exclusive.With(State::kHint);
    MPOOL_STEP("mpool.latch.take");
    if (header.Change(&seen, exclusive)) {
      MPOOL_STEP("mpool.latch.taken");
      return std::nullopt;
    }
  }
}

template <class Platform>
void BasicPageLatch<Platform>::WaitForReader(uint32_t self, Header& header,
                                             const BasicHolder<Word>& holder,
                                             const Deadline& deadline) {
  State seen = header.Load();
  while (!seen.has(State::kWaiters) &&
         // no step: a wake-up after the sleeper's death is harmless.
         !header.Change(&seen, seen.With(State::kWaiters))) {
  }
  platform_.Barrier();
  if (holder.entry->load(std::memory_order_seq_cst) != holder.seen.word) {
    return;
  }
  platform_.Sleep(holder.entry, holder.seen.word, deadline);
  if (holder.entry->load(std::memory_order_seq_cst) == holder.seen.word) {
    platform_.RepairIfDead(holder.thread, self);
  }
}

template <class Platform>
void BasicPageLatch<Platform>::ReleaseExclusive(Header& header, bool changed) {
  MPOOL_STEP("mpool.put.release");
  ChangeAndWake(header, [&](State s) {
    State next = s.Without(State::kX).WithOwner(0);
    return changed ? next.With(State::kDirty).NextVersion() : next;
  });
  MPOOL_STEP("mpool.put.released");
}

template <class Platform>
std::optional<uint32_t> BasicPageLatch<Platform>::WaitForChange(
    uint32_t self, Header& header, State seen, uint32_t suspect,
    const Deadline& deadline) {
  if (suspect == 0) suspect = seen.owner();
  // The thread reported at the deadline is alive or cannot be repaired yet.
  if (deadline.passed()) {
    if (platform_.RepairIfDead(suspect, self)) return std::nullopt;
    return suspect;
  }
  if (!seen.has(State::kWaiters)) {
    State expected = seen;
    seen = seen.With(State::kWaiters);
    // no step: a wake-up after the sleeper's death is harmless.
    if (!header.Change(&expected, seen)) return std::nullopt;
  }
  platform_.Sleep(&header.state, seen.bits, deadline);
  if (header.Load().bits == seen.bits) platform_.RepairIfDead(suspect, self);
  return std::nullopt;
}

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_PAGE_BASIC_PAGE_LATCH_H_
