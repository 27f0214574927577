// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "os/cancel.h"

#include <pthread.h>

#include <stdexcept>

#include "gtest/gtest.h"
#include "tests/support/test_thread.h"

namespace mpool::os {
namespace {

// Stores the count when it is destroyed.
struct Counter {
  ~Counter() { *count = Unwindings(); }
  int* count;
};

TEST(CancelOffTest, HoldsACancellationOffUntilItsEnd) {
  bool inside = false;
  bool behind = false;
  EXPECT_TRUE(IsCutShort([&] {
    pthread_cancel(pthread_self());
    {
      const CancelOff outer;
      const CancelOff inner;
      pthread_testcancel();
    }
    inside = true;
    pthread_testcancel();
    behind = true;
  }));
  EXPECT_TRUE(inside);
  EXPECT_FALSE(behind);
}

TEST(CancelOffTest, DisabledCancellationStaysDisabled) {
  EXPECT_FALSE(IsCutShort([] {
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, nullptr);
    pthread_cancel(pthread_self());
    { const CancelOff scope; }
    pthread_testcancel();
  }));
}

TEST(UnwindingsTest, CountsExceptionsUntilTheyAreCaught) {
  int outer = -1;
  int inner = -1;
  EXPECT_EQ(Unwindings(), 0);
  struct Thrower {
    ~Thrower() {
      try {
        const Counter counter{inner};
        throw std::runtime_error("inner");
      } catch (const std::runtime_error&) {
      }
    }
    int* inner;
  };
  try {
    const Counter counter{&outer};
    const Thrower thrower{&inner};
    throw std::runtime_error("outer");
  } catch (const std::runtime_error&) {
    EXPECT_EQ(Unwindings(), 0);
  }
  EXPECT_EQ(outer, 1);
  EXPECT_EQ(inner, 2);
}

TEST(UnwindingsTest, CountsTheEndOfAThread) {
  int cancelled = -1;
  EXPECT_TRUE(IsCutShort([&] {
    const Counter counter{&cancelled};
    pthread_cancel(pthread_self());
    pthread_testcancel();
  }));
  EXPECT_EQ(cancelled, 1);
  int exited = -1;
  EXPECT_TRUE(IsCutShort([&] {
    const Counter counter{&exited};
    pthread_exit(nullptr);
  }));
  EXPECT_EQ(exited, 1);
  int returned = -1;
  int local = -1;
  EXPECT_FALSE(IsCutShort([&] {
    thread_local Counter last;
    last.count = &local;
    const Counter counter{&returned};
  }));
  EXPECT_EQ(returned, 0);
  EXPECT_EQ(local, 0);
}

TEST(UnwindingsTest, DeferredCancellationIsNoUnwinding) {
  int count = -1;
  EXPECT_FALSE(IsCutShort([&] {
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, nullptr);
    pthread_cancel(pthread_self());
    const Counter counter{&count};
  }));
  EXPECT_EQ(count, 0);
}

}  // namespace
}  // namespace mpool::os
