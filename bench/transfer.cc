// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// transfer.cc - operations that cost more than a hit: gets for update, reads
// from the operating system's cache, and writes to the disk.

#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/measurements.h"
#include "bench/page_file.h"
#include "bench/subject.h"
#include "mpool/mpool.h"
#include "os/file.h"
#include "os/status.h"

namespace mpool::bench {
namespace {

// An environment of its own with one file open.
class OneFile {
 public:
  static absl::StatusOr<std::unique_ptr<OneFile>> Open(const Scratch& scratch,
                                                       const std::string& path,
                                                       uint64_t cache_pages) {
    std::unique_ptr<OneFile> one(new OneFile(scratch));
    MPOOL_ASSIGN_OR_RETURN(one->home_, scratch.NewHome("mpool"));
    MPOOL_ASSIGN_OR_RETURN(
        one->env_,
        DbEnv::Open(one->home_, {.cache_bytes = cache_pages * kPageBytes}));
    MPOOL_ASSIGN_OR_RETURN(one->file_, one->env_->OpenFile(path));
    return one;
  }

  DbEnv& env() { return *env_; }
  MPoolFile& file() { return *file_; }

  absl::Status Close() {
    MPOOL_RETURN_IF_ERROR(file_->Close());
    MPOOL_RETURN_IF_ERROR(env_->Close());
    return scratch_.RemoveHome(home_);
  }

 private:
  explicit OneFile(const Scratch& scratch) : scratch_(scratch) {}

  const Scratch& scratch_;
  std::string home_;
  std::unique_ptr<DbEnv> env_;
  std::unique_ptr<MPoolFile> file_;
};

uint64_t FirstWord(std::span<const std::byte> bytes) {
  uint64_t word;
  std::memcpy(&word, bytes.data(), sizeof(word));
  return word;
}

absl::StatusOr<uint64_t> GetShared(MPoolFile& file,
                                   std::span<const uint32_t> pages) {
  uint64_t sum = 0;
  for (const uint32_t page : pages) {
    const absl::StatusOr<ReadPage> got = file.Get(page);
    if (!got.ok()) return got.status();
    sum += FirstWord(got->data());
  }
  return sum;
}

absl::StatusOr<uint64_t> GetExclusive(MPoolFile& file,
                                      std::span<const uint32_t> pages) {
  uint64_t sum = 0;
  for (const uint32_t page : pages) {
    const absl::StatusOr<WritePage> got = file.GetForUpdate(page);
    if (!got.ok()) return got.status();
    sum += FirstWord(got->data());
  }
  return sum;
}

absl::StatusOr<uint64_t> Pread(const os::File& file, std::span<std::byte> into,
                               std::span<const uint32_t> pages) {
  uint64_t sum = 0;
  for (const uint32_t page : pages) {
    MPOOL_RETURN_IF_ERROR(
        file.ReadAt(uint64_t{page} * kPageBytes, into).status());
    sum += FirstWord(into);
  }
  return sum;
}

// Returns the nanoseconds per page of `loop`, which must return the right sum.
template <class Loop>
absl::StatusOr<double> TimePerPage(std::span<const uint32_t> pages,
                                   Loop&& loop) {
  const double begin = ThreadNs();
  MPOOL_ASSIGN_OR_RETURN(const uint64_t sum, loop(pages));
  const double end = ThreadNs();
  if (sum == SumOf(pages)) {
    return (end - begin) / static_cast<double>(pages.size());
  }
  return absl::DataLossError("a loop read other pages than it asked for");
}

// Marks every page of the file dirty, without a change.
absl::Status DirtyAll(MPoolFile& file) {
  for (PageNo page = 0; page < file.page_count(); ++page) {
    MPOOL_RETURN_IF_ERROR(file.GetForUpdate(page).status());
  }
  return absl::OkStatus();
}

// One sorted stream of writes over the file, and an fsync.
absl::Status WriteStream(const os::File& file,
                         std::span<const std::byte> bytes) {
  std::vector<os::ConstBytes> parts;
  for (size_t at = 0; at < bytes.size(); at += kPageBytes) {
    parts.push_back(bytes.subspan(at, kPageBytes));
  }
  uint64_t calls = 0;
  MPOOL_RETURN_IF_ERROR(file.WriteAtGathered(0, parts, &calls));
  return file.Sync();
}

}  // namespace

absl::Status MeasureExclusiveHit(const Context& context) {
  const std::string path =
      absl::StrCat(context.scratch.path(), "/pages-", kSmall);
  MPOOL_RETURN_IF_ERROR(EnsurePages(path, kSmall));
  MPOOL_ASSIGN_OR_RETURN(const std::unique_ptr<OneFile> one,
                         OneFile::Open(context.scratch, path, kSmall));
  MPoolFile& file = one->file();
  MPOOL_RETURN_IF_ERROR(GetShared(file, ShuffledPages(kSmall)).status());
  const std::vector<uint32_t> pages = UniformPages(context.hit_gets(), kSmall);
  const Contender contenders[] = {
      {"shared",
       [&] {
         return TimePerPage(pages, [&](auto p) { return GetShared(file, p); });
       }},
      {"exclusive", [&] {
         return TimePerPage(pages,
                            [&](auto p) { return GetExclusive(file, p); });
       }}};
  MPOOL_ASSIGN_OR_RETURN(const std::vector<Figures> figures,
                         Interleave(contenders, context.hit_rounds()));
  const Ratio ratios[] = {{"over_shared", "exclusive", "shared"}};
  context.report.Add("xhit.40mb.1t", figures, Unit::kNanoseconds, ratios);
  return one->Close();
}

absl::Status MeasureMiss(const Context& context) {
  constexpr uint64_t kCachePages = 1024;
  const std::string path =
      absl::StrCat(context.scratch.path(), "/pages-", kLarge);
  MPOOL_RETURN_IF_ERROR(EnsurePages(path, kLarge));
  MPOOL_ASSIGN_OR_RETURN(
      const os::File bare,
      os::File::Open(path, {.mode = os::File::Mode::kReadOnly}));
  MPOOL_ASSIGN_OR_RETURN(const std::unique_ptr<OneFile> one,
                         OneFile::Open(context.scratch, path, kCachePages));
  // A page is got again only long after its eviction.
  const std::vector<uint32_t> pages = ShuffledPages(kLarge);
  std::vector<std::byte> buffer(kPageBytes);
  MPOOL_RETURN_IF_ERROR(Pread(bare, buffer, pages).status());
  const uint64_t before = one->env().Stats().misses;
  const Contender contenders[] = {{"pread",
                                   [&] {
                                     return TimePerPage(pages, [&](auto p) {
                                       return Pread(bare, buffer, p);
                                     });
                                   }},
                                  {"mpool", [&] {
                                     return TimePerPage(pages, [&](auto p) {
                                       return GetShared(one->file(), p);
                                     });
                                   }}};
  MPOOL_ASSIGN_OR_RETURN(const std::vector<Figures> figures,
                         Interleave(contenders, context.rounds()));
  const uint64_t misses = one->env().Stats().misses - before;
  const Ratio ratios[] = {{"over_pread", "mpool", "pread"}};
  context.report.Add("miss", figures, Unit::kNanoseconds, ratios);
  MPOOL_RETURN_IF_ERROR(one->Close());
  const uint64_t gets = kLarge * static_cast<uint64_t>(context.rounds());
  if (misses == gets) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("miss: only ", misses, " of ", gets, " gets were misses"));
}

absl::Status MeasureSync(const Context& context) {
  constexpr uint64_t kPages = 16384;  // 64 MiB
  const std::string path =
      absl::StrCat(context.scratch.path(), "/pages-", kPages);
  const std::string stream_path = path + "-stream";
  MPOOL_RETURN_IF_ERROR(EnsurePages(path, kPages));
  MPOOL_RETURN_IF_ERROR(EnsurePages(stream_path, kPages));
  MPOOL_ASSIGN_OR_RETURN(const os::File stream,
                         os::File::Open(stream_path, {}));
  std::vector<std::byte> bytes(kPages * kPageBytes);
  MPOOL_RETURN_IF_ERROR(stream.ReadAt(0, bytes).status());
  MPOOL_ASSIGN_OR_RETURN(const std::unique_ptr<OneFile> one,
                         OneFile::Open(context.scratch, path, kPages));
  const uint64_t before = one->env().Stats().pages_written;
  const Contender contenders[] = {
      {"pwritev",
       [&]() -> absl::StatusOr<double> {
         const double begin = NowNs();
         MPOOL_RETURN_IF_ERROR(WriteStream(stream, bytes));
         return NowNs() - begin;
       }},
      {"mpool", [&]() -> absl::StatusOr<double> {
         MPOOL_RETURN_IF_ERROR(DirtyAll(one->file()));
         const double begin = NowNs();
         MPOOL_RETURN_IF_ERROR(one->file().Sync());
         return NowNs() - begin;
       }}};
  MPOOL_ASSIGN_OR_RETURN(const std::vector<Figures> figures,
                         Interleave(contenders, context.rounds()));
  const uint64_t written = one->env().Stats().pages_written - before;
  const Ratio ratios[] = {{"over_pwritev", "mpool", "pwritev"}};
  context.report.Add("sync", figures, Unit::kMilliseconds, ratios);
  MPOOL_RETURN_IF_ERROR(one->Close());
  const uint64_t due = kPages * static_cast<uint64_t>(context.rounds());
  if (written == due) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("sync: ", written, " pages were written, not ", due));
}

}  // namespace mpool::bench
