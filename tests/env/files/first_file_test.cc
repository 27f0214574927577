// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// first_file_test.cc - the first files of an environment determine the size of
// its hash table. All processes must agree on the table, in whatever order they
// attach and die.

#include <linux/futex.h>
#include <unistd.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "os/step.h"
#include "tests/support/child.h"
#include "tests/support/pages.h"
#include "tests/support/resize.h"
#include "tests/support/status_matchers.h"
#include "tests/support/system.h"
#include "tests/support/temp_home.h"

namespace mpool {
namespace {

using test::Channel;
using test::Child;
using test::GetText;
using test::IsOk;
using test::OpenBoth;
using test::PutText;
using test::SmallEnv;
using test::TempHome;

class FirstFileTest : public os::SyscallTest {
 protected:
  ~FirstFileTest() override { os::ClearSteps(); }

  // Returns the body of a process that opens the file after a word. Its outcome
  // is the text of the first page.
  Child::Body Reader(const std::string& name, uint32_t page_size) {
    return [=, this](Channel& parent) {
      parent.Hear();
      auto both = *OpenBoth(home_.path(), SmallEnv(), name, page_size);
      return GetText(*both.file, 0);
    };
  }

  TempHome home_;
};

TEST_F(FirstFileTest, DeathDuringReplacementLeavesOneTable) {
  Child reader(Reader("pages.db", 4096));
  Child victim([&](Channel& parent) -> std::string {
    parent.Hear();
    auto env = *DbEnv::Open(home_.path(), SmallEnv());
    os::KillAtStep("region.heap.linked", 1);
    FileOptions options;
    options.create = true;
    options.page_size = 512;
    return "survived: " +
           env->OpenFile("small.db", options).status().ToString();
  });
  // This process knows the old table, and no file yet.
  auto env = *DbEnv::Open(home_.path(), SmallEnv());
  victim.Say("die");
  ASSERT_EQ(victim.End(), test::kKilled);
  auto file = *env->OpenFile("pages.db", {.create = true});
  ASSERT_THAT(PutText(*file, 0, "put"), IsOk());
  reader.Say("read");
  EXPECT_EQ(reader.End(), "put");
}

TEST_F(FirstFileTest, DeadReplacersTableOutlivesProcesses) {
  Child victim([&](Channel& parent) -> std::string {
    parent.Hear();
    auto env = *DbEnv::Open(home_.path(), SmallEnv());
    os::KillAtStep("region.heap.linked", 1);
    return env->OpenFile("small.db", {.page_size = 512, .create = true})
        .status()
        .ToString();
  });
  Child writer([&](Channel& parent) -> std::string {
    auto env = *DbEnv::Open(home_.path(), SmallEnv());
    parent.Say("in");
    parent.Hear();
    auto file = *env->OpenFile("pages.db", {.create = true});
    for (PageNo page = 0; page < 100; ++page) {
      EXPECT_THAT(PutText(*file, page, "put"), IsOk());
    }
    parent.Say("put");
    parent.Hear();
    return "";
  });
  ASSERT_EQ(writer.Hear(), "in");
  victim.Say("die");
  ASSERT_EQ(victim.End(), test::kKilled);
  writer.Say("go");
  ASSERT_EQ(writer.Hear(), "put");
  writer.Kill();
  auto both = *OpenBoth(home_.path(), SmallEnv());
  for (PageNo page = 0; page < 100; ++page) {
    ASSERT_EQ(GetText(*both.file, page), "put") << page;
  }
}

// The line to the parent for the process that is in the middle of its open.
Channel* line;

TEST_F(FirstFileTest, OvertakenProcessUsesNewTable) {
  Child reader(Reader("medium.db", 1024));
  Child small([&](Channel& parent) -> std::string {
    parent.Hear();
    auto env = *DbEnv::Open(home_.path(), SmallEnv());
    line = &parent;
    // A waiter at this futex waits for the process below.
    os::Sys().futex = [](uint32_t* word, int op, uint32_t value,
                         const timespec* timeout) {
      if (op == FUTEX_WAIT) line->Say("waiting");
      return os::RealSyscalls().futex(word, op, value, timeout);
    };
    FileOptions options;
    options.create = true;
    options.page_size = 512;
    auto file = env->OpenFile("small.db", options);
    parent.Say("open: " + file.status().ToString());
    parent.Hear();
    return "done";
  });
  Child medium([&](Channel& parent) -> std::string {
    auto env = *DbEnv::Open(home_.path(), SmallEnv());
    line = &parent;
    os::CallAtStep("region.heap.linked", [] {
      line->Say("has replaced the table");
      line->Hear();
      os::ClearSteps();
      // Stops where it wakes the other process, after it released the latch.
      os::Sys().futex = [](uint32_t* word, int op, uint32_t value,
                           const timespec* timeout) {
        os::Sys().futex = os::RealSyscalls().futex;
        line->Say("is out of the latch");
        line->Hear();
        return os::RealSyscalls().futex(word, op, value, timeout);
      };
    });
    FileOptions options;
    options.create = true;
    options.page_size = 1024;
    auto file = *env->OpenFile("medium.db", options);
    EXPECT_THAT(PutText(*file, 0, "put"), IsOk());
    parent.Say("put");
    parent.Hear();
    return "done";
  });
  ASSERT_EQ(medium.Hear(), "has replaced the table");
  small.Say("open");
  ASSERT_EQ(small.Hear(), "waiting");
  medium.Say("go on");
  ASSERT_EQ(medium.Hear(), "is out of the latch");
  std::string heard = "waiting";
  while (heard == "waiting") heard = small.Hear();
  ASSERT_EQ(heard, "open: OK");
  medium.Say("go on");
  ASSERT_EQ(medium.Hear(), "put");
  reader.Say("read");
  EXPECT_EQ(reader.End(), "put");
  medium.Say("end");
  small.Say("end");
  EXPECT_EQ(medium.End(), "done");
  EXPECT_EQ(small.End(), "done");
}

TEST_F(FirstFileTest, ResizerWithoutFileUsesCurrentTable) {
  Child reader([&](Channel& parent) -> std::string {
    parent.Hear();
    ::alarm(60);
    auto both = *OpenBoth(home_.path(), SmallEnv(), "small.db", 512);
    FillPages(*both.file, 2048, "page ");
    EXPECT_THAT(both.file->Sync(), IsOk());
    parent.Say("full");
    parent.Hear();
    ExpectPages(*both.file, 2048, "page ");
    return both.Close().ToString();
  });
  // This process knows the old table.
  auto env = *DbEnv::Open(home_.path(), SmallEnv());
  reader.Say("fill");
  ASSERT_EQ(reader.Hear(), "full");
  EXPECT_THAT(env->Resize(256 << 10), IsOk());
  reader.Say("read");
  EXPECT_EQ(reader.End(), "OK");
}

// A process dies while it cuts the first extent for large pages. The extent
// holds small pages at the end.
TEST_F(FirstFileTest, DeadCuttersExtentServesOtherPages) {
  for (const char* step : {"mpool.extent.used", "mpool.extent.cut"}) {
    const TempHome home;
    auto small = *OpenBoth(home.path(), SmallEnv(), "small.db", 512);
    EXPECT_EQ(test::InChild([&]() -> std::string {
                auto large = *OpenBoth(home.path(), SmallEnv(), "large.db");
                os::KillAtStep(step, 1);
                return PutText(*large.file, 0, "x").ToString();
              }),
              test::kKilled);
    auto large = *OpenBoth(home.path(), SmallEnv(), "large.db");
    for (PageNo page = 0; page < 130; ++page) {
      ASSERT_THAT(PutText(*small.file, page, "small"), IsOk());
    }
    for (PageNo page = 0; page < 40; ++page) {
      ASSERT_THAT(PutText(*large.file, page, "large"), IsOk());
    }
    for (PageNo page = 0; page < 130; ++page) {
      ASSERT_EQ(GetText(*small.file, page), "small") << step << page;
    }
    EXPECT_THAT(small.Close(), IsOk());
    EXPECT_THAT(large.Close(), IsOk());
  }
}

}  // namespace
}  // namespace mpool
