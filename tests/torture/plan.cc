// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tests/torture/plan.h"

#include <algorithm>
#include <iterator>
#include <random>

#include "mpool/evict/policies.h"
#include "tests/support/all_backings.h"
#include "tests/support/step_names.h"

namespace mpool::torture {
namespace {

using Random = std::mt19937_64;

constexpr uint64_t kRoles = static_cast<uint64_t>(Role::kElder);
constexpr uint64_t kMaxOps = 100000;  // of a life that the driver ends

// The roles that pass a step. The first matching row counts. Every role passes
// the other steps.
struct Row {
  const char* prefix;
  std::vector<Role> roles;
};
const std::vector<Row>& Rows() {
  static const auto& rows = *new std::vector<Row>{
      {"mpool.repair.", {Role::kChecker, Role::kJoiner}},
      {"region.repair.", {Role::kChecker, Role::kJoiner}},
      {"region.mend.", {Role::kChecker, Role::kJoiner}},
      {"region.join.", {Role::kJoiner}},
      {"region.leave.", {Role::kJoiner}},
      {"region.thread.", {Role::kThreads, Role::kJoiner}},
      {"region.heap.", {Role::kJoiner, Role::kOpener, Role::kThreads}},
      {"region.grow.", {Role::kJoiner, Role::kOpener, Role::kThreads}},
      {"mpool.file.", {Role::kOpener}},
      {"mpool.group.", {Role::kGrouper}},
      {"mpool.image.", {Role::kWriter, Role::kGrouper}},
      {"mpool.new.", {Role::kMaker}},
      {"mpool.resize.", {Role::kResizer}},
      {"mpool.hash.overflow", {Role::kMaker, Role::kScanner}},
      {"mpool.evict.", {Role::kScanner}},
      {"mpool.hash.", {Role::kScanner}},
      {"mpool.queue.", {Role::kScanner, Role::kMaker}},
      {"mpool.frame.", {Role::kScanner, Role::kThreads}},
      {"mpool.load.", {Role::kScanner, Role::kThreads}},
      {"mpool.write.", {Role::kSyncer}},
      {"mpool.sync.", {Role::kSyncer}},
      {"mpool.latch.", {Role::kWriter}},
      {"mpool.put.release", {Role::kWriter}},
  };
  return rows;
}

Role RoleFor(const std::string& step, Random& random) {
  for (const Row& row : Rows()) {
    if (step.starts_with(row.prefix)) {
      return row.roles[random() % row.roles.size()];
    }
  }
  return static_cast<Role>(random() % kRoles);
}

// Returns the step at which a process must have died for its repair to pass
// `repair_step`; nullptr if any step will do.
const char* VictimStepFor(const std::string& repair_step) {
  static constexpr const char* kPairs[][2] = {
      {"mpool.repair.poisoned", "mpool.put.release"},
      {"mpool.repair.restored", "mpool.image.whole"},
      {"mpool.repair.evicting", "mpool.evict.taken"},
      {"mpool.repair.unwrite", "mpool.write.writing"},
      {"mpool.repair.dropping", "mpool.load.read"},
      {"mpool.repair.unhashed", "mpool.load.bucket"},
      {"mpool.repair.queue", "mpool.queue.half_linked"},
      {"region.repair.pin", "mpool.get.entered"},
      {"region.mend.", "region.heap.taken"},
  };
  for (const auto& [repair, victim] : kPairs) {
    if (repair_step.starts_with(repair)) return victim;
  }
  return nullptr;
}

bool NeedsScene(const std::string& step) {
  for (const char* prefix :
       {"region.create.", "region.remove.", "region.succeed.", "region.adopt.",
        "mpool.adopt.", "mpool.extent.", "mpool.balance.",
        "mpool.repair.rings", "region.grow."}) {
    if (step.starts_with(prefix)) return true;
  }
  return false;
}

bool IsOfRepair(const std::string& step) {
  return step.find(".repair.") != std::string::npos ||
         step.starts_with("region.mend.");
}

}  // namespace

uint64_t Mix(uint64_t a, uint64_t b) {
  uint64_t x = a * 0x9e3779b97f4a7c15 + b + 1;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
  x = (x ^ x >> 27) * 0x94d049bb133111eb;
  return x ^ x >> 31;
}

std::vector<std::string> StepsUnderLoad() {
  std::vector<std::string> steps = test::StepNames("");
  std::erase_if(steps, NeedsScene);
  return steps;
}

Plan::Plan(uint64_t seed, uint64_t round)
    : seed_(Mix(seed, round)),
      policy_(internal::BuiltPolicies()[seed_ % internal::kBuiltPolicies]),
      backing_(
          os::kForkedBackings[(seed + round) % os::kForkedBackings.size()]),
      ends_in_death_(seed_ / 2 % 3 == 0),
      steps_(StepsUnderLoad()) {
  std::copy_if(steps_.begin(), steps_.end(), std::back_inserter(repair_steps_),
               IsOfRepair);
}

Life Plan::LifeOf(size_t seat, uint64_t nth) const {
  Life life;
  life.seed = Mix(Mix(seed_, seat), nth);
  life.ops = kMaxOps;
  if (seat == kElderSeat) return life;
  Random random(life.seed);
  life.step = steps_[random() % steps_.size()];
  life.role = RoleFor(life.step, random);
  life.timer_us = 1000 + random() % 49000;
  life.from_ready = random() % 4 != 0;
  const uint64_t kind = random() % 20;
  if (kind < 11) {
    const bool is_last = kind < 2;
    life.death = is_last ? Death::kAtLastStep : Death::kAtStep;
    life.passage = is_last || kind < 6 ? 1 : 1 + random() % 30;
    life.ops = 20 + random() % 60;
  } else if (kind < 17) {
    life.death = Death::kByTimer;
    life.role = static_cast<Role>(random() % kRoles);
  } else {
    life.death = Death::kWithHeir;
    const std::string repair = HeirOf(seat, nth).step;
    if (const char* victim = VictimStepFor(repair)) life.step = victim;
    life.role = RoleFor(life.step, random);
    life.passage = 1 + random() % 12;
    life.ops = 80;
  }
  return life;
}

Life Plan::HeirOf(size_t seat, uint64_t nth) const {
  Life heir;
  heir.seed = Mix(Mix(seed_, kFirstRepairer + seat), nth);
  heir.role = Role::kRepairer;
  Random random(heir.seed);
  heir.step = repair_steps_[random() % repair_steps_.size()];
  heir.death = random() % 3 == 0 ? Death::kByTimer : Death::kAtStep;
  heir.timer_us = random() % 3000;
  heir.passage = random() % 2 == 0 ? 1 : 1 + random() % 3;
  heir.ops = kMaxOps;
  return heir;
}

}  // namespace mpool::torture
