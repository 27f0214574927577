// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/page_latch.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "os/futex.h"
#include "os/status.h"
#include "os/step.h"

namespace mpool::internal {
namespace {

constexpr absl::Duration kProbeAfter = absl::Milliseconds(50);

bool KeyIs(const BufferHeader& header, uint64_t key) {
  return header.key.load(std::memory_order_acquire) == key;
}

}  // namespace

void PageLatch::Wake(BufferHeader& header) {
  os::FutexWakeAll(os::LowHalf(&header.state));
}

Enter PageLatch::TryShared(BufferHeader& header, uint64_t key,
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
    // A grant under XP changes the word even if the hint is there: a writer
    // that has passed this thread's entry must notice.
    if (seen.has(State::kHint)) return Enter::kGranted;
    MPOOL_STEP("mpool.latch.hint");
    if (header.Change(&seen, seen.With(State::kHint))) {
      MPOOL_STEP("mpool.latch.hinted");
      // The version may have gone round while this thread stood still.
      return KeyIs(header, key) ? Enter::kGranted : Enter::kMismatch;
    }
  }
}

Enter PageLatch::TryPending(const region::Thread& self, BufferHeader& header,
                            uint64_t key, bool* had_hint) {
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
                                 .WithOwner(self.id))) {
      break;
    }
  }
  MPOOL_STEP("mpool.latch.pending");
  *had_hint = seen.has(State::kHint);
  if (KeyIs(header, key)) return Enter::kGranted;
  GiveUpPending(header);
  return Enter::kMismatch;
}

// XP goes and the hint comes back in one CAS: readers that were waited for are
// still there and must stay visible to evictors.
void PageLatch::GiveUpPending(BufferHeader& header) {
  MPOOL_STEP("mpool.latch.give_up");
  ChangeAndWake(header, [](State s) {
    return s.Without(State::kXPending).With(State::kHint).WithOwner(0);
  });
  MPOOL_STEP("mpool.latch.gave_up");
}

absl::Status PageLatch::DrainReaders(const region::Thread& self,
                                     BufferHeader& header, EntryWord* entry,
                                     bool had_hint,
                                     const os::Deadline& deadline) {
  const FrameIndex frame = IndexOf(header);
  bool scan = had_hint;
  bool others = false;
  while (true) {
    if (scan) {
      while (auto reader = ledger_.FindOther(frame, entry, Mode::kShared)) {
        absl::Status status = WaitForReader(self, header, *reader, deadline);
        if (!status.ok()) {
          GiveUpPending(header);
          return status;
        }
      }
      others = ledger_.FindOther(frame, entry, std::nullopt).has_value();
    }
    State seen = header.Load();
    if (seen.has(State::kHint)) {
      // Somebody entered again under XP: take the hint away and look again.
      header.Change(&seen, seen.Without(State::kHint));
      scan = true;
      continue;
    }
    State exclusive = seen.Without(State::kXPending).With(State::kX);
    if (others) exclusive = exclusive.With(State::kHint);
    MPOOL_STEP("mpool.latch.take");
    if (header.Change(&seen, exclusive)) {
      MPOOL_STEP("mpool.latch.taken");
      return absl::OkStatus();
    }
  }
}

absl::Status PageLatch::WaitForReader(const region::Thread& self,
                                      BufferHeader& header,
                                      const Holder& holder,
                                      const os::Deadline& deadline) {
  if (deadline.passed()) return TimedOut(header, holder.thread);
  State seen = header.Load();
  while (!seen.has(State::kWaiters) &&
         !header.Change(&seen, seen.With(State::kWaiters))) {
  }
  os::GlobalBarrier();
  if (holder.entry->load(std::memory_order_seq_cst) != holder.seen.word) {
    return absl::OkStatus();
  }
  os::FutexWait(os::LowHalf(holder.entry), holder.seen.frame(),
                deadline.Left(kProbeAfter));
  if (holder.entry->load(std::memory_order_seq_cst) == holder.seen.word) {
    region_.Suspect(holder.thread, self.id);
  }
  return absl::OkStatus();
}

void PageLatch::ReleaseExclusive(BufferHeader& header, bool changed) {
  MPOOL_STEP("mpool.put.release");
  ChangeAndWake(header, [&](State s) {
    State next = s.Without(State::kX).WithOwner(0);
    return changed ? next.With(State::kDirty).NextVersion() : next;
  });
  MPOOL_STEP("mpool.put.released");
}

absl::Status PageLatch::WaitForChange(const region::Thread& self,
                                      BufferHeader& header, State seen,
                                      uint32_t suspect,
                                      const os::Deadline& deadline) {
  if (suspect == 0) suspect = seen.owner();
  if (deadline.passed()) return TimedOut(header, suspect);
  if (!seen.has(State::kWaiters)) {
    State expected = seen;
    seen = seen.With(State::kWaiters);
    if (!header.Change(&expected, seen)) return absl::OkStatus();
  }
  os::FutexWait(os::LowHalf(&header.state), static_cast<uint32_t>(seen.bits),
                deadline.Left(kProbeAfter));
  if (header.Load().bits == seen.bits) region_.Suspect(suspect, self.id);
  return absl::OkStatus();
}

absl::Status PageLatch::TimedOut(const BufferHeader& header,
                                 uint32_t holder) const {
  const uint64_t key = header.key.load(std::memory_order_relaxed);
  return absl::DeadlineExceededError(
      absl::StrCat("wait for page ", PageKey::Page(key), ": held by ",
                   region_.Describe(holder),
                   "; it must put the page, or the call must wait longer"));
}

}  // namespace mpool::internal
