// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// hit.cc - a get and put of a page in memory: mpool, its floor, and Berkeley
// DB, over the same file in the same order of pages.
//
// Processor time is exact for mpool, because its hits never sleep. It favours
// Berkeley DB, because its threads may sleep on a mutex.

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "bench/suite.h"
#include "os/status.h"

namespace mpool::bench {
namespace {

constexpr uint32_t kHotPage = 7;

// Every thread has the same sequence and starts at another place of it.
std::vector<Sequence> SequencesOf(const HitCase& what) {
  std::vector<uint32_t> pages =
      what.hot ? std::vector<uint32_t>(kHitGets, kHotPage)
               : UniformPages(kHitGets, what.page_count);
  std::vector<Sequence> sequences;
  for (uint32_t t = 0; t < what.threads; ++t) {
    sequences.emplace_back(pages);
    std::rotate(pages.begin(), pages.begin() + kHitGets / what.threads,
                pages.end());
  }
  return sequences;
}

struct Counted {
  Subject* subject;
  Counts before;
};

// Reports hits and page reads of the passes. A page read in a pass makes the
// figures worthless.
absl::Status AddCounts(const std::string& measurement, const Counted& counted,
                       Report& report) {
  MPOOL_ASSIGN_OR_RETURN(const Counts after, counted.subject->Count());
  const uint64_t page_ins = after.page_ins - counted.before.page_ins;
  const uint64_t hits = after.hits - counted.before.hits;
  const std::string prefix =
      absl::StrCat(measurement, ".", counted.subject->name());
  report.AddCount(prefix + "_page_in_delta", page_ins,
                  absl::StrCat(page_ins, " pages read in the loops"));
  report.AddCount(prefix + "_hits", hits, absl::StrCat(hits, " hits in them"));
  if (page_ins == 0) return absl::OkStatus();
  return absl::InternalError(absl::StrCat(
      prefix, ": ", page_ins, " pages were not in memory; give it more"));
}

}  // namespace

absl::StatusOr<HitHomes> NewHitHomes(const HitCase& what, Fixture& fixture) {
  HitHomes homes;
  MPOOL_ASSIGN_OR_RETURN(homes.file, fixture.PagesFile(what.page_count));
  MPOOL_ASSIGN_OR_RETURN(homes.mpool, fixture.NewHome("mpool"));
  MPOOL_ASSIGN_OR_RETURN(homes.libdb, fixture.NewHome("libdb"));
  return homes;
}

absl::Status OpenHit(const std::string& name, const HitCase& what,
                     const HitHomes& homes, Fixture& fixture) {
  const CacheSpec own{homes.mpool, homes.file, what.page_count};
  const CacheSpec rival{homes.libdb, homes.file, what.page_count};
  const auto sequences =
      std::make_shared<const std::vector<Sequence>>(SequencesOf(what));
  const Sequence all(ShuffledPages(what.page_count));
  std::vector<Counted> counted;
  MPOOL_ASSIGN_OR_RETURN(Subject * mpool, fixture.Add(OpenMpool(own)));
  MPOOL_ASSIGN_OR_RETURN(Subject * floor, fixture.Add(OpenFloor(own)));
  MPOOL_ASSIGN_OR_RETURN(Subject * libdb, fixture.Add(OpenLibdb(rival)));
  for (Subject* subject : {floor, mpool, libdb}) {
    if (subject == nullptr) continue;
    if (subject != floor) {
      MPOOL_RETURN_IF_ERROR(CheckedRun(*subject, all));
      MPOOL_ASSIGN_OR_RETURN(const Counts before, subject->Count());
      counted.push_back({subject, before});
    }
    fixture.contenders.push_back(MakeContender(
        subject->name(), [=](auto pages) { return subject->Run(pages); },
        /*warms_up=*/true, sequences));
  }
  fixture.check = [name, counted](Report& report) {
    absl::Status result;
    for (const Counted& one : counted) {
      result.Update(AddCounts(name, one, report));
    }
    return result;
  };
  return absl::OkStatus();
}

std::vector<std::string> HitNames() {
  if (LibdbVersion().empty()) return {"floor", "mpool"};
  return {"floor", "mpool", "libdb"};
}

std::vector<Ratio> HitRatios() {
  return {{"over_floor", "mpool", "floor"},
          {"libdb_over_mpool", "libdb", "mpool"}};
}

}  // namespace mpool::bench
