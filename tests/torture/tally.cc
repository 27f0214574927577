// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tests/torture/tally.h"

#include <algorithm>
#include <cstdio>
#include <iterator>

#include "tests/support/step_names.h"

namespace mpool::torture {
namespace {

using Count = unsigned long long;  // NOLINT: the type that %llu takes

const char* NameOf(Kill::By by) {
  static constexpr const char* kNames[] = {"at a step", "by timer",
                                           "of a repairer or its dead",
                                           "of all at once", "in a scene"};
  return kNames[static_cast<size_t>(by)];
}

std::string LatchesOf(uint32_t ranks) {
  static constexpr const char* kNames[] = {"",       "files", "extents",
                                           "bucket", "queue", "heap"};
  std::string text;
  for (size_t rank = 1; rank < std::size(kNames); ++rank) {
    if ((ranks >> rank & 1) == 0) continue;
    text += (text.empty() ? "" : "+") + std::string(kNames[rank]);
  }
  return text.empty() ? "none" : text;
}

}  // namespace

void Tally::Add(const Kill& kill) {
  ++kills_;
  ++by_[kill.by];
  if (!kill.is_inside) return;
  ++inside_;
  if (!kill.step.empty()) ++at_[kill.step];
  // Scenes do not report ranks.
  if (kill.by != Kill::By::kScene) ++holding_[LatchesOf(kill.ranks)];
}

void Tally::Stood(uint64_t us, uint64_t stolen_us) {
  if (us <= longest_stand_us_) return;
  longest_stand_us_ = us;
  stolen_of_it_us_ = stolen_us;
}

void Tally::Overslept(uint64_t us) {
  longest_oversleep_us_ = std::max(longest_oversleep_us_, us);
}

uint64_t Tally::at(const std::string& step) const {
  const auto found = at_.find(step);
  return found == at_.end() ? 0 : found->second;
}

double Tally::inside_share() const {
  return kills_ == 0
             ? 1
             : static_cast<double>(inside_) / static_cast<double>(kills_);
}

std::vector<std::string> Tally::StepsWithoutKill() const {
  std::vector<std::string> steps = test::StepNames("");
  std::erase_if(steps,
                [this](const std::string& step) { return at(step) != 0; });
  return steps;
}

void Tally::Print(const Findings& findings, double seconds) const {
  std::printf("\n%llu kills in %.1f s:", Count{kills_}, seconds);
  for (const auto& [by, count] : by_) {
    std::printf(" %llu %s;", Count{count}, NameOf(by));
  }
  std::printf("\n%.1f %% inside the library; latches held there:",
              100 * inside_share());
  for (const auto& [latches, count] : holding_) {
    std::printf(" %s %llu,", latches.c_str(), Count{count});
  }
  std::printf("\nkills by the last step passed:\n");
  size_t column = 0;
  for (const std::string& step : test::StepNames("")) {
    std::printf("%5llu %-30s%s", Count{at(step)}, step.c_str(),
                ++column % 2 == 0 ? "\n" : "");
  }
  std::printf(
      "\nworst standstill %.3f s (%.3f s of it when the driver was kept "
      "waiting too; worst oversleep of the driver %.3f s)\n"
      "wrong pages %llu, lost puts %llu; leaked frames %llu, slots %llu, bytes "
      "%llu, fds %llu\n",
      static_cast<double>(longest_stand_us_) / 1e6,
      static_cast<double>(stolen_of_it_us_) / 1e6,
      static_cast<double>(longest_oversleep_us_) / 1e6,
      Count{findings.wrong_pages.load()}, Count{findings.lost_puts.load()},
      Count{findings.frames.load()}, Count{findings.slots.load()},
      Count{findings.bytes.load()}, Count{findings.fds.load()});
}

}  // namespace mpool::torture
