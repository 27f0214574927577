// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// repair.cc - the time from the death of a process that holds a page for update
// until a waiting survivor holds the page.

#include <algorithm>
#include <memory>
#include <thread>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "bench/peer.h"
#include "bench/suite.h"
#include "mpool/mpool.h"
#include "os/clock.h"
#include "os/status.h"

namespace mpool::bench {
namespace {

constexpr uint64_t kCacheBytes = uint64_t{1} << 30;
constexpr int kDeaths = 5;

// Returns the nanoseconds from the kill to the survivor's get.
absl::StatusOr<double> TimeOneDeath(DbEnv& env, MPoolFile& file, PageNo page) {
  MPOOL_ASSIGN_OR_RETURN(
      const std::unique_ptr<Peer> holder,
      Peer::Fork([&file, page, held = std::make_shared<WritePage>()](
                     uint32_t) -> absl::StatusOr<double> {
        MPOOL_ASSIGN_OR_RETURN(*held, file.GetForUpdate(page));
        return 0.0;
      }));
  MPOOL_RETURN_IF_ERROR(holder->Start(0));
  MPOOL_RETURN_IF_ERROR(holder->Finish().status());
  const uint64_t waits = env.Stats().latch_waits;
  absl::Status answer;
  uint64_t answered = 0;
  std::thread survivor([&] {
    answer = file.Get(page).status();
    answered = os::MonotonicNs();
  });
  while (env.Stats().latch_waits == waits)
    absl::SleepFor(absl::Milliseconds(1));
  const uint64_t killed = os::MonotonicNs();
  holder->Kill();
  survivor.join();
  if (answer.ok() || absl::IsDataLoss(answer)) {
    return static_cast<double>(answered - killed);
  }
  return answer;
}

}  // namespace

absl::Status MeasureRepair(const std::string& name, Fixture& fixture,
                           Report& report) {
  constexpr uint64_t kPages = kCacheBytes / kPageBytes;
  MPOOL_ASSIGN_OR_RETURN(const std::string home, fixture.NewHome());
  MPOOL_ASSIGN_OR_RETURN(const std::unique_ptr<DbEnv> env,
                         DbEnv::Open(home, {.cache_bytes = kCacheBytes}));
  const std::string path = home + "/pages";
  MPOOL_RETURN_IF_ERROR(MakeSparse(path, kPages));
  MPOOL_ASSIGN_OR_RETURN(const std::unique_ptr<MPoolFile> file,
                         env->OpenFile(path));
  for (PageNo page = 0; page < kPages; ++page) {
    MPOOL_RETURN_IF_ERROR(file->Get(page).status());
  }
  Figures figures{.name = "survivor", .values = {}};
  for (int i = 0; i < kDeaths; ++i) {
    MPOOL_ASSIGN_OR_RETURN(
        figures.values.emplace_back(),
        TimeOneDeath(*env, *file, static_cast<PageNo>(i) * 1000));
  }
  const double median = figures.Median() / 1e6;
  const double worst = std::ranges::max(figures.values) / 1e6;
  report.AddValue(name + ".ms_median", median,
                  absl::StrFormat("%.1f ms from SIGKILL of the holder to the "
                                  "waiter's page, 1 GiB of cache",
                                  median));
  report.AddValue(name + ".ms_worst", worst,
                  absl::StrFormat("%.1f ms, worst of %d", worst, kDeaths));
  MPOOL_RETURN_IF_ERROR(file->Close());
  return env->Close();
}

}  // namespace mpool::bench
