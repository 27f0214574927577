// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// main.cc - mpool_torture: processes use one environment and are killed at any
// place, for minutes or for a number of kills; see usage.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "os/clock.h"
#include "tests/pool/kill_scenes.h"
#include "tests/support/leftovers.h"
#include "tests/torture/driver.h"

namespace mpool::torture {
namespace {

constexpr char kUsage[] =
    "usage: mpool_torture [OPTION VALUE]...\n"
    "  --minutes M    rounds, each on an environment of its own, for so long;\n"
    "                 then every step that nobody was killed at (default: 1)\n"
    "  --kills N      so many kills in a row on one environment\n"
    "  --seed S       of all that is chosen; random unless given\n"
    "  --round R      that round of --minutes alone\n"
    "  --scene STEP   with --round: the scripted death at that step alone\n"
    "  --slice N      N rounds and N scripted deaths\n";

constexpr uint64_t kKillsOfRound = 40;
// With --kills: the kills between two checks, and the checks between two kills
// of all.
constexpr uint64_t kKillsBetweenLooks = 100;
constexpr uint64_t kLooksBetweenEnds = 3;
constexpr double kLeastInside = 0.5;
// The share of the time for the load. The scenes use the rest, or somewhat
// more.
constexpr double kShareOfLoad = 0.8;

struct Options {
  double minutes = 1;
  uint64_t kills = 0;
  uint64_t seed = test::Seed();
  uint64_t slice = 0;
  int64_t round = -1;
  std::string scene;
};

class Run {
 public:
  explicit Run(const Options& options) : options_(options) {}

  // Returns the exit code.
  int All();

 private:
  bool ForMinutes();
  bool ForKills();
  bool Slice();
  bool Round(uint64_t round);
  bool Scene(const std::string& step, uint64_t round);
  bool NoStepIsLeftOut();
  // Checks a condition that no single round is responsible for.
  bool Require(bool holds, const std::string& what);
  double Seconds() const {
    return static_cast<double>(os::MonotonicNs() - begun_ns_) / 1e9;
  }

  const Options& options_;
  const uint64_t begun_ns_ = os::MonotonicNs();
  Board board_;
  Tally tally_;
  std::string replay_;
};

bool Run::Round(uint64_t round) {
  replay_ = "--round " + std::to_string(round);
  const Plan plan(options_.seed, round);
  const World world(plan, board_);
  Driver driver(world, plan, tally_);
  if (!driver.Torture(kKillsOfRound)) return false;
  const bool looked =
      plan.ends_in_death() ? driver.KillAll() : driver.LookWhileAllRest();
  return looked && driver.End();
}

bool Run::Scene(const std::string& step, uint64_t round) {
  replay_ = "--scene " + step + " --round " + std::to_string(round);
  const pooltest::Death death(step, options_.seed, round);
  RunApart(board_, [&] {
    const std::string wrong = pooltest::DescribeDeath(death);
    if (!wrong.empty()) board_->findings.Report(wrong);
  });
  if (board_->findings.has_text.load() != 0) return false;
  tally_.Add({step, 0, true, Kill::By::kScene});
  return true;
}

bool Run::ForKills() {
  replay_ = "--kills " + std::to_string(options_.kills);
  const Plan plan(options_.seed, 0);
  const World world(plan, board_);
  Driver driver(world, plan, tally_);
  for (uint64_t looks = 1; tally_.kills() < options_.kills; ++looks) {
    const uint64_t left = options_.kills - tally_.kills();
    if (!driver.Torture(std::min(left, kKillsBetweenLooks))) return false;
    const bool is_end = looks % kLooksBetweenEnds == 0;
    if (!(is_end ? driver.KillAll() : driver.LookWhileAllRest())) return false;
  }
  return driver.End();
}

// Steps that a scene cannot kill at have other tests: those of the region, and
// tests/env/death/panic_kill_test.cc, because no file here has a log.
bool Run::NoStepIsLeftOut() {
  for (const std::string& step : tally_.StepsWithoutKill()) {
    if (pooltest::HasScene(step) && !Scene(step, 0)) return false;
  }
  std::string left_out;
  for (const std::string& step : tally_.StepsWithoutKill()) {
    if (step.starts_with("region.") || step.starts_with("mpool.panic.")) {
      continue;
    }
    left_out += " " + step;
  }
  return Require(left_out.empty(), "nobody was killed at" + left_out);
}

bool Run::ForMinutes() {
  const double end = kShareOfLoad * 60 * options_.minutes;
  for (uint64_t round = 0; Seconds() < end; ++round) {
    if (!Round(round)) return false;
  }
  return NoStepIsLeftOut();
}

bool Run::Slice() {
  const std::vector<std::string> steps = pooltest::StepsOfScenes();
  for (uint64_t i = 0; i < options_.slice; ++i) {
    if (!Round(i)) return false;
    const std::string& step = steps[Mix(options_.seed, i) % steps.size()];
    if (!Scene(step, i % 2)) return false;
    if (!Require(tally_.at(step) != 0, "nobody was killed at " + step)) {
      return false;
    }
  }
  return true;
}

bool Run::Require(bool holds, const std::string& what) {
  if (!holds) board_->findings.Report(what + "\n");
  return holds;
}

int Run::All() {
  pooltest::WithoutFsync();
  NoteSteps();
  bool good = false;
  if (!options_.scene.empty()) {
    good = Scene(options_.scene, static_cast<uint64_t>(options_.round));
  } else if (options_.round >= 0) {
    good = Round(static_cast<uint64_t>(options_.round));
  } else if (options_.slice != 0) {
    good = Slice();
  } else {
    good = options_.kills != 0 ? ForKills() : ForMinutes();
  }
  good = good && Require(tally_.inside_share() >= kLeastInside,
                         "too few kills landed inside the library");
  const std::vector<std::string> left = os::TakeLeftovers();
  good = good && Require(left.empty(), absl::StrCat("left: ",
                                                    absl::StrJoin(left, " ")));
  tally_.Print(board_->findings, Seconds());
  const auto seed = static_cast<unsigned long long>(options_.seed);  // NOLINT
  if (good) {
    std::printf("all is well; seed %llu\n", seed);
    return 0;
  }
  std::printf("\n%sreplay: ./dev torture --seed %llu %s\n",
              board_->findings.text, seed, replay_.c_str());
  return 1;
}

bool Parse(int argc, char** argv, Options* options) {
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    const char* value = argv[i + 1];
    char* end = nullptr;
    const double number = std::strtod(value, &end);
    const bool is_number = *value != '\0' && *end == '\0' && number >= 0;
    if (name == "--scene") {
      options->scene = value;
    } else if (!is_number) {
      return false;
    } else if (name == "--minutes") {
      options->minutes = number;
    } else if (name == "--kills") {
      options->kills = std::strtoull(value, nullptr, 0);
    } else if (name == "--seed") {
      options->seed = std::strtoull(value, nullptr, 0);
    } else if (name == "--slice") {
      options->slice = std::strtoull(value, nullptr, 0);
    } else if (name == "--round") {
      options->round = std::strtoll(value, nullptr, 0);
    } else {
      return false;
    }
  }
  return argc % 2 == 1 && (options->scene.empty() || options->round >= 0);
}

}  // namespace
}  // namespace mpool::torture

int main(int argc, char** argv) {
  mpool::torture::Options options;
  if (!mpool::torture::Parse(argc, argv, &options)) {
    std::fputs(mpool::torture::kUsage, stderr);
    return 2;
  }
  return mpool::torture::Run(options).All();
}
