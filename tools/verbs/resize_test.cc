// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include <cstdint>
#include <map>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/env.h"
#include "nlohmann/json.hpp"
#include "tools/test_command.h"
#include "tools/trace/test_dir.h"

namespace mpool::tools {
namespace {

using testing::HasSubstr;

TEST(ResizeVerbTest, EnvironmentInUseIsResizedUpToItsLimit) {
  const TestDir dir;
  const auto env = DbEnv::Open(
      dir.path(), {.cache_bytes = 64 << 10, .max_cache_bytes = 128 << 10});
  ASSERT_TRUE(env.ok()) << env.status();
  const Ran ran = RunMpool({"resize", dir.path(), "131072", "--json"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  const auto row = nlohmann::json::parse(ran.out)[0];
  EXPECT_EQ(row["bytes_before"], 64 << 10);
  EXPECT_EQ(row["bytes"], 128 << 10);
  EXPECT_EQ((*env)->Stats().cache_bytes, uint64_t{128} << 10);
  const Ran more = RunMpool({"resize", dir.path(), "262144"});
  EXPECT_EQ(more.code, 2);
  EXPECT_THAT(more.err, HasSubstr("max_cache_bytes is 131072"));
  EXPECT_TRUE((*env)->Close().ok());
  EXPECT_TRUE(DbEnv::Remove(dir.path()).ok());
}

TEST(ResizeVerbTest, SizesMayEndInAUnit) {
  const TestDir dir;
  const auto env = DbEnv::Open(
      dir.path(), {.cache_bytes = 64 << 10, .max_cache_bytes = 2 << 20});
  ASSERT_TRUE(env.ok()) << env.status();
  for (const auto& [text, bytes] :
       std::map<std::string, uint64_t>{{"96k", 96 << 10}, {"2M", 2 << 20}}) {
    const Ran ran = RunMpool({"resize", dir.path(), text});
    EXPECT_EQ(ran.code, 0) << ran.err;
    EXPECT_EQ((*env)->Stats().cache_bytes, bytes);
  }
  EXPECT_THAT(RunMpool({"resize", dir.path(), "1G"}).err,
              HasSubstr("max_cache_bytes is 2097152"));
  for (const char* text : {"M", "1T", "1.5M", "-1k", "99999999999G"}) {
    EXPECT_EQ(RunMpool({"resize", dir.path(), text}).code, 2) << text;
  }
  EXPECT_TRUE((*env)->Close().ok());
  EXPECT_TRUE(DbEnv::Remove(dir.path()).ok());
}

TEST(ResizeVerbTest, TextInsteadOfBytesIsAUsageError) {
  const Ran ran = RunMpool({"resize", "home", "many"});
  EXPECT_EQ(ran.code, 2);
  EXPECT_THAT(ran.err, HasSubstr("\"many\" is not a number of bytes"));
}

TEST(ResizeVerbTest, MissingEnvironmentCannotBeOpened) {
  const TestDir dir;
  EXPECT_EQ(RunMpool({"resize", dir.File("none"), "65536"}).code, 3);
  EXPECT_EQ(RunMpool({"resize", dir.path(), "65536"}).code, 3);
}

}  // namespace
}  // namespace mpool::tools
