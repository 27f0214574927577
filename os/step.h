// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// step.h - named points at which a test kills or holds a process.
//
// MPOOL_STEP("region.create.sized") stands before and after each store to a
// word that another process acts on. In release builds it expands to nothing.
// With MPOOL_STEPS it counts the passage and executes the plan for the step.

#ifndef MPOOL_OS_STEP_H_
#define MPOOL_OS_STEP_H_

#ifdef MPOOL_STEPS
#define MPOOL_STEP(name) ::mpool::os::Step(name)
#else
#define MPOOL_STEP(name) static_cast<void>(0)
#endif

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace mpool::os {

// Passes the step `name`. Only the macro calls it.
void Step(const char* name);

// Kills this process with SIGKILL at the `hit`-th passage (1 = first) of `name`
// from now on. Forked children inherit the plan.
void KillAtStep(std::string_view name, uint64_t hit);
// Calls `action` at every passage of `name`. An empty action removes the
// earlier one.
void CallAtStep(std::string_view name, std::function<void()> action);
void ClearSteps();
// Calls `observer` at every passage of every step, before the plan of the step
// is executed. Null removes the observer. It lets a program that kills
// processes from outside record the step. Forked children inherit the observer.
void ObserveSteps(void (*observer)(const char* name));

}  // namespace mpool::os

#endif  // MPOOL_OS_STEP_H_
