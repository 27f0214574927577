// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/replay/page_file.h"

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/replay/page_content.h"
#include "tools/trace/test_dir.h"

namespace mpool::tools {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class PageFileTest : public testing::Test {
 protected:
  std::unique_ptr<PageFile> Make(bool self_describing) {
    absl::StatusOr<std::unique_ptr<PageFile>> file =
        PageFile::Make(dir_.path(), {.name = "t.db",
                                     .page_count = 300,
                                     .page_size = 8192,
                                     .self_describing = self_describing});
    EXPECT_TRUE(file.ok()) << file.status();
    return *std::move(file);
  }

  std::vector<uint64_t> WrongPages(
      const PageFile& file,
      const std::function<uint32_t(uint64_t)>& version_of) {
    std::vector<uint64_t> wrong;
    EXPECT_TRUE(file.CheckAll(version_of,
                              [&](uint64_t page, const std::string&) {
                                wrong.push_back(page);
                              })
                    .ok());
    return wrong;
  }

  // Writes the page as another program would.
  void WritePageAt(const PageFile& file, uint64_t at,
                   const PageIdentity& identity) {
    std::vector<std::byte> bytes(file.shape().page_size);
    FillPage(identity, bytes);
    std::fstream stream(dir_.File("t.db"),
                        std::ios::in | std::ios::out | std::ios::binary);
    stream.seekp(static_cast<std::streamoff>(at * bytes.size()));
    stream.write(reinterpret_cast<const char*>(bytes.data()),
                 static_cast<std::streamsize>(bytes.size()));
  }

  TestDir dir_;
};

TEST_F(PageFileTest, NewFileIsWholeAtVersionZero) {
  const std::unique_ptr<PageFile> file = Make(true);
  EXPECT_EQ(std::filesystem::file_size(dir_.File("t.db")), 300u * 8192);
  EXPECT_THAT(WrongPages(*file, [](uint64_t) { return 0u; }), IsEmpty());
}

TEST_F(PageFileTest, LostAndMisdirectedWritesAreFound) {
  const std::unique_ptr<PageFile> file = Make(true);
  WritePageAt(*file, 299, {file->file_hash(), 299, 1});
  WritePageAt(*file, 5, {file->file_hash(), 6, 0});
  WritePageAt(*file, 7, {HashName("other.db"), 7, 0});
  EXPECT_THAT(WrongPages(*file, [](uint64_t) { return 0u; }),
              ElementsAre(5, 7, 299));
  EXPECT_THAT(WrongPages(*file,
                         [](uint64_t page) {
                           return page == 299 || page == 100 ? 1u : 0u;
                         }),
              ElementsAre(5, 7, 100));
}

TEST_F(PageFileTest, RewriteResetsEveryPage) {
  const std::unique_ptr<PageFile> file = Make(true);
  WritePageAt(*file, 12, {file->file_hash(), 12, 9});
  ASSERT_TRUE(file->Rewrite().ok());
  EXPECT_THAT(WrongPages(*file, [](uint64_t) { return 0u; }), IsEmpty());
}

TEST_F(PageFileTest, PagesBeyondTheEndAreWrong) {
  const std::unique_ptr<PageFile> file = Make(true);
  std::filesystem::resize_file(dir_.File("t.db"), 298 * 8192 + 100);
  EXPECT_THAT(WrongPages(*file, [](uint64_t) { return 0u; }),
              ElementsAre(298, 299));
}

TEST_F(PageFileTest, UndescribedFileIsOneHole) {
  const std::unique_ptr<PageFile> file = Make(false);
  EXPECT_EQ(std::filesystem::file_size(dir_.File("t.db")), 300u * 8192);
}

TEST_F(PageFileTest, ExistingFileIsNotChanged) {
  dir_.Write("t.db", "precious");
  const absl::StatusOr<std::unique_ptr<PageFile>> file = PageFile::Make(
      dir_.path(), {.name = "t.db", .page_count = 1, .page_size = 512});
  EXPECT_TRUE(absl::IsAlreadyExists(file.status())) << file.status();
  EXPECT_EQ(dir_.Read("t.db"), "precious");
}

TEST_F(PageFileTest, FileIsRemovedByTheDestructor) {
  Make(true).reset();
  EXPECT_TRUE(dir_.IsEmpty());
}

}  // namespace
}  // namespace mpool::tools
