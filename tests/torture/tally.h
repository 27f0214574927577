// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// tally.h - counts where kills hit, and how long threads made no progress.

#ifndef MPOOL_TESTS_TORTURE_TALLY_H_
#define MPOOL_TESTS_TORTURE_TALLY_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/torture/board.h"

namespace mpool::torture {

struct Kill {
  std::string step;  // the last step; empty if there was none
  uint32_t ranks = 0;
  bool is_inside = false;
  enum class By { kStep, kTimer, kHeir, kAll, kScene } by = By::kStep;
};

class Tally {
 public:
  void Add(const Kill& kill);
  // Notes how long a thread made no progress, and how much of that time the
  // driver itself overslept.
  void Stood(uint64_t us, uint64_t stolen_us);
  void Overslept(uint64_t us);

  uint64_t kills() const { return kills_; }
  uint64_t at(const std::string& step) const;
  double inside_share() const;
  std::vector<std::string> StepsWithoutKill() const;
  void Print(const Findings& findings, double seconds) const;

 private:
  uint64_t kills_ = 0;
  uint64_t inside_ = 0;
  std::map<Kill::By, uint64_t> by_;
  std::map<std::string, uint64_t> at_;
  std::map<std::string, uint64_t> holding_;
  uint64_t longest_stand_us_ = 0;
  uint64_t stolen_of_it_us_ = 0;
  uint64_t longest_oversleep_us_ = 0;
};

}  // namespace mpool::torture

#endif  // MPOOL_TESTS_TORTURE_TALLY_H_
