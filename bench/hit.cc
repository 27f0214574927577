// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// hit.cc - a get and put of a page in memory: mpool, its floor, and Berkeley
// DB, over the same file in the same order of pages; in one process, and in two
// at the same time.
//
// Processor time is exact for mpool, because its hits never sleep. It favours
// Berkeley DB, because its threads may sleep on a mutex.

#include <time.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "bench/peer.h"
#include "bench/suite.h"
#include "os/status.h"

namespace mpool::bench {
namespace {

constexpr uint32_t kHotPage = 7;
constexpr int kPeerRounds = 51;
// Command to the second process: open. Other commands are contenders.
constexpr uint32_t kOpen = ~0u;

const std::vector<Ratio> kRatios = {{"over_floor", "mpool", "floor"},
                                    {"libdb_over_mpool", "libdb", "mpool"}};

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

// Reports hits and page reads of the passes.
absl::Status AddCounts(const std::string& measurement, const Counted& counted,
                       Report& report) {
  MPOOL_ASSIGN_OR_RETURN(const Counts after, counted.subject->Count());
  const uint64_t page_ins = after.page_ins - counted.before.page_ins;
  const uint64_t hits = after.hits - counted.before.hits;
  const std::string prefix =
      absl::StrCat(measurement, ".", counted.subject->name());
  report.AddValue(prefix + "_page_in_delta", page_ins,
                  absl::StrCat(page_ins, " pages read in the loops"));
  report.AddValue(prefix + "_hits", hits, absl::StrCat(hits, " hits in them"));
  return CheckNoRead(prefix, *counted.subject, counted.before);
}

// Returns the nanoseconds of the calling thread's processor time.
double ThreadNs() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 +
         static_cast<double>(now.tv_nsec);
}

// Returns the nanoseconds of processor time for one get and put.
absl::StatusOr<double> TimePass(const Contender& contender) {
  MPOOL_RETURN_IF_ERROR(contender.prepare(0));
  const double begin = ThreadNs();
  MPOOL_RETURN_IF_ERROR(contender.pass(0));
  return (ThreadNs() - begin) / kHitGets;
}

// Returns the mean of both processes' times.
absl::StatusOr<double> TimeBoth(Peer& peer, const Fixture& fixture,
                                uint32_t index) {
  MPOOL_RETURN_IF_ERROR(peer.Start(index));
  const absl::StatusOr<double> own = TimePass(fixture.contenders[index]);
  MPOOL_ASSIGN_OR_RETURN(const double other, peer.Finish());
  MPOOL_RETURN_IF_ERROR(own.status());
  return (*own + other) / 2;
}

// Opens the caches in two homes, with every page in memory. `name` is that of
// the report.
absl::Status OpenHit(const std::string& name, const HitCase& what,
                     const std::string& home, const std::string& rival_home,
                     Fixture& fixture) {
  MPOOL_ASSIGN_OR_RETURN(const std::string file,
                         fixture.PagesFile(what.page_count));
  const CacheSpec own{home, file, what.page_count};
  const CacheSpec rival{rival_home, file, what.page_count};
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
        subject->name(), LoopOf(subject), /*warms_up=*/true, sequences));
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

}  // namespace

Suite HitSuite(const std::string& name, const HitCase& what) {
  Suite suite = {.name = name,
                 .in_quick = true,
                 .rounds = 51,
                 .operations = kHitGets,
                 .threads = what.threads,
                 .contenders = {"floor", "mpool"},
                 .ratios = kRatios,
                 .open = {}};
  if (!LibdbVersion().empty()) suite.contenders.push_back("libdb");
  suite.open = [=](Fixture& fixture) -> absl::Status {
    MPOOL_ASSIGN_OR_RETURN(const std::string home, fixture.NewHome());
    MPOOL_ASSIGN_OR_RETURN(const std::string rival, fixture.NewHome());
    return OpenHit(name, what, home, rival, fixture);
  };
  return suite;
}

absl::Status MeasureTwoProcesses(uint64_t page_count, const std::string& name,
                                 Fixture& fixture, Report& report) {
  const HitCase what{page_count};
  MPOOL_ASSIGN_OR_RETURN(const std::string home, fixture.NewHome());
  MPOOL_ASSIGN_OR_RETURN(const std::string rival, fixture.NewHome());
  MPOOL_ASSIGN_OR_RETURN(
      std::unique_ptr<Peer> peer,
      Peer::Fork([=, theirs = std::make_shared<Fixture>(fixture.scratch())](
                     uint32_t command) -> absl::StatusOr<double> {
        if (command != kOpen) return TimePass(theirs->contenders[command]);
        MPOOL_RETURN_IF_ERROR(OpenHit(name, what, home, rival, *theirs));
        return 0.0;
      }));
  MPOOL_RETURN_IF_ERROR(peer->Start(kOpen));
  MPOOL_RETURN_IF_ERROR(peer->Finish().status());
  MPOOL_RETURN_IF_ERROR(OpenHit(name, what, home, rival, fixture));
  std::vector<Figures> figures;
  for (const Contender& one : fixture.contenders) {
    figures.push_back({one.name, {}});
  }
  for (int round = 0; round < kPeerRounds; ++round) {
    for (uint32_t i = 0; i < figures.size(); ++i) {
      MPOOL_ASSIGN_OR_RETURN(figures[i].values.emplace_back(),
                             TimeBoth(*peer, fixture, i));
    }
  }
  report.Add(name, figures, Unit::kNanoseconds, kRatios);
  return fixture.check(report);
}

}  // namespace mpool::bench
