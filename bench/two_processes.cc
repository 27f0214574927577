// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// two_processes.cc - hits of two processes at the same time.

#include <memory>
#include <vector>

#include "bench/measurements.h"
#include "bench/peer.h"
#include "bench/rounds.h"
#include "os/status.h"

namespace mpool::bench {
namespace {

constexpr int kRounds = 51;
// Command to the second process: open. Other commands are contenders.
constexpr uint32_t kOpen = ~0u;

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

}  // namespace

absl::Status MeasureTwoProcesses(const std::string& name, uint64_t page_count,
                                 Fixture& fixture, Report& report) {
  const HitCase what{page_count};
  MPOOL_ASSIGN_OR_RETURN(const HitHomes homes, NewHitHomes(what, fixture));
  const auto theirs = std::make_shared<Fixture>(fixture.scratch());
  MPOOL_ASSIGN_OR_RETURN(
      std::unique_ptr<Peer> peer,
      Peer::Fork([=](uint32_t command) -> absl::StatusOr<double> {
        if (command != kOpen) return TimePass(theirs->contenders[command]);
        MPOOL_RETURN_IF_ERROR(OpenHit(name, what, homes, *theirs));
        return 0.0;
      }));
  MPOOL_RETURN_IF_ERROR(peer->Start(kOpen));
  MPOOL_RETURN_IF_ERROR(peer->Finish().status());
  MPOOL_RETURN_IF_ERROR(OpenHit(name, what, homes, fixture));
  std::vector<Figures> figures;
  for (const Contender& one : fixture.contenders) {
    figures.push_back({one.name, {}});
  }
  for (int round = 0; round < kRounds; ++round) {
    for (uint32_t i = 0; i < figures.size(); ++i) {
      MPOOL_ASSIGN_OR_RETURN(figures[i].values.emplace_back(),
                             TimeBoth(*peer, fixture, i));
    }
  }
  report.Add(name, figures, Unit::kNanoseconds, HitRatios());
  return fixture.check(report);
}

}  // namespace mpool::bench
