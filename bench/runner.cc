// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "bench/runner.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "os/status.h"

namespace mpool::bench {
namespace {

// Collects the times of one suite's contenders.
class Collector : public benchmark::BenchmarkReporter {
 public:
  explicit Collector(const Suite& suite) : suite_(suite) {
    for (const std::string& name : suite.contenders) {
      figures_.push_back({name, {}});
    }
  }

  bool ReportContext(const Context&) override { return true; }

  // Both times are sums over the threads, as is the number of iterations.
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      const double seconds = suite_.unit == Unit::kMilliseconds
                                 ? run.real_accumulated_time
                                 : run.cpu_accumulated_time;
      const double count = static_cast<double>(run.iterations);
      for (Figures& one : figures_) {
        const bool is_its = suite_.name + "/" + one.name ==
                            run.run_name.function_name;
        if (is_its) one.values.push_back(seconds * 1e9 / count);
      }
    }
  }

  const std::vector<Figures>& figures() const { return figures_; }

 private:
  const Suite& suite_;
  std::vector<Figures> figures_;
};

}  // namespace

Runner::Runner(const std::vector<Suite>& suites, Runs runs,
               const std::string& scratch, Report& report)
    : scratch_(scratch), report_(report) {
  for (const Suite& suite : suites) Register(suite, runs);
}

void Runner::Register(const Suite& suite, Runs runs) {
  for (size_t i = 0; i < suite.contenders.size(); ++i) {
    auto* const one = benchmark::RegisterBenchmark(
        absl::StrCat(suite.name, "/", suite.contenders[i]).c_str(),
        [this, &suite, i](benchmark::State& state) { Run(suite, i, state); });
    if (suite.threads > 1) one->Threads(static_cast<int>(suite.threads));
    if (suite.unit == Unit::kMilliseconds) {
      one->UseRealTime()->Unit(benchmark::kMillisecond);
    }
    if (runs == Runs::kByFlags) continue;
    one->Iterations(static_cast<benchmark::IterationCount>(suite.operations));
  }
}

absl::Status Runner::RunByFlags() {
  benchmark::AddCustomContext("libdb", LibdbVersion());
  if (benchmark::RunSpecifiedBenchmarks() == 0) {
    return absl::NotFoundError("no benchmark matches --benchmark_filter");
  }
  const os::MutexLock lock(mutex_);
  failure_.Update(Close());
  return failure_;
}

absl::Status Runner::RunRounds(const Suite& suite, int rounds) {
  Collector collector(suite);
  for (int round = 0; round < rounds; ++round) {
    benchmark::RunSpecifiedBenchmarks(&collector,
                                      absl::StrCat("^", suite.name, "/"));
    const os::MutexLock lock(mutex_);
    if (failure_.ok()) continue;
    Close().IgnoreError();
    return std::exchange(failure_, absl::OkStatus());
  }
  report_.Add(suite.name, collector.figures(), suite.unit, suite.ratios);
  const os::MutexLock lock(mutex_);
  return Close();
}

void Runner::Run(const Suite& suite, size_t index, benchmark::State& state) {
  const uint32_t thread = static_cast<uint32_t>(state.thread_index());
  const absl::StatusOr<Contender*> contender = Open(suite, index);
  absl::Status status = contender.status();
  const auto prepare = [&] {
    if (!(*contender)->prepare) return absl::OkStatus();
    return (*contender)->prepare(thread);
  };
  if (status.ok()) status = prepare();
  bool is_prepared = true;
  while (status.ok() && state.KeepRunningBatch(static_cast<
                            benchmark::IterationCount>(suite.operations))) {
    if (!std::exchange(is_prepared, false)) {
      state.PauseTiming();
      status = prepare();
      state.ResumeTiming();
    }
    if (status.ok()) status = (*contender)->pass(thread);
    if (thread == 0) ++(*contender)->passes;
  }
  if (status.ok()) return;
  state.SkipWithError(status.ToString().c_str());
  const os::MutexLock lock(mutex_);
  failure_.Update(status);
}

absl::StatusOr<Contender*> Runner::Open(const Suite& suite, size_t index) {
  const os::MutexLock lock(mutex_);
  if (open_ != &suite) {
    MPOOL_RETURN_IF_ERROR(Close());
    auto fixture = std::make_unique<Fixture>(scratch_);
    MPOOL_RETURN_IF_ERROR(suite.open(*fixture));
    fixture_ = std::move(fixture);
    open_ = &suite;
  }
  return &fixture_->contenders[index];
}

absl::Status Runner::Close() {
  if (fixture_ == nullptr) return absl::OkStatus();
  absl::Status result;
  if (fixture_->check) result.Update(fixture_->check(report_));
  result.Update(fixture_->Close());
  fixture_ = nullptr;
  open_ = nullptr;
  return result;
}

}  // namespace mpool::bench
