// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// transfer.cc - operations that cost more than a hit: gets for update, reads
// from the operating system's cache, and writes to the disk.

#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/suite.h"
#include "mpool/mpool.h"
#include "os/file.h"
#include "os/status.h"

namespace mpool::bench {
namespace {

// Frames of the cache of the misses: a page is got again only long after its
// eviction.
constexpr uint64_t kMissFrames = 1024;
constexpr uint64_t kSyncPages = 16384;  // 64 MiB

// Opens mpool over a file of `page_count` pages.
absl::StatusOr<Subject*> OpenCache(uint64_t page_count, uint64_t frames,
                                   Fixture& fixture) {
  MPOOL_ASSIGN_OR_RETURN(const std::string file, fixture.PagesFile(page_count));
  MPOOL_ASSIGN_OR_RETURN(const std::string home, fixture.NewHome());
  return fixture.Add(OpenMpool({home, file, frames}));
}

absl::StatusOr<uint64_t> GetForUpdate(MPoolFile& file,
                                      std::span<const uint32_t> pages) {
  uint64_t sum = 0;
  for (const uint32_t page : pages) {
    const absl::StatusOr<WritePage> got = file.GetForUpdate(page);
    if (!got.ok()) return got.status();
    sum += FirstWord(got->data());
  }
  return sum;
}

absl::Status OpenExclusive(Fixture& fixture) {
  MPOOL_ASSIGN_OR_RETURN(Subject * cache, OpenCache(kSmall, kSmall, fixture));
  MPOOL_RETURN_IF_ERROR(CheckedRun(*cache, Sequence(ShuffledPages(kSmall))));
  const Sequences pages = OneSequence(UniformPages(kHitGets, kSmall));
  fixture.contenders = {
      MakeContender("shared", LoopOf(cache), /*warms_up=*/false, pages),
      MakeContender(
          "exclusive", [=](auto p) { return GetForUpdate(*cache->file(), p); },
          /*warms_up=*/false, pages)};
  return absl::OkStatus();
}

// Returns an error unless the contender's passes had `each` events.
absl::Status CheckEvents(const char* what, uint64_t events, uint64_t each,
                         const Contender& contender) {
  const uint64_t due = each * contender.passes;
  if (events == due) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat(what, ": ", events, " pages, but ", due, " were due"));
}

absl::Status OpenMiss(Fixture& fixture) {
  MPOOL_ASSIGN_OR_RETURN(Subject * cache,
                         OpenCache(kLarge, kMissFrames, fixture));
  MPOOL_ASSIGN_OR_RETURN(const std::string path, fixture.PagesFile(kLarge));
  MPOOL_ASSIGN_OR_RETURN(
      os::File opened,
      os::File::Open(path, {.mode = os::File::Mode::kReadOnly}));
  const auto bare = std::make_shared<os::File>(std::move(opened));
  const auto pread = [=, buffer = std::vector<std::byte>(kPageBytes)](
                         std::span<const uint32_t> all) mutable
      -> absl::StatusOr<uint64_t> {
    uint64_t sum = 0;
    for (const uint32_t page : all) {
      MPOOL_RETURN_IF_ERROR(
          bare->ReadAt(uint64_t{page} * kPageBytes, buffer).status());
      sum += FirstWord(buffer);
    }
    return sum;
  };
  const Sequences pages = OneSequence(ShuffledPages(kLarge));
  fixture.contenders = {
      MakeContender("pread", pread, /*warms_up=*/false, pages),
      MakeContender("mpool", LoopOf(cache), /*warms_up=*/false, pages)};
  // The operating system has the file in its cache before the first round.
  MPOOL_RETURN_IF_ERROR(fixture.contenders[0].pass(0));
  fixture.check = [&fixture, cache](Report&) -> absl::Status {
    MPOOL_ASSIGN_OR_RETURN(const Counts counts, cache->Count());
    return CheckEvents("miss", counts.page_ins, kLarge, fixture.contenders[1]);
  };
  return absl::OkStatus();
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

absl::Status OpenSync(Fixture& fixture) {
  MPOOL_ASSIGN_OR_RETURN(Subject * cache,
                         OpenCache(kSyncPages, kSyncPages, fixture));
  const std::string path = fixture.scratch() + "/stream";
  MPOOL_RETURN_IF_ERROR(EnsurePages(path, kSyncPages));
  MPOOL_ASSIGN_OR_RETURN(os::File opened, os::File::Open(path, {}));
  const auto stream = std::make_shared<os::File>(std::move(opened));
  std::vector<std::byte> bytes(kSyncPages * kPageBytes);
  MPOOL_RETURN_IF_ERROR(stream->ReadAt(0, bytes).status());
  fixture.contenders = {
      {.name = "pwritev",
       .prepare = {},
       .pass = [=](uint32_t) { return WriteStream(*stream, bytes); }},
      {.name = "mpool",
       .prepare = [=](uint32_t) { return DirtyAll(*cache->file()); },
       .pass = [=](uint32_t) { return cache->file()->Sync(); }}};
  fixture.check = [&fixture, cache](Report&) -> absl::Status {
    MPOOL_ASSIGN_OR_RETURN(const Counts counts, cache->Count());
    return CheckEvents("sync", counts.page_outs, kSyncPages,
                       fixture.contenders[1]);
  };
  return absl::OkStatus();
}

}  // namespace

Suite ExclusiveSuite() {
  return {.name = "xhit.40mb.1t",
          .rounds = 51,
          .operations = kHitGets,
          .contenders = {"shared", "exclusive"},
          .ratios = {{"over_shared", "exclusive", "shared"}},
          .open = OpenExclusive};
}

Suite MissSuite() {
  return {.name = "miss",
          .rounds = 11,
          .operations = kLarge,
          .contenders = {"pread", "mpool"},
          .ratios = {{"over_pread", "mpool", "pread"}},
          .open = OpenMiss};
}

Suite SyncSuite() {
  return {.name = "sync",
          .rounds = 11,
          .operations = 1,
          .unit = Unit::kMilliseconds,
          .contenders = {"pwritev", "mpool"},
          .ratios = {{"over_pwritev", "mpool", "pwritev"}},
          .open = OpenSync};
}

}  // namespace mpool::bench
