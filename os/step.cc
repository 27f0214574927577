// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "os/step.h"

#include <signal.h>

#include <atomic>
#include <map>
#include <mutex>
#include <utility>

#include "os/syscalls.h"

namespace mpool::os {
namespace {

struct Plan {
  uint64_t kill_at = 0;  // passages left until the kill; 0 = no kill
  std::function<void()> action;
};

struct Plans {
  std::mutex mutex;
  std::map<std::string, Plan, std::less<>> by_name;
};

// True while a plan exists, so that a step without plans acquires no lock.
constinit std::atomic<bool> any_plan{false};
constinit std::atomic<void (*)(const char*)> step_observer{nullptr};

// Never destroyed, because a thread may pass a step while the process exits.
Plans& AllPlans() {
  static Plans& plans = *new Plans;
  return plans;
}

}  // namespace

void Step(const char* name) {
  if (auto observer = step_observer.load(std::memory_order_acquire)) {
    observer(name);
  }
  if (!any_plan.load(std::memory_order_acquire)) return;
  std::function<void()> action;
  bool kill = false;
  {
    Plans& plans = AllPlans();
    std::lock_guard lock(plans.mutex);
    auto found = plans.by_name.find(std::string_view(name));
    if (found == plans.by_name.end()) return;
    Plan& plan = found->second;
    kill = plan.kill_at != 0 && --plan.kill_at == 0;
    action = plan.action;
  }
  if (kill) Sys().kill(Sys().getpid(), SIGKILL);
  if (action) action();
}

void KillAtStep(std::string_view name, uint64_t hit) {
  Plans& plans = AllPlans();
  std::lock_guard lock(plans.mutex);
  plans.by_name[std::string(name)].kill_at = hit;
  any_plan.store(true, std::memory_order_release);
}

void CallAtStep(std::string_view name, std::function<void()> action) {
  Plans& plans = AllPlans();
  std::lock_guard lock(plans.mutex);
  plans.by_name[std::string(name)].action = std::move(action);
  any_plan.store(true, std::memory_order_release);
}

void ClearSteps() {
  Plans& plans = AllPlans();
  std::lock_guard lock(plans.mutex);
  plans.by_name.clear();
  any_plan.store(false, std::memory_order_release);
}

void ObserveSteps(void (*observer)(const char* name)) {
  step_observer.store(observer, std::memory_order_release);
}

}  // namespace mpool::os
