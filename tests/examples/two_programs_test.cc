// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// two_programs_test.cc - two executables that share only the name of a
// directory.

#include <signal.h>

#include "mpool/mpool.h"
#include "tests/examples/program.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_home.h"

namespace mpool {
namespace {

using test::IsOk;
using test::Program;

class TwoProgramsTest : public ::testing::Test {
 protected:
  ~TwoProgramsTest() override {
    EXPECT_THAT(DbEnv::Remove(home_.path()), IsOk());
    EXPECT_THAT(test::AllOf(home_.path()), ::testing::ElementsAre("board.db"));
  }
  test::TempHome home_;
};

TEST_F(TwoProgramsTest, ReaderSeesWritersMemory) {
  Program watch("watch", {home_.path(), "2"});
  Program writer("writer", {home_.path()});
  writer.Type("first");
  EXPECT_EQ(writer.Line(), "page 0");
  EXPECT_EQ(watch.Line(), "0: first");
  writer.Type("second");
  EXPECT_EQ(watch.Line(), "1: second");
  EXPECT_EQ(watch.Line(), "read from disk: 0");
  EXPECT_EQ(watch.End(), 0);
  writer.EndInput();
  EXPECT_EQ(writer.End(), 0);
}

TEST_F(TwoProgramsTest, KilledWriterLosesNothing) {
  {
    Program killed("writer", {home_.path()});
    killed.Type("first");
    ASSERT_EQ(killed.Line(), "page 0");
    ASSERT_EQ(::kill(killed.pid(), SIGKILL), 0);
    EXPECT_EQ(killed.End(), -SIGKILL);
  }
  Program watch("watch", {home_.path(), "2"});
  EXPECT_EQ(watch.Line(), "0: first");
  Program writer("writer", {home_.path()});
  writer.Type("second");
  EXPECT_EQ(watch.Line(), "1: second");
  EXPECT_EQ(watch.Line(), "read from disk: 0");
  EXPECT_EQ(watch.End(), 0);
  writer.EndInput();
  EXPECT_EQ(writer.End(), 0);
}

}  // namespace
}  // namespace mpool
