// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// files_test.cc - the verbs files, lost and forget.

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "nlohmann/json.hpp"
#include "tools/test_command.h"
#include "tools/trace/test_dir.h"

namespace mpool::tools {
namespace {

using nlohmann::json;
using testing::HasSubstr;

json Rows(const Ran& ran) {
  EXPECT_EQ(ran.code, 0) << ran.err;
  return json::parse(ran.out);
}

TEST(FilesVerbTest, FileHasARow) {
  const TestDir dir;
  auto env = *DbEnv::Open(dir.path());
  auto file = *env->OpenFile("pages.db", {.create = true});
  ASSERT_TRUE(file->New().ok());
  const json rows = Rows(RunMpool({"files", dir.path(), "--json"}));
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0]["path"], dir.File("pages.db"));
  EXPECT_EQ(rows[0]["pages"], 1);
  EXPECT_EQ(rows[0]["resident"], 1);
  EXPECT_EQ(rows[0]["dirty"], 1);
  EXPECT_EQ(rows[0]["lost"], 0);
  EXPECT_EQ(rows[0]["openers"], std::to_string(getpid()));
  EXPECT_TRUE(file->Close().ok());
  EXPECT_TRUE(env->Close().ok());
  EXPECT_TRUE(DbEnv::Remove(dir.path()).ok());
}

// Loses a page of the file with its writer.
void LosePage(const std::string& home) {
  const pid_t pid = fork();
  if (pid == 0) {
    FileOptions options;
    options.create = true;
    options.atomic_update = false;
    auto env = DbEnv::Open(home);
    auto file = (*env)->OpenFile("pages.db", options);
    (*file)->New()->Put();
    auto page = (*file)->GetForUpdate(0);
    kill(getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  ASSERT_TRUE(WIFSIGNALED(status));
}

TEST(LostVerbTest, LostPageHasARowUntilForgotten) {
  const TestDir dir;
  auto env = *DbEnv::Open(dir.path());
  LosePage(dir.path());
  ASSERT_TRUE(env->FailCheck().ok());
  const json rows = Rows(RunMpool({"lost", dir.path(), "--json"}));
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0]["path"], dir.File("pages.db"));
  EXPECT_EQ(rows[0]["page"], 0);
  const json forgotten =
      Rows(RunMpool({"forget", dir.path(), "pages.db", "--json"}));
  EXPECT_EQ(forgotten[0]["forgotten"], true);
  EXPECT_EQ(Rows(RunMpool({"lost", dir.path(), "--json"})).size(), 0u);
  EXPECT_TRUE(env->Close().ok());
  EXPECT_TRUE(DbEnv::Remove(dir.path()).ok());
}

TEST(ForgetVerbTest, UnknownFileIsAFinding) {
  const TestDir dir;
  auto env = *DbEnv::Open(dir.path());
  const Ran ran = RunMpool({"forget", dir.path(), "nothing"});
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.err, HasSubstr("nothing"));
  EXPECT_TRUE(env->Close().ok());
  EXPECT_TRUE(DbEnv::Remove(dir.path()).ok());
}

}  // namespace
}  // namespace mpool::tools
