// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// getter.h - gets a page: on the hit path (hit.h), or else by waiting for its
// owner or by loading it.
//
// Concurrency: any thread may make any call at any time.
// Role:        one of the three types that look up the calling thread.
// Invariants:  the words that the hit path reads lie in this object. hash_ is
//              a handle of its own; Attach renews it after each open, before
//              the opened file can be used.

#ifndef MPOOL_MPOOL_GET_GETTER_H_
#define MPOOL_MPOOL_GET_GETTER_H_

#include <atomic>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mpool/evict/active_policy.h"
#include "mpool/files/file_handles.h"
#include "mpool/files/file_table.h"
#include "mpool/files/page_io.h"
#include "mpool/get/frame_supply.h"
#include "mpool/get/loader.h"
#include "mpool/get/putter.h"
#include "mpool/get/request.h"
#include "mpool/memory/frame_table.h"
#include "mpool/memory/page_index.h"
#include "mpool/options.h"
#include "mpool/page.h"
#include "mpool/page/hash_table.h"
#include "mpool/page/images.h"
#include "mpool/page/ledger.h"
#include "mpool/page/page_latch.h"
#include "mpool/page/thread_registry.h"
#include "mpool/recover/panic.h"

namespace mpool::internal {

class Getter {
 public:
  Getter(const Putter& putter, const PageIndex& index, const PageLatch& latch,
         ThreadRegistry& threads, FrameTable& frames, Ledger& ledger,
         Images& images, FileTable& files, Panic& panic, ActivePolicy& policy,
         FrameSupply& supply, Loader& loader)
      : putter_(putter),
        hash_(index.table()),
        latch_(latch),
        policy_(policy),
        threads_(threads),
        frames_(frames),
        ledger_(ledger),
        images_(images),
        files_(files),
        panic_(panic),
        supply_(supply),
        loader_(loader) {}
  Getter(const Getter&) = delete;
  Getter& operator=(const Getter&) = delete;

  // Copies the words that the hit path reads.
  // REQUIRES: the region is attached and the policy is made.
  void Start(const PageIndex& index);
  // Renews the handle on the hash table, after an open.
  // REQUIRES: the files latch (not checkable: Start calls it without the latch,
  // before other threads use the pool).
  void Attach(const PageIndex& index) { index.AttachHandle(&hash_); }

  // Gets a page for reading. In hit.h.
  absl::StatusOr<ReadPage> Get(const OpenedFile& file, PageNo page,
                               const GetOptions& options);
  absl::StatusOr<WritePage> GetForUpdate(const OpenedFile& file, PageNo page,
                                         const GetOptions& options);
  // GetForUpdate for an update group: always keeps a before-image, also if the
  // file's options refuse images. A poisoned page is then an error, also with
  // `create`: it has no before-image, so the caller must overwrite it outside
  // the group.
  absl::StatusOr<WritePage> GetInGroup(const OpenedFile& file, PageNo page,
                                       const GetOptions& options);
  absl::StatusOr<WritePage> New(const OpenedFile& file);

  const HashTable& hash() const { return hash_; }

 private:
  friend class Group;

  Pin MakePin(const ThreadContext& self, BufferHeader& header,
              EntryWord* entry);
  bool NoteHit(ThreadContext& self, BufferHeader& header);

  // hit.h
  absl::StatusOr<ReadPage> TryHit(ThreadContext& self, const OpenedFile& file,
                                  PageKey key, const GetOptions& options,
                                  FrameIndex frame);

  // The calls that leave the hit path. `published`: an entry to withdraw first,
  // or nullptr.
  [[gnu::noinline]] absl::StatusOr<ReadPage> GetFromBucket(
      const OpenedFile& file, PageNo page, const GetOptions& options) noexcept;
  [[gnu::noinline]] absl::StatusOr<ReadPage> GetSlow(
      const OpenedFile& file, PageNo page, const GetOptions& options,
      EntryWord* published) noexcept;
  [[gnu::noinline]] ReadPage FlushHits(ThreadContext& self,
                                       BufferHeader& header,
                                       EntryWord* entry) noexcept;

  absl::StatusOr<WritePage> GetExclusive(const Request& request);
  absl::StatusOr<Pin> GetUntilGranted(ThreadContext& self,
                                      const Request& request);
  absl::StatusOr<Pin> TryUntilGranted(ThreadContext& self,
                                      const Request& request);
  absl::StatusOr<std::optional<Granted>> TryResident(ThreadContext& self,
                                                     const Request& request,
                                                     BufferHeader& header);
  absl::StatusOr<std::optional<Granted>> EnterShared(ThreadContext& self,
                                                     const Request& request,
                                                     BufferHeader& header,
                                                     bool reentrant);
  absl::StatusOr<std::optional<Granted>> EnterExclusive(ThreadContext& self,
                                                        const Request& request,
                                                        BufferHeader& header);
  void KeepImage(region::Image& image, const BufferHeader& header);
  absl::StatusOr<std::optional<Granted>> Overwrite(ThreadContext& self,
                                                   const Request& request,
                                                   BufferHeader& header);
  absl::Status WaitForOwner(ThreadContext& self, const Request& request,
                            BufferHeader& header);
  absl::Status Poisoned(const Request& request,
                        const BufferHeader& header) const;

  Putter putter_;  // first: a pin names it
  HashTable hash_;
  const std::atomic<uint64_t>* panic_word_ = nullptr;
  bool wants_hits_ = false;
  PageLatch latch_;
  ActivePolicy& policy_;
  ThreadRegistry& threads_;
  FrameTable& frames_;
  Ledger& ledger_;
  Images& images_;
  FileTable& files_;
  Panic& panic_;
  FrameSupply& supply_;
  Loader& loader_;
};

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_GET_GETTER_H_
