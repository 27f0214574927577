// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// step.h - named points at which a process may be killed or held in a test.
//
// MPOOL_STEP("region.create.sized") stands before and after each store to a
// word that another process acts on. In release builds it is nothing. Built
// with MPOOL_STEPS it counts the passage and does what the plan says.

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

// Passes the step `name`; called by the macro alone.
void Step(const char* name);

// At the `hit`-th passage (1 = first) of `name` from now on, in this process,
// the process kills itself with SIGKILL. Forked children inherit the plan.
void KillAtStep(std::string_view name, uint64_t hit);
// At every passage of `name`, calls `action`; an empty one removes the plan.
void CallAtStep(std::string_view name, std::function<void()> action);
void ClearSteps();
// From now on `observer` is told of every passage of every step, before the
// plan for it is looked at; null ends it. For a program that kills from
// outside and wants to know where. Forked children inherit it.
void ObserveSteps(void (*observer)(const char* name));

}  // namespace mpool::os

#endif  // MPOOL_OS_STEP_H_
