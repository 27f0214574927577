// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// plan.h - the roles of all processes and their deaths. A plan depends only on
// a seed, a round, a seat and the number of the life on it. It depends on no
// measurement, so that a round can be repeated.

#ifndef MPOOL_TESTS_TORTURE_PLAN_H_
#define MPOOL_TESTS_TORTURE_PLAN_H_

#include <cstdint>
#include <string>
#include <vector>

#include "mpool/types.h"
#include "tests/torture/board.h"

namespace mpool::torture {

enum class Role {
  kReader,
  kWriter,
  kGrouper,
  kScanner,
  kPinner,
  kSyncer,
  kJoiner,
  kOpener,
  kMaker,
  kChecker,
  kThreads,
  kResizer,
  kElder,     // does a part of everything, holds nothing for long
  kRepairer,  // repairs the dead and does nothing else
};

enum class Death {
  kNone,
  kAtStep,      // at a passage of the step
  kAtLastStep,  // at a passage among its last calls
  kByTimer,     // after its start, or after all is open
  kWithHeir,    // stops at the step and is killed; so is its repairer
};

// One process from its start to its end.
struct Life {
  Role role = Role::kElder;
  Death death = Death::kNone;
  uint64_t seed = 0;
  uint64_t ops = 0;  // number of calls before it leaves
  std::string step;
  uint64_t passage = 1;
  uint64_t timer_us = 0;
  bool from_ready = false;
};

class Plan {
 public:
  Plan(uint64_t seed, uint64_t round);

  Policy policy() const { return policy_; }
  // Consecutive rounds have different backings until all have been used.
  Backing backing() const { return backing_; }
  uint64_t seed() const { return seed_; }
  // True if the round ends with the death of all at once.
  bool ends_in_death() const { return ends_in_death_; }
  Life LifeOf(size_t seat, uint64_t nth) const;
  // Returns the life of the process that repairs this life's death.
  Life HeirOf(size_t seat, uint64_t nth) const;

 private:
  uint64_t seed_;
  Policy policy_;
  Backing backing_;
  bool ends_in_death_;
  std::vector<std::string> steps_;
  std::vector<std::string> repair_steps_;
};

// Returns the steps that lives under load pass, sorted by name. The other steps
// need scenes of their own.
std::vector<std::string> StepsUnderLoad();

uint64_t Mix(uint64_t a, uint64_t b);

}  // namespace mpool::torture

#endif  // MPOOL_TESTS_TORTURE_PLAN_H_
