// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/replay/children.h"

#include <signal.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mpool::tools {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(ChildrenTest, DeathBySignalIsReported) {
  Children children;
  ASSERT_TRUE(children.Fork(2, [] { raise(SIGKILL); }).ok());
  children.ReapAll();
  EXPECT_THAT(children.deaths(),
              ElementsAre(HasSubstr("signal 9"), HasSubstr("signal 9")));
}

TEST(ChildrenTest, SuccessfulChildrenAreNoDeaths) {
  Children children;
  ASSERT_TRUE(children.Fork(2, [] {}).ok());
  children.ReapAll();
  EXPECT_THAT(children.deaths(), IsEmpty());
}

}  // namespace
}  // namespace mpool::tools
