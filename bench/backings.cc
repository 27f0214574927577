// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// backings.cc - a get and put of a page in memory, for each backing. The first
// backing has two rows; their difference is the noise of the machine. Runs once
// without and once with a request for huge pages. The kernel decides which
// backings get them, and the report shows it.

#include <utility>

#include "absl/strings/str_cat.h"
#include "bench/measurements.h"
#include "bench/page_file.h"
#include "bench/subject.h"
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
  const Kind& kind;
  std::string home;
  std::unique_ptr<Subject> subject;
};

absl::StatusOr<Cache> OpenCache(const Kind& kind, bool huge_pages,
                                const Context& context) {
  Cache cache{kind, {}, nullptr};
  MPOOL_ASSIGN_OR_RETURN(cache.home, context.scratch.NewHome("backing"));
  // A page file of its own, because only one environment may cache a file.
  const CacheSpec spec{cache.home, absl::StrCat(cache.home, "/pages"),
                       kSmall, kind.backing, huge_pages};
  MPOOL_RETURN_IF_ERROR(EnsurePages(spec.file, kSmall));
  MPOOL_ASSIGN_OR_RETURN(cache.subject, OpenMpool(spec));
  MPOOL_RETURN_IF_ERROR(CheckedRun(*cache.subject, ShuffledPages(kSmall)));
  return cache;
}

absl::Status Measure(const std::string& name, std::vector<Cache>& caches,
                     const Context& context) {
  const std::vector<uint32_t> pages =
      UniformPages(context.hit_gets(), kSmall);
  std::vector<Contender> contenders;
  std::vector<Ratio> ratios;
  std::vector<uint64_t> page_ins;
  for (const Cache& cache : caches) {
    Subject& subject = *cache.subject;
    contenders.push_back({cache.kind.name, [&]() -> absl::StatusOr<double> {
                            MPOOL_RETURN_IF_ERROR(WarmUp(subject, pages));
                            return TimedRun(subject, pages);
                          }});
    ratios.push_back({absl::StrCat(cache.kind.name, "_over_shm"),
                      cache.kind.name, kKinds[0].name});
    MPOOL_ASSIGN_OR_RETURN(const Counts counts, subject.Count());
    page_ins.push_back(counts.page_ins);
  }
  ratios.erase(ratios.begin());
  MPOOL_ASSIGN_OR_RETURN(const std::vector<Figures> figures,
                         Interleave(contenders, context.hit_rounds()));
  context.report.Add(name, figures, Unit::kNanoseconds, ratios);
  for (size_t i = 0; i < caches.size(); ++i) {
    MPOOL_ASSIGN_OR_RETURN(const Counts counts, caches[i].subject->Count());
    if (counts.page_ins != page_ins[i]) {
      return absl::InternalError(absl::StrCat(
          name, ", ", caches[i].kind.name, ": ",
          counts.page_ins - page_ins[i],
          " pages were not in memory; give it more"));
    }
    const uint64_t huge_bytes = caches[i].subject->HugeBytes();
    context.report.AddCount(
        absl::StrCat(name, ".", caches[i].kind.name, "_huge_bytes"),
        huge_bytes, absl::StrCat(huge_bytes, " bytes in huge pages"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status MeasureBackings(const std::string& name, bool huge_pages,
                             const Context& context) {
  std::vector<Cache> caches;
  for (const Kind& kind : kKinds) {
    MPOOL_ASSIGN_OR_RETURN(Cache cache, OpenCache(kind, huge_pages, context));
    caches.push_back(std::move(cache));
  }
  absl::Status result = Measure(name, caches, context);
  for (Cache& cache : caches) {
    result.Update(cache.subject->Close());
    cache.subject = nullptr;
    result.Update(context.scratch.RemoveHome(cache.home));
  }
  return result;
}

}  // namespace mpool::bench
