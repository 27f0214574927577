// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// plan.h - who does what until which death. All of it follows from a seed, a
// round, a seat and the number of the life on it, and from nothing that was
// measured, so that a round can be planned again.

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
  kElder,     // a bit of all that holds nothing for long
  kRepairer,  // looks for the dead and does nothing else
};

enum class Death {
  kNone,
  kAtStep,      // at a passage of the step
  kAtLastStep,  // at a passage among its last calls
  kByTimer,     // after its start, or after all is open
  kWithHeir,    // stands at the step, is killed, and so is who repairs it
};

// One process from its start to its end.
struct Life {
  Role role = Role::kElder;
  Death death = Death::kNone;
  uint64_t seed = 0;
  uint64_t ops = 0;  // after which it leaves
  std::string step;
  uint64_t passage = 1;
  uint64_t timer_us = 0;
  bool from_ready = false;
};

class Plan {
 public:
  Plan(uint64_t seed, uint64_t round);

  Policy policy() const { return policy_; }
  // Of as many rounds in a row as there are, each has another.
  Backing backing() const { return backing_; }
  uint64_t seed() const { return seed_; }
  // The round ends with the death of all at once.
  bool ends_in_death() const { return ends_in_death_; }
  Life LifeOf(size_t seat, uint64_t nth) const;
  // Of who repairs the dead of that life.
  Life HeirOf(size_t seat, uint64_t nth) const;

 private:
  uint64_t seed_;
  Policy policy_;
  Backing backing_;
  bool ends_in_death_;
  std::vector<std::string> steps_;
  std::vector<std::string> repair_steps_;
};

// The steps that lives under load come to, in the order of their names; the
// others need scenes of their own.
std::vector<std::string> StepsUnderLoad();

uint64_t Mix(uint64_t a, uint64_t b);

}  // namespace mpool::torture

#endif  // MPOOL_TESTS_TORTURE_PLAN_H_
