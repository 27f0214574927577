// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// panic.h - the panic: a writer died and left a page that only the log of the
// file's owner can restore.
//
// From then on every get of every process is refused, until the owner has
// recovered. Otherwise a process could build on half of a change that is whole
// only in the log. Puts, write-back and closing still work.
//
// Words: panic       number of the panic; 0 = none. The repairer sets it before
//                    it poisons the page. If a repairer dies in between, the
//                    next one finds the page unchanged and does both again.
//        panics      the highest number so far. Each lost page takes the next,
//                    also during a panic, because a process that recovers from
//                    one panic has not seen the page of the next.
//        panic_page  the page of a panic, for the error message; stored before
//                    the number
//
// Concurrency: any thread may make any call at any time.

#ifndef MPOOL_MPOOL_RECOVER_PANIC_H_
#define MPOOL_MPOOL_RECOVER_PANIC_H_

#include <atomic>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "mpool/files/file_handles.h"
#include "mpool/files/file_table.h"
#include "mpool/files/page_io.h"
#include "mpool/memory/frame_table.h"
#include "mpool/stats.h"
#include "region/home_files.h"
#include "region/memory.h"

namespace mpool::internal {

class Panic {
 public:
  Panic(const region::HomeFiles& home_files, region::Memory& memory,
        const FrameTable& frames, const FileTable& files)
      : home_files_(home_files),
        memory_(memory),
        frames_(frames),
        files_(files) {}

  // Starts to read the region's word. Before this call there is no panic.
  void Attach() { word_ = &memory_.header()->panic; }
  // The word that each get reads: 0 if there is no panic. Valid until the
  // region is detached.
  const std::atomic<uint64_t>* word() const { return word_; }

  // Returns the panic error if every get of this process is refused, else Ok.
  absl::Status Check() const {
    const uint64_t word = word_->load(std::memory_order_acquire);
    return word == 0 || word == recovered_.load(std::memory_order_relaxed)
               ? absl::OkStatus()
               : Error(word);
  }
  // Returns the panic error of processes that are not recovering, else Ok.
  absl::Status CheckAsOther() const;
  // Lets this process keep working during the current panic, for recovery.
  void Allow();
  // Ends the panic that this process recovered from. Returns FailedPrecondition
  // if a page is still lost, and the panic error if another panic is set.
  absl::Status Clear();

  // Sets a panic for the page of `key`, before the page is poisoned.
  void Set(PageKey key, RepairReport* report);
  // Sets the panic again if the owner cleared it before it could see this page.
  // REQUIRES: the page is poisoned.
  void Keep(PageKey key, RepairReport* report);

 private:
  static inline constinit const std::atomic<uint64_t> kNone{0};

  [[gnu::noinline]] absl::Status Error(uint64_t word) const;
  std::optional<PageKey> LostLoggedPage() const;

  const region::HomeFiles& home_files_;
  region::Memory& memory_;
  const FrameTable& frames_;
  const FileTable& files_;
  const std::atomic<uint64_t>* word_ = &kNone;
  // Number of the panic that this process recovers from.
  std::atomic<uint64_t> recovered_{0};
};

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_RECOVER_PANIC_H_
