// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// hit.cc - a get and put of a page in memory: mpool, its floor, and Berkeley
// DB, over the same file in the same order of pages.

#include <algorithm>
#include <barrier>
#include <optional>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "bench/measurements.h"
#include "bench/page_file.h"
#include "bench/peer.h"
#include "bench/subject.h"
#include "os/status.h"

namespace mpool::bench {
namespace {

// Commands to the second process: open, or run the subject of that number.
constexpr uint32_t kOpen = ~0u;

constexpr uint32_t kHotPage = 7;

struct Homes {
  std::string mpool;
  std::string libdb;
  std::string file;
};

// The caches of one process, with every page in memory.
class Rig {
 public:
  static absl::StatusOr<std::unique_ptr<Rig>> Open(const HitCase& what,
                                                   const Homes& homes,
                                                   uint32_t gets) {
    std::unique_ptr<Rig> rig(new Rig(what, gets));
    const CacheSpec own{homes.mpool, homes.file, what.page_count};
    const CacheSpec rival{homes.libdb, homes.file, what.page_count};
    MPOOL_ASSIGN_OR_RETURN(std::unique_ptr<Subject> mpool, OpenMpool(own));
    MPOOL_ASSIGN_OR_RETURN(std::unique_ptr<Subject> floor, OpenFloor(own));
    MPOOL_ASSIGN_OR_RETURN(std::unique_ptr<Subject> libdb, OpenLibdb(rival));
    const std::vector<uint32_t> all = ShuffledPages(what.page_count);
    MPOOL_RETURN_IF_ERROR(CheckedRun(*mpool, all));
    rig->subjects_.push_back(std::move(floor));
    rig->subjects_.push_back(std::move(mpool));
    if (libdb != nullptr) {
      MPOOL_RETURN_IF_ERROR(CheckedRun(*libdb, all));
      rig->subjects_.push_back(std::move(libdb));
    }
    return rig;
  }

  uint32_t size() const { return static_cast<uint32_t>(subjects_.size()); }
  Subject& subject(uint32_t i) { return *subjects_[i]; }

  // Returns the nanoseconds of one get and put, as the mean of all threads.
  absl::StatusOr<double> Time(uint32_t i) {
    const size_t count = sequences_.size();
    std::barrier<> start(static_cast<std::ptrdiff_t>(count));
    std::vector<absl::StatusOr<double>> times(count, 0.0);
    std::vector<std::thread> threads;
    for (size_t t = 1; t < count; ++t) {
      threads.emplace_back(
          [&, t] { times[t] = TimeLoop(*subjects_[i], sequences_[t], start); });
    }
    times[0] = TimeLoop(*subjects_[i], sequences_[0], start);
    for (std::thread& thread : threads) thread.join();
    double sum = 0;
    for (const absl::StatusOr<double>& time : times) {
      if (!time.ok()) return time;
      sum += *time;
    }
    return sum / static_cast<double>(count);
  }

  absl::Status Close() {
    absl::Status result;
    for (const auto& subject : subjects_) result.Update(subject->Close());
    return result;
  }

 private:
  // Every thread has the same sequence and starts at another place of it.
  Rig(const HitCase& what, uint32_t gets) {
    std::vector<uint32_t> pages = what.hot
                                      ? std::vector<uint32_t>(gets, kHotPage)
                                      : UniformPages(gets, what.page_count);
    for (uint32_t t = 0; t < what.threads; ++t) {
      sequences_.push_back(pages);
      std::rotate(pages.begin(), pages.begin() + gets / what.threads,
                  pages.end());
    }
  }

  // Processor time is exact for mpool, because its hits never sleep. It favours
  // Berkeley DB, because its threads may sleep on a mutex.
  static absl::StatusOr<double> TimeLoop(Subject& subject,
                                         std::span<const uint32_t> pages,
                                         std::barrier<>& start) {
    const absl::Status warm = WarmUp(subject, pages);
    start.arrive_and_wait();
    MPOOL_RETURN_IF_ERROR(warm);
    return TimedRun(subject, pages);
  }

  std::vector<std::vector<uint32_t>> sequences_;  // one for each thread
  std::vector<std::unique_ptr<Subject>> subjects_;
};

Peer::Body PeerBody(const HitCase& what, const Homes& homes, uint32_t gets) {
  return [what, homes, gets, rig = std::shared_ptr<Rig>()](
             uint32_t command) mutable -> absl::StatusOr<double> {
    if (command != kOpen) return rig->Time(command);
    MPOOL_ASSIGN_OR_RETURN(rig, Rig::Open(what, homes, gets));
    return 0.0;
  };
}

// Reports hits and page reads of the measured loops. A page read in a loop
// makes the figures worthless.
absl::Status AddCounts(const HitCase& what, const std::string& subject,
                       const Counts& before, const Counts& after,
                       Report& report) {
  const uint64_t page_ins = after.page_ins - before.page_ins;
  const uint64_t hits = after.hits - before.hits;
  const std::string prefix = absl::StrCat(what.name, ".", subject);
  report.AddCount(prefix + "_page_in_delta", page_ins,
                  absl::StrCat(page_ins, " pages read in the loops"));
  report.AddCount(prefix + "_hits", hits, absl::StrCat(hits, " hits in them"));
  if (page_ins == 0) return absl::OkStatus();
  return absl::InternalError(absl::StrCat(
      prefix, ": ", page_ins, " pages were not in memory; give it more"));
}

absl::StatusOr<std::vector<Counts>> CountAll(Rig& rig) {
  std::vector<Counts> counts;
  for (uint32_t i = 0; i < rig.size(); ++i) {
    MPOOL_ASSIGN_OR_RETURN(counts.emplace_back(), rig.subject(i).Count());
  }
  return counts;
}

std::vector<Contender> ContendersOf(Rig& rig, Peer* peer) {
  std::vector<Contender> contenders;
  for (uint32_t i = 0; i < rig.size(); ++i) {
    contenders.push_back(
        {rig.subject(i).name(), [&rig, peer, i]() -> absl::StatusOr<double> {
           if (peer == nullptr) return rig.Time(i);
           MPOOL_RETURN_IF_ERROR(peer->Start(i));
           const absl::StatusOr<double> own = rig.Time(i);
           MPOOL_ASSIGN_OR_RETURN(const double other, peer->Finish());
           MPOOL_RETURN_IF_ERROR(own.status());
           return (*own + other) / 2;
         }});
  }
  return contenders;
}

absl::Status Measure(const HitCase& what, const Homes& homes,
                     const Context& context) {
  const uint32_t gets = context.hit_gets();
  std::unique_ptr<Peer> peer;
  if (what.two_processes) {
    MPOOL_ASSIGN_OR_RETURN(peer, Peer::Fork(PeerBody(what, homes, gets)));
  }
  MPOOL_ASSIGN_OR_RETURN(const std::unique_ptr<Rig> rig,
                         Rig::Open(what, homes, gets));
  if (peer != nullptr) {
    MPOOL_RETURN_IF_ERROR(peer->Start(kOpen));
    MPOOL_RETURN_IF_ERROR(peer->Finish().status());
  }
  MPOOL_ASSIGN_OR_RETURN(const std::vector<Counts> before, CountAll(*rig));
  MPOOL_ASSIGN_OR_RETURN(
      const std::vector<Figures> figures,
      Interleave(ContendersOf(*rig, peer.get()), context.hit_rounds()));
  MPOOL_ASSIGN_OR_RETURN(const std::vector<Counts> after, CountAll(*rig));
  const Ratio ratios[] = {{"over_floor", "mpool", "floor"},
                          {"libdb_over_mpool", "libdb", "mpool"}};
  context.report.Add(what.name, figures, Unit::kNanoseconds, ratios);
  absl::Status result;
  for (uint32_t i = 0; i < rig->size(); ++i) {
    const std::string name = rig->subject(i).name();
    if (name == "floor") continue;
    result.Update(AddCounts(what, name, before[i], after[i], context.report));
  }
  peer = nullptr;
  result.Update(rig->Close());
  return result;
}

}  // namespace

absl::Status MeasureHit(const HitCase& what, const Context& context) {
  Homes homes;
  homes.file = absl::StrCat(context.scratch.path(), "/pages-", what.page_count);
  MPOOL_RETURN_IF_ERROR(EnsurePages(homes.file, what.page_count));
  MPOOL_ASSIGN_OR_RETURN(homes.mpool, context.scratch.NewHome("mpool"));
  MPOOL_ASSIGN_OR_RETURN(homes.libdb, context.scratch.NewHome("libdb"));
  absl::Status result = Measure(what, homes, context);
  result.Update(context.scratch.RemoveHome(homes.mpool));
  result.Update(context.scratch.RemoveHome(homes.libdb));
  return result;
}

}  // namespace mpool::bench
