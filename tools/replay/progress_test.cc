// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/replay/progress.h"

#include <sstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mpool::tools {
namespace {

TEST(ProgressTest, LineShowsTheDoneShare) {
  EXPECT_EQ(ProgressLine("t", 50, 100, false),
            "t  [###############---------------] 50 %");
  EXPECT_EQ(ProgressLine("t", 200, 100, false),
            "t  [##############################] 100 %");
  EXPECT_EQ(ProgressLine("t", 0, 0, false),
            "t  [------------------------------] 0 %");
}

TEST(ProgressTest, LineHasColorOnlyOnRequest) {
  EXPECT_EQ(ProgressLine("t", 1, 2, false).find('\033'), std::string::npos);
  EXPECT_NE(ProgressLine("t", 1, 2, true).find('\033'), std::string::npos);
}

TEST(ProgressTest, WithoutTerminalNothingIsWritten) {
  std::ostringstream out;
  {
    Progress progress(Terminal{}, out);
    progress.Show("t", 1, 2);
  }
  EXPECT_EQ(out.str(), "");
}

TEST(ProgressTest, LineIsClearedAtTheEnd) {
  std::ostringstream out;
  {
    Progress progress(Terminal{.show_progress = true}, out);
    progress.Show("t", 1, 2);
  }
  EXPECT_THAT(out.str(), testing::EndsWith("\r\033[K"));
}

}  // namespace
}  // namespace mpool::tools
