// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/trace/trace.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/trace/test_dir.h"

namespace mpool::tools {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;

class TraceTest : public testing::Test {
 protected:
  // Returns the error message of reading `bytes` as a plain file.
  std::string ErrorOf(const std::string& bytes) {
    const absl::StatusOr<Trace> trace = ReadTrace(dir_.Write("bad.pt", bytes));
    EXPECT_TRUE(absl::IsDataLoss(trace.status())) << trace.status();
    return std::string(trace.status().message());
  }

  TestDir dir_;
};

TEST_F(TraceTest, PagesAreNumberedByRank) {
  const absl::StatusOr<Trace> trace = ReadTrace(
      dir_.WriteGz("a.pt.gz", "1000\n7\n18446744073709551615\n7\n0\n1000\n"));
  ASSERT_TRUE(trace.ok()) << trace.status();
  EXPECT_THAT(trace->pages, ElementsAre(2, 1, 3, 1, 0, 2));
  EXPECT_EQ(trace->page_count, 4u);
  EXPECT_EQ(trace->dirty_count, 0u);
}

TEST_F(TraceTest, CommentLinesAreSkipped) {
  const absl::StatusOr<Trace> trace =
      ReadTrace(dir_.WriteGz("a.pt.gz", "# head\n5\n# 6\n#\n7\n# tail\n"));
  ASSERT_TRUE(trace.ok()) << trace.status();
  EXPECT_THAT(trace->pages, ElementsAre(0, 1));
}

TEST_F(TraceTest, LetterWMarksWrites) {
  const absl::StatusOr<Trace> trace =
      ReadTrace(dir_.WriteGz("a.pt.gz", "1 w\n1\n2\n2 w\n"));
  ASSERT_TRUE(trace.ok()) << trace.status();
  EXPECT_THAT(trace->dirties, ElementsAre(true, false, false, true));
  EXPECT_EQ(trace->dirty_count, 2u);
}

TEST_F(TraceTest, PlainTextIsReadLikeGzip) {
  const absl::StatusOr<Trace> trace = ReadTrace(dir_.Write("a.pt", "3\n4 w\n"));
  ASSERT_TRUE(trace.ok()) << trace.status();
  EXPECT_THAT(trace->pages, ElementsAre(0, 1));
}

TEST_F(TraceTest, LastLineNeedsNoNewline) {
  const absl::StatusOr<Trace> trace = ReadTrace(dir_.WriteGz("a.gz", "3\n4 w"));
  ASSERT_TRUE(trace.ok()) << trace.status();
  EXPECT_THAT(trace->dirties, ElementsAre(false, true));
}

TEST_F(TraceTest, LinesMayCrossReadBuffers) {
  std::string text;
  for (int i = 0; i < 200000; ++i) text += std::to_string(i % 1000) + "\n";
  const absl::StatusOr<Trace> trace =
      ReadTrace(dir_.WriteGz("long.pt.gz", text));
  ASSERT_TRUE(trace.ok()) << trace.status();
  ASSERT_EQ(trace->pages.size(), 200000u);
  EXPECT_EQ(trace->page_count, 1000u);
  for (uint32_t i = 0; i < 200000; ++i) ASSERT_EQ(trace->pages[i], i % 1000);
}

TEST_F(TraceTest, NameIsTheFileNameWithoutExtensions) {
  EXPECT_EQ(TraceName("/a.b/sqlite-tpcc.pt.gz"), "sqlite-tpcc");
  EXPECT_EQ(TraceName("oltp.pt.gz"), "oltp");
  EXPECT_EQ(TraceName("x/plain.pt"), "plain");
  EXPECT_EQ(TraceName("v1.2"), "v1.2");
}

TEST_F(TraceTest, MalformedLineIsNamedInTheError) {
  EXPECT_THAT(ErrorOf("1\n# c\nseven\n"), HasSubstr("bad.pt:3: "));
  EXPECT_THAT(ErrorOf("1\n\n2\n"), HasSubstr("bad.pt:2: empty line"));
  EXPECT_THAT(ErrorOf("1\n2\n3 x\n"), HasSubstr("bad.pt:3: unexpected text"));
  EXPECT_THAT(ErrorOf("1 w \n"), HasSubstr("bad.pt:1: unexpected text"));
  EXPECT_THAT(ErrorOf("12 13\n"), HasSubstr("\"12 13\""));
  EXPECT_THAT(ErrorOf(" 1\n"), HasSubstr("no page number"));
  EXPECT_THAT(ErrorOf("-1\n"), HasSubstr("no page number"));
  EXPECT_THAT(ErrorOf("1\r\n"), HasSubstr("unexpected text"));
  EXPECT_THAT(ErrorOf("1\nx"), HasSubstr("bad.pt:2: "));
}

TEST_F(TraceTest, PageNumberPast64BitsIsAnError) {
  EXPECT_THAT(ErrorOf("18446744073709551615\n18446744073709551616\n"),
              HasSubstr("bad.pt:2: page number is 2^64 or more"));
}

TEST_F(TraceTest, TraceWithoutReferencesIsAnError) {
  EXPECT_THAT(ErrorOf(""), EndsWith("holds no references"));
  EXPECT_THAT(ErrorOf("# only this\n"), EndsWith("holds no references"));
}

TEST_F(TraceTest, TruncationAtAnyByteIsFound) {
  std::string text;
  for (int i = 0; i < 300; ++i) text += std::to_string(i * 7919) + "\n";
  dir_.WriteGz("whole.pt.gz", text);
  const std::string whole = dir_.Read("whole.pt.gz");
  ASSERT_GT(whole.size(), 100u);
  for (size_t size = 0; size < whole.size(); ++size) {
    const absl::StatusOr<Trace> trace =
        ReadTrace(dir_.Write("cut.pt.gz", whole.substr(0, size)));
    ASSERT_TRUE(absl::IsDataLoss(trace.status()))
        << size << " bytes: " << trace.status();
  }
}

TEST_F(TraceTest, TruncationErrorNamesFileAndLine) {
  dir_.WriteGz("whole.pt.gz", "1\n2\n3\n");
  const std::string whole = dir_.Read("whole.pt.gz");
  const absl::StatusOr<Trace> trace =
      ReadTrace(dir_.Write("cut.pt.gz", whole.substr(0, whole.size() - 4)));
  EXPECT_THAT(std::string(trace.status().message()),
              HasSubstr("cut.pt.gz:4: file is cut short"));
}

TEST_F(TraceTest, DamagedStreamIsFound) {
  dir_.WriteGz("whole.pt.gz", "1\n2\n3\n4\n5\n");
  std::string bytes = dir_.Read("whole.pt.gz");
  bytes[bytes.size() - 7] = static_cast<char>(~bytes[bytes.size() - 7]);
  const absl::StatusOr<Trace> trace =
      ReadTrace(dir_.Write("damaged.pt.gz", bytes));
  ASSERT_TRUE(absl::IsDataLoss(trace.status())) << trace.status();
  EXPECT_THAT(std::string(trace.status().message()), HasSubstr("damaged"));
}

TEST_F(TraceTest, MissingFileIsNotFound) {
  const absl::StatusOr<Trace> trace = ReadTrace(dir_.File("none.pt.gz"));
  EXPECT_TRUE(absl::IsNotFound(trace.status())) << trace.status();
  EXPECT_THAT(std::string(trace.status().message()), HasSubstr("none.pt.gz"));
}

TEST_F(TraceTest, DirectoryIsAnError) {
  EXPECT_FALSE(ReadTrace(dir_.path()).ok());
}

TEST_F(TraceTest, ReadTracesStopsAtTheFirstError) {
  const std::string good = dir_.Write("good.pt", "1\n");
  EXPECT_TRUE(ReadTraces({good, good}).ok());
  EXPECT_TRUE(
      absl::IsNotFound(ReadTraces({good, dir_.File("none.pt")}).status()));
}

}  // namespace
}  // namespace mpool::tools
