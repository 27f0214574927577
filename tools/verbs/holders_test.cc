// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include <unistd.h>

#include <algorithm>
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
using testing::Not;

TEST(HoldersVerbTest, ProcessSlotHasARow) {
  const TestDir dir;
  const auto env = DbEnv::Open(dir.path());
  ASSERT_TRUE(env.ok()) << env.status();
  const Ran ran = RunMpool({"holders", dir.path(), "--json"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  const auto rows = nlohmann::json::parse(ran.out);
  ASSERT_EQ(rows.size(), 1u) << ran.out;
  EXPECT_EQ(rows[0]["pid"], getpid());
  EXPECT_EQ(rows[0]["dead"], false);
  EXPECT_THAT(rows[0]["holds"].get<std::string>(), HasSubstr("process slot"));
  ASSERT_TRUE((*env)->Close().ok());
  EXPECT_TRUE(DbEnv::Remove(dir.path()).ok());
}

// A row of a hostile name would otherwise look like two rows, or clear the
// operator's screen.
TEST(HoldersVerbTest, NamesWithControlCharactersAreEscaped) {
  const TestDir dir;
  auto env = DbEnv::Open(dir.path());
  ASSERT_TRUE(env.ok()) << env.status();
  auto file = (*env)->OpenFile("a\x1b[2J\nb", {.create = true});
  ASSERT_TRUE(file.ok()) << file.status();
  auto page = (*file)->New();
  ASSERT_TRUE(page.ok()) << page.status();
  const Ran ran = RunMpool({"holders", dir.path()});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr(R"(/a\x1b[2J\nb for update)"));
  EXPECT_THAT(ran.out, Not(HasSubstr("\x1b")));
  EXPECT_EQ(std::count(ran.out.begin(), ran.out.end(), '\n'), 3) << ran.out;
  page->Put();
  ASSERT_TRUE((*file)->Close().ok());
  ASSERT_TRUE((*env)->Close().ok());
  EXPECT_TRUE(DbEnv::Remove(dir.path()).ok());
}

TEST(HoldersVerbTest, MissingEnvironmentCannotBeInspected) {
  const TestDir dir;
  EXPECT_EQ(RunMpool({"holders", dir.File("none")}).code, 3);
}

}  // namespace
}  // namespace mpool::tools
