// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/env.h"
#include "nlohmann/json.hpp"
#include "tools/test_command.h"
#include "tools/trace/test_dir.h"

namespace mpool::tools {
namespace {

using testing::HasSubstr;

TEST(RemoveVerbTest, HomeWithoutEnvironmentIsRemoved) {
  const TestDir dir;
  const Ran ran = RunMpool({"remove", dir.path(), "--json"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(nlohmann::json::parse(ran.out)[0]["home"], dir.path());
}

TEST(RemoveVerbTest, MissingHomeCannotBeOpened) {
  const TestDir dir;
  const Ran ran = RunMpool({"remove", dir.File("none")});
  EXPECT_EQ(ran.code, 3);
  EXPECT_THAT(ran.err, HasSubstr("none"));
}

TEST(RemoveVerbTest, EnvironmentInUseStays) {
  const TestDir dir;
  const auto env = DbEnv::Open(dir.path());
  ASSERT_TRUE(env.ok()) << env.status();
  EXPECT_EQ(RunMpool({"remove", dir.path()}).code, 1);
  EXPECT_TRUE(DbEnv::Inspect(dir.path()).ok());
  ASSERT_TRUE((*env)->Close().ok());
  EXPECT_EQ(RunMpool({"remove", dir.path()}).code, 0);
  EXPECT_FALSE(DbEnv::Inspect(dir.path()).ok());
}

}  // namespace
}  // namespace mpool::tools
