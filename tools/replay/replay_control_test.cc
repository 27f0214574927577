// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/replay/replay_control.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/replay/children.h"

namespace mpool::tools {
namespace {

using testing::HasSubstr;

TEST(ReplayControlTest, FirstFailureIsKeptAndStopsAll) {
  absl::StatusOr<SharedArray<ReplayControl>> shared =
      SharedArray<ReplayControl>::Make(1);
  ASSERT_TRUE(shared.ok());
  ReplayControl& control = (*shared)[0];
  EXPECT_EQ(control.Failure(), "");
  Children children;
  ASSERT_TRUE(
      children
          .Fork(1, [&] { control.ReportFailure(absl::DataLossError("first")); })
          .ok());
  children.ReapAll();
  control.ReportFailure(absl::DataLossError("second"));
  EXPECT_THAT(control.Failure(), HasSubstr("first"));
  EXPECT_EQ(control.WaitForPhase(), ReplayControl::kStop);
}

}  // namespace
}  // namespace mpool::tools
