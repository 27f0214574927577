// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// relacy.h - Relacy without relacy.hpp, whose macros replace `new`, `assert`
// and the names of the memory orders in all later code.

#ifndef MPOOL_TESTS_RELACY_RELACY_H_
#define MPOOL_TESTS_RELACY_RELACY_H_

#include <relacy/base.hpp>
#include <relacy/context.hpp>
#include <relacy/context_base_impl.hpp>
#include <relacy/atomic_fence.hpp>
#include <relacy/atomic.hpp>
#include <relacy/var.hpp>
#include <relacy/test_suite.hpp>
#include <relacy/stdlib/mutex.hpp>
#include <relacy/stdlib/condition_variable.hpp>
#include <relacy/stdlib/semaphore.hpp>
#include <relacy/stdlib/event.hpp>

#endif  // MPOOL_TESTS_RELACY_RELACY_H_
