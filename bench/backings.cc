// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// backings.cc - a get and put of a page in memory, for each backing. The first
// backing has two rows; their difference is the noise of the machine. Runs once
// without and once with a request for huge pages. The kernel decides which
// backings get them, and the report shows it.

#include <utility>

#include "absl/strings/str_cat.h"
#include "bench/suite.h"
#include "os/status.h"

namespace mpool::bench {
namespace {

struct Kind {
  std::string name;
  Backing backing;
};

// The measured backings. The first is the baseline of the ratios.
const Kind kKinds[] = {{"shm", Backing::kPosixShm},
                       {"shm-again", Backing::kPosixShm},
                       {"file", Backing::kFile},
                       {"sysv", Backing::kSysV},
                       {"sysv-priv", Backing::kSysVPrivate},
                       {"anonymous", Backing::kAnonymous},
                       {"dev-zero", Backing::kDevZero},
                       {"heap", Backing::kHeap}};

struct Cache {
  std::string name;
  Subject* subject;
  Counts before;
};

absl::Status Check(const std::string& measurement, const Cache& cache,
                   Report& report) {
  const std::string name = absl::StrCat(measurement, ".", cache.name);
  const uint64_t bytes = cache.subject->HugeBytes();
  report.AddValue(name + "_huge_bytes", bytes,
                  absl::StrCat(bytes, " bytes in huge pages"));
  return CheckNoRead(name, *cache.subject, cache.before);
}

absl::Status Open(const std::string& name, bool huge_pages, Fixture& fixture) {
  const Sequences pages = OneSequence(UniformPages(kHitGets, kSmall));
  std::vector<Cache> caches;
  for (const Kind& kind : kKinds) {
    MPOOL_ASSIGN_OR_RETURN(const std::string home, fixture.NewHome());
    // A page file of its own, because only one environment may cache a file.
    const CacheSpec spec{home, home + "/pages", kSmall, kind.backing,
                         huge_pages};
    MPOOL_RETURN_IF_ERROR(EnsurePages(spec.file, kSmall));
    MPOOL_ASSIGN_OR_RETURN(Subject * subject, fixture.Add(OpenMpool(spec)));
    MPOOL_RETURN_IF_ERROR(
        CheckedRun(*subject, Sequence(ShuffledPages(kSmall))));
    MPOOL_ASSIGN_OR_RETURN(const Counts counts, subject->Count());
    caches.push_back({kind.name, subject, counts});
    fixture.contenders.push_back(MakeContender(
        kind.name, LoopOf(subject), /*warms_up=*/true, pages));
  }
  fixture.check = [name, caches](Report& report) {
    absl::Status result;
    for (const Cache& cache : caches) {
      result.Update(Check(name, cache, report));
    }
    return result;
  };
  return absl::OkStatus();
}

}  // namespace

Suite BackingSuite(const std::string& name, bool huge_pages) {
  Suite suite = {.name = name,
                 .in_quick = !huge_pages,
                 .rounds = 51,
                 .operations = kHitGets,
                 .contenders = {},
                 .ratios = {},
                 .open = [=](Fixture& fixture) {
                   return Open(name, huge_pages, fixture);
                 }};
  for (const Kind& kind : kKinds) {
    suite.contenders.push_back(kind.name);
    if (&kind == kKinds) continue;
    suite.ratios.push_back(
        {kind.name + "_over_shm", kind.name, kKinds[0].name});
  }
  return suite;
}

}  // namespace mpool::bench
