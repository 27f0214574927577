// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/resize/resizer.h"

#include <algorithm>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "mpool/observe/holders.h"
#include "os/assert.h"
#include "os/clock.h"
#include "os/round.h"
#include "os/status.h"
#include "os/step.h"

namespace mpool::internal {
namespace {

// How long a resize waits without progress, and its interval.
constexpr absl::Duration kTurnWait = absl::Milliseconds(500);
constexpr absl::Duration kTurnCheck = absl::Milliseconds(1);
// How long a resize waits for another resize.
constexpr absl::Duration kAnother = absl::Seconds(10);
// Misses of a thread between two checks for an unfinished resize.
constexpr uint32_t kHelpEvery = 64;
}  // namespace

absl::Status Resizer::CheckResize(uint64_t bytes) const {
  const uint64_t most = memory_.fixed().max_cache_bytes;
  constexpr uint64_t kLeast = uint64_t{kMinFrames} * kMinPageBytes;
  if (bytes % kMinPageBytes != 0 || bytes < kLeast) {
    return absl::InvalidArgumentError(
        absl::StrCat(DescribeResize(bytes), ": it must be a multiple of ",
                     kMinPageBytes, " and at least ", kLeast));
  }
  if (bytes > most) {
    return absl::InvalidArgumentError(absl::StrCat(
        DescribeResize(bytes), ": its EnvOptions::max_cache_bytes is ", most,
        ", which only who makes the environment can choose; ask for less"));
  }
  return absl::OkStatus();
}

std::string Resizer::DescribeResize(uint64_t bytes) const {
  return absl::StrCat("resize the cache of ", home_files_.home().path(),
                      " from ", frames_.extents().cache_bytes(), " to ", bytes,
                      " bytes");
}

// Claims the resize. False if another thread resizes. Repair clears the claim
// of a dead resizer.
bool Resizer::TryClaimResize(const region::Thread& self) {
  MPOOL_ASSERT(self.id != 0);
  uint32_t nobody = 0;
  if (!frames_.pool().resizer.compare_exchange_strong(nobody, self.id)) {
    return false;
  }
  MPOOL_STEP("mpool.resize.claimed");
  return true;
}

absl::Status Resizer::ClaimResize(const region::Thread& self) {
  MPOOL_ASSERT(self.id != 0);
  const os::Deadline patience(kAnother);
  while (!TryClaimResize(self)) {
    const uint32_t other = frames_.pool().resizer.load();
    repairer_.RepairIfDead(other, self.id);
    if (patience.passed()) {
      return absl::UnavailableError(
          absl::StrCat("resize the cache of ", home_files_.home().path(), ": ",
                       members_.Describe(other), " resizes it; try again"));
    }
    os::Sleep(kTurnCheck);
  }
  return absl::OkStatus();
}

// no step below: the claim protects no unfinished state.
void Resizer::EndResize() {
  MPOOL_ASSERT(frames_.pool().resizer.load() != 0);
  frames_.pool().resizer.store(0);
}

absl::Status Resizer::Resize(ThreadContext& self, uint64_t bytes) {
  MPOOL_RETURN_IF_ERROR(CheckResize(bytes));
  MPOOL_RETURN_IF_ERROR(ClaimResize(self.thread));
  MPOOL_ASSERT(frames_.pool().resizer.load() == self.thread.id);
  const absl::Cleanup release = [&] { EndResize(); };
  MPOOL_RETURN_IF_ERROR(bytes > frames_.extents().cache_bytes()
                            ? Grow(self, bytes)
                            : Shrink(self, bytes));
  return FinishShrink(self, Patience::kUntilSettled);
}

absl::Status Resizer::Shrink(const ThreadContext& self, uint64_t bytes) {
  MPOOL_ASSERT(bytes % kMinPageBytes == 0);
  absl::Status status = TryShrink(self, bytes);
  if (status.ok()) return status;
  // Dead processes may have left the files open that need the space.
  repairer_.RepairAndWait(self.thread);
  return TryShrink(self, bytes);
}

// Shrinks under the files latch, because an open checks under this latch
// whether the cache has room for its page size.
absl::Status Resizer::TryShrink(const ThreadContext& self, uint64_t bytes) {
  region::LatchGuard guard(self.thread, frames_.pool().files_latch);
  MPOOL_RETURN_IF_ERROR(
      room_.Check(DescribeResize(bytes), bytes, room_.OpenClasses()));
  frames_.extents().SetCacheBytes(self.thread, bytes);
  return absl::OkStatus();
}

absl::Status Resizer::Grow(ThreadContext& self, uint64_t bytes) {
  MPOOL_ASSERT(bytes != 0 && bytes % kMinPageBytes == 0);
  MPOOL_ASSERT(frames_.pool().resizer.load() == self.thread.id);
  const std::string what = DescribeResize(bytes);
  const uint64_t now = frames_.extents().cache_bytes();
  if (bytes > frames_.extents().backed_bytes()) {
    frames_.pool().backed.store(SealSize(bytes), std::memory_order_release);
  }
  MPOOL_STEP("mpool.resize.begun");
  const uint64_t from = now / os::kSystemPage * os::kSystemPage;
  absl::Status status = memory_.Back(frames_.extents().memory() + from,
                                     os::RoundUp(bytes) - from);
  MPOOL_STEP("mpool.resize.backed");
  if (status.ok()) status = frames_.extents().MakeHeaders(self.thread, bytes);
  if (!status.ok()) {
    FinishShrink(self, Patience::kOnePass).IgnoreError();
    return absl::Status(
        status.code(),
        absl::StrCat(what, ": ", status.message(), "; its size is as before"));
  }
  frames_.extents().SetCacheBytes(self.thread, bytes);
  return absl::OkStatus();
}

// Cuts another extent for a page size that is about to lose one.
void Resizer::FindMore(ThreadContext& self, PageClass page_class) {
  const bool cut =
      frames_.extents().Cut(self.thread, page_class).value_or(false);
  if (cut || !balancer_.Balance(self, page_class, Balancer::Need::kUrgent))
    return;
  frames_.extents().Cut(self.thread, page_class).IgnoreError();
}

// Retires the frames beyond the cache that can be retired. Returns the number
// of frames that cannot yet.
uint64_t Resizer::RetireBeyond(ThreadContext& self, bool* progress,
                               absl::Status* failure) {
  MPOOL_ASSERT(progress != nullptr && failure != nullptr);
  const uint64_t cache = frames_.extents().cache_bytes();
  const uint64_t extent_bytes = frames_.pool().extent_bytes;
  uint64_t left = 0;
  for (uint32_t i =
           frames_.extents().ExtentsOf(frames_.extents().backed_bytes());
       i-- > 0;) {
    if (uint64_t{i + 1} * extent_bytes <= cache) break;
    const CutWord now = frames_.extents().cut(i);
    if (!now.is_cut()) continue;
    const uint64_t keep = frames_.extents().FramesOf(i, now.page_class, cache);
    if (now.frames <= keep) continue;
    const bool is_open = (room_.OpenClasses() & now.page_class.bit()) != 0;
    if (is_open && now.drainer == 0 &&
        !frames_.extents().HasAtLeast(
            frames_.extents().MinFrames(now.page_class), now.page_class, i)) {
      FindMore(self, now.page_class);
    }
    // One remaining frame is enough for an open page size, because Balance
    // gives the size more when it needs them.
    if (!frames_.extents().BeginDrain(self.thread, i, now, keep,
                                      is_open ? 1 : 0) ||
        !drain_.Drain(self, i, now, keep, failure) ||
        !frames_.extents().Retire(self.thread, i, now, keep)) {
      left += now.frames - keep;
      continue;
    }
    *progress = true;
    // Memory below the cache's end is kept, because another thread may have cut
    // that part again.
    const uint64_t begin = std::max(i * extent_bytes, os::RoundUp(cache));
    const uint64_t end = std::min(
        (i + 1) * extent_bytes, os::RoundUp(frames_.extents().backed_bytes()));
    if (begin < end) {
      failure->Update(
          memory_.Release(frames_.extents().memory() + begin, end - begin));
    }
    MPOOL_STEP("mpool.resize.released");
  }
  return left;
}

// Finishes a shrink. kOnePass: never waits. Returns Unavailable if
// frames are still in use, and the errors of writes and of releasing memory.
// REQUIRES: the claim on `resizer`.
absl::Status Resizer::FinishShrink(ThreadContext& self, Patience patience) {
  MPOOL_ASSERT(frames_.pool().resizer.load() == self.thread.id);
  if (!IsResizing(frames_.pool())) return absl::OkStatus();
  absl::Status failure;
  bool repaired = false;
  os::Deadline turn(kTurnWait);
  while (true) {
    bool progress = false;
    failure = absl::OkStatus();
    const uint64_t left = RetireBeyond(self, &progress, &failure);
    if (left == 0) break;
    if (progress) turn = os::Deadline(kTurnWait);
    if (patience == Patience::kOnePass || (turn.passed() && repaired)) {
      for (uint32_t i = 0;
           i < frames_.extents().ExtentsOf(frames_.extents().backed_bytes());
           ++i) {
        drain_.Cancel(self, i);
      }
      return NotSettled(left, failure);
    }
    if (turn.passed()) {
      // Dead processes may hold the missing frames.
      RepairReport report;
      repairer_.RepairAll(self.thread, &report);
      repaired = true;
    }
    os::Sleep(kTurnCheck);
  }
  MPOOL_RETURN_IF_ERROR(failure);
  const uint64_t cache = frames_.extents().cache_bytes();
  const uint64_t begin = os::RoundUp(cache);
  // The release reaches to the end of the tail, because a joiner may have
  // allocated memory again that was released before.
  const uint64_t end = os::RoundUp(memory_.fixed().max_cache_bytes);
  MPOOL_RETURN_IF_ERROR(
      memory_.Release(frames_.extents().memory() + begin, end - begin));
  MPOOL_STEP("mpool.resize.given_back");
  frames_.pool().backed.store(SealSize(cache), std::memory_order_release);
  MPOOL_STEP("mpool.resize.settled");
  return absl::OkStatus();
}

absl::Status Resizer::NotSettled(uint64_t frames,
                                 const absl::Status& failure) const {
  MPOOL_ASSERT(frames != 0);
  uint64_t lost = 0;
  const uint64_t end =
      frames_.extents().memory() + frames_.extents().cache_bytes();
  frames_.ForEachHeader([&](BufferHeader& header) {
    if (header.data_offset() >= end &&
        header.Load().phase() == Phase::kPoisoned) {
      ++lost;
    }
  });
  return absl::UnavailableError(absl::StrCat(
      "resize the cache of ", home_files_.home().path(), ": it has ",
      frames_.extents().cache_bytes(), " bytes from now on, but the memory of ",
      frames, " frames could not be given back yet (",
      DescribeHolders(members_), "; ", lost,
      " lost with their writers, to be written anew", failure.ok() ? "" : "; ",
      failure.message(),
      "); put those pages: the next Resize, FailCheck, open or miss gives it "
      "back"));
}

// Continues, without waiting, a resize that another thread left unfinished.
void Resizer::Help(ThreadContext& self) {
  if (!IsResizing(frames_.pool()) || frames_.pool().resizer.load() != 0) {
    return;
  }
  if (!TryClaimResize(self.thread)) return;
  FinishShrink(self, Patience::kOnePass).IgnoreError();
  EndResize();
}

void Resizer::HelpNowAndThen(ThreadContext& self) {
  if (IsResizing(frames_.pool()) && ++self.helped % kHelpEvery == 0) {
    Help(self);
  }
}

absl::Status Resizer::PrepareMore(const region::Thread& self, bool prefault,
                                  bool lock_memory) {
  if (!prefault && !lock_memory) return absl::OkStatus();
  return memory_.PrepareMore(prefault, lock_memory,
                             [&] { return PrepareMemory(self); });
}

// Prefaults or locks the page memory for this process. A shrink may release the
// memory at the same time, and the prefault then allocates it again. Therefore
// this call releases such memory again. If this process dies or cannot claim
// the resize, the next shrink releases it.
absl::Status Resizer::PrepareMemory(const region::Thread& self) {
  MPOOL_ASSERT(self.id != 0);
  if (!memory_.prepares_memory()) return absl::OkStatus();
  const uint64_t bytes = frames_.extents().cache_bytes();
  MPOOL_RETURN_IF_ERROR(
      memory_.PrepareMemory(frames_.extents().memory(), os::RoundUp(bytes)));
  if (bytes <= frames_.extents().cache_bytes()) return absl::OkStatus();
  if (!ClaimResize(self).ok()) return absl::OkStatus();
  const absl::Cleanup release = [&] { EndResize(); };
  const uint64_t begin = os::RoundUp(frames_.extents().backed_bytes());
  if (begin >= os::RoundUp(bytes)) return absl::OkStatus();
  return memory_.Release(frames_.extents().memory() + begin,
                         os::RoundUp(bytes) - begin);
}

}  // namespace mpool::internal
