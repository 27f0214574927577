// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// page_io.h - reads and writes pages of page files.
//
// Role:        the only caller of reads, writes and truncations of page files.
//              The loader and WriteBack hand it bytes of the pool.
// Concurrency: any number of threads read and write a file at once. A thread
//              that cuts a partial page off excludes writers: it stores
//              FileEntry::cutter, then reads the counts of writes.
// Invariants:  P1 no latch of the region is held during the I/O.
//              P2 a page below the page count that is not on disk reads as
//              zeros. A page that was on disk and is cut off is DataLoss.
//              P3 a write is announced before it begins (FileWatch), so that it
//              is never taken for a change by other programs.
//              P4 a partial page that the pool left at the end of a file is cut
//              off before another page is made, or by the writer itself.
// Crash:       a dead writer leaves its write announced, a dead cutter leaves
//              FileEntry::cutter. FileTable::EndWritesOfDead and Repair clear
//              them and make the file's times unknown.

#ifndef MPOOL_MPOOL_FILES_PAGE_IO_H_
#define MPOOL_MPOOL_FILES_PAGE_IO_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mpool/files/file_entry.h"
#include "mpool/files/file_watch.h"
#include "os/file.h"
#include "region/repair.h"

namespace mpool::internal {

class PageIo {
 public:
  PageIo(region::Repairer& repairer, FileWatch& watch)
      : repairer_(repairer), watch_(watch) {}

  // Reads the page into `bytes`. A page that is not on disk is zeros. Returns
  // DataLoss if other programs cut the page off, and the errors of reads.
  static absl::Status Read(const OpenedFile& file, uint64_t page,
                           std::span<std::byte> bytes);

  // Adjacent pages of a file from `first` on.
  struct Run {
    FileEntry& entry;
    const os::File& file;
    uint64_t first = 0;
    uint32_t page_bytes = 0;
    uint64_t page_count = 0;
    std::span<const os::ConstBytes> parts;  // the bytes of the pages in order
  };
  // Writes the pages and adds the number of calls to *calls. Cuts off the
  // partial page that a failed write may have left at the end of the file.
  // Returns the errors of writes.
  absl::Status WriteRun(const region::Thread& self, const Run& run,
                        uint64_t* calls);

  // Cuts off the partial page at the end of the file, before a page takes its
  // place. Returns Unavailable if other writes leave no moment for it, and the
  // errors of ftruncate.
  absl::Status CutTail(const region::Thread& self, FileEntry& entry,
                       const os::File& file);

 private:
  static bool ClaimCutter(const region::Thread& self, FileEntry& entry,
                          uint32_t* other);
  static void ReleaseCutter(const region::Thread& self, FileEntry& entry);
  static void CutPartialPage(const region::Thread& self, FileEntry& entry,
                             const os::File& file, uint64_t begin,
                             uint64_t end);
  absl::StatusOr<bool> TryCutTail(const region::Thread& self, FileEntry& entry,
                                  const os::File& file);

  region::Repairer& repairer_;
  FileWatch& watch_;
};

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_FILES_PAGE_IO_H_
