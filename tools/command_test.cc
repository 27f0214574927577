// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/command.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/test_command.h"
#include "tools/trace/test_dir.h"
#include "tools/verbs/verbs.h"

namespace mpool::tools {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

TEST(CommandTest, VersionIsPrinted) {
  const Ran ran = RunMpool({"--version"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_THAT(ran.out, StartsWith("mpool "));
}

TEST(CommandTest, HelpListsEveryVerb) {
  for (const char* help : {"help", "--help", "-h"}) {
    const Ran ran = RunMpool({help});
    EXPECT_EQ(ran.code, 0);
    for (const VerbSpec* const verb : AllVerbs()) {
      EXPECT_THAT(ran.out, HasSubstr("mpool " + std::string(verb->name)));
    }
    EXPECT_EQ(ran.err, "");
  }
}

TEST(CommandTest, BothHelpsOfAVerbAreEqual) {
  const Ran ran = RunMpool({"help", "stat"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_THAT(ran.out, StartsWith("mpool stat HOME"));
  EXPECT_EQ(RunMpool({"stat", "--help"}).out, ran.out);
  EXPECT_EQ(RunMpool({"help", "nonsense"}).code, 2);
}

TEST(CommandTest, MissingOrUnknownVerbIsUsageError) {
  EXPECT_EQ(RunMpool({}).code, 2);
  const Ran ran = RunMpool({"reply"});
  EXPECT_EQ(ran.code, 2);
  EXPECT_THAT(ran.err, HasSubstr("unknown verb \"reply\""));
  EXPECT_EQ(ran.out, "");
}

TEST(CommandTest, ErrorsEscapeControlCharacters) {
  for (const Ran& ran : {RunMpool({"a\x1b[2J\nb"}),
                         RunMpool({"stat", "/a\x1b[2J\nb"}),
                         RunMpool({"stat", "/", "--a\x1b[2J\nb"})}) {
    EXPECT_NE(ran.code, 0);
    EXPECT_THAT(ran.err, HasSubstr(R"(a\x1b[2J\nb)"));
    EXPECT_THAT(ran.err, Not(HasSubstr("\x1b")));
  }
}

TEST(CommandTest, WrongWordsAreUsageErrors) {
  const TestDir dir;
  const std::string trace = dir.Write("t.pt", "1\n");
  const std::vector<std::vector<std::string>> wrong = {
      {"simulate"},
      {"simulate", trace, "--policy", "mru"},
      {"simulate", trace, "--cache-frames", "0"},
      {"simulate", trace, "--processes", "2"},
      {"replay"},
      {"replay", trace, "--policy", "opt"},
      {"replay", trace, "--cache-frames", "15"},
      {"replay", trace, "--cache-frames", "64", "--cache-percent", "5"},
      {"replay", trace, "--processes", "0"},
      {"replay", trace, "--threads", "x"},
      {"replay", trace, "--page-size", "3000"},
      {"replay", trace, "--page-size", "256"},
      {"replay", trace, "--write-percent", "101"},
      {"replay", trace, "--seed", "-1"},
      {"replay", trace, "--backing", "tape"},
      {"replay", trace, "--backing", "heap", "--processes", "2"},
      {"replay", trace, "--backing", "anonymous", "--processes", "2"},
      {"replay", trace, "--bench-json", "b.json"},
      {"replay", trace, "--kill", "0"},
      {"replay", trace, "--kill", "255"},
      {"replay", trace, "--kill", "1", "--backing", "heap"},
      {"stat"},
      {"stat", "a", "b"},
      {"stat", "a", "--force"},
      {"remove"},
      {"remove", "a", "b"},
      {"resize", "a"},
      {"resize", "a", "many"},
      {"resize", "a", "-1"},
      {"resize", "a", "65536", "b"},
  };
  for (const std::vector<std::string>& words : wrong) {
    const Ran ran = RunMpool(words);
    EXPECT_EQ(ran.code, 2) << testing::PrintToString(words);
    EXPECT_EQ(ran.out, "");
    EXPECT_THAT(ran.err, HasSubstr("mpool help " + words[0]));
  }
}

TEST(CommandTest, MissingOrDamagedTraceCannotBeOpened) {
  const TestDir dir;
  const std::string bad = dir.Write("bad.pt", "1\nx\n");
  for (const char* verb : {"simulate", "replay"}) {
    const Ran missing = RunMpool({verb, dir.File("none.pt.gz")});
    EXPECT_EQ(missing.code, 3);
    EXPECT_THAT(missing.err, HasSubstr("none.pt.gz"));
    const Ran damaged = RunMpool({verb, bad});
    EXPECT_EQ(damaged.code, 3);
    EXPECT_THAT(damaged.err, HasSubstr("bad.pt:2: "));
    EXPECT_EQ(damaged.out, "");
  }
}

}  // namespace
}  // namespace mpool::tools
