// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// resize_test.cc - a cache that is resized repeatedly while four processes use
// pages of two sizes, with a table of versions outside the pool.

#include <sys/stat.h>

#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/pool/kill_scenes.h"
#include "tests/support/temp_home.h"

namespace mpool::pooltest {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr int kProcesses = 4;
constexpr uint32_t kFiles = 2;
constexpr uint32_t kPageSizes[kFiles] = {4096, 16384};
// 96 MiB and 32 MiB.
constexpr PageNo kPages[kFiles] = {24576, 2048};

struct Board {
  // The number of changes of a page. Only its writer increments it.
  std::atomic<uint64_t> versions[kFiles][24576];
  std::atomic<uint64_t> operations;
  std::atomic<bool> stop;
};

struct Stamp {
  uint64_t file;
  uint64_t page;
  uint64_t version;
  uint64_t sum() const { return file * 7 + page * 1000003 + version * 31; }
};

// Writes a stamp at both ends and in the middle of the page.
void Write(std::span<std::byte> data, const Stamp& stamp) {
  const uint64_t words[4] = {stamp.file, stamp.page, stamp.version,
                             stamp.sum()};
  for (const size_t at : {size_t{0}, data.size() / 2,
                          data.size() - sizeof(words)}) {
    std::memcpy(data.data() + at, words, sizeof(words));
  }
}

// Returns the version, or nothing if the page is torn or is another page.
std::optional<uint64_t> VersionOf(std::span<const std::byte> data,
                                  uint64_t file, uint64_t page) {
  uint64_t words[3][4];
  const size_t ats[] = {0, data.size() / 2, data.size() - sizeof(words[0])};
  for (int i = 0; i < 3; ++i) {
    std::memcpy(words[i], data.data() + ats[i], sizeof(words[i]));
  }
  const Stamp stamp{words[0][0], words[0][1], words[0][2]};
  const bool whole = std::memcmp(words[0], words[1], 32) == 0 &&
                     std::memcmp(words[0], words[2], 32) == 0;
  if (!whole || stamp.file != file || stamp.page != page ||
      words[0][3] != stamp.sum()) {
    return std::nullopt;
  }
  return stamp.version;
}

class ResizeLoadTest : public os::SyscallTest {
 protected:
  ResizeLoadTest() { WithoutFsync(); }
  ~ResizeLoadTest() override {
    static_cast<void>(DbEnv::Remove(dir_.path(), /*force=*/true));
  }

  static EnvOptions Options() {
    EnvOptions options;
    options.cache_bytes = 32 * kMiB;
    options.max_cache_bytes = 256 * kMiB;
    options.huge_pages = false;
    return options;
  }
  struct Attached {
    std::unique_ptr<DbEnv> env;
    std::unique_ptr<MPoolFile> files[kFiles];
  };
  Attached Attach() const {
    Attached all;
    all.env = Must(DbEnv::Open(dir_.path(), Options()), "open");
    for (uint32_t file = 0; file < kFiles; ++file) {
      all.files[file] =
          Must(all.env->OpenFile(absl::StrCat("f", file),
                                 {.page_size = kPageSizes[file],
                                  .create = true}),
               "file");
    }
    return all;
  }
  void MakePages(Attached& all) {
    for (uint32_t file = 0; file < kFiles; ++file) {
      for (PageNo page = 0; page < kPages[file]; ++page) {
        WritePage got = Must(
            all.files[file]->GetForUpdate(page, {.create = true}), "make");
        Write(got.data(), {file, page, 0});
        got.Put();
      }
    }
  }

  void One(Attached& all, std::mt19937_64& random) {
    const auto file = static_cast<uint32_t>(random() % kFiles);
    const PageNo page = random() % kPages[file];
    std::atomic<uint64_t>& version = board_->versions[file][page];
    auto check = [&](std::span<const std::byte> data, uint64_t least,
                     uint64_t most) {
      const std::optional<uint64_t> seen = VersionOf(data, file, page);
      if (seen.has_value() && least <= *seen && *seen <= most) return;
      Must(absl::InternalError(absl::StrCat(
               "version ", seen.value_or(999999), ", not from ", least, " to ",
               most)),
           absl::StrCat("page ", page, " of file ", file));
    };
    if (random() % 4 == 0) {
      WritePage got = Must(all.files[file]->GetForUpdate(page), "update");
      const uint64_t now = version.load();
      check(got.data(), now, now);
      Write(got.data(), {file, page, now + 1});
      version.store(now + 1);
      got.Put();
    } else {
      const ReadPage got = Must(all.files[file]->Get(page), "get");
      const uint64_t now = version.load();
      check(got.data(), now, now);
    }
    board_->operations.fetch_add(1);
  }

  void Work(uint64_t seed) {
    Watchdog(280);
    std::mt19937_64 random(seed);
    Attached all = Attach();
    while (!board_->stop.load()) One(all, random);
    for (auto& file : all.files) Must(file->Close(), "close file");
    Must(all.env->Close(), "close");
  }

  // Returns the bytes of the region that are in memory.
  uint64_t Resident() const {
    struct stat info = {};
    const auto segments = test::SegmentsOf(dir_.path());
    EXPECT_EQ(segments.size(), 1u);
    EXPECT_EQ(::stat(("/dev/shm/" + segments.at(0)).c_str(), &info), 0);
    return static_cast<uint64_t>(info.st_blocks) * 512;
  }

  os::TempDir dir_;
  os::SharedMemory<Board> board_;
};

// The size of the region without pages: the hash table of the largest cache,
// the headers of the largest size so far, and the parts of a small region.
constexpr uint64_t kTables =
    256 * kMiB / 4096 * 64 / 3 + 256 * kMiB / 4096 * 64 + kMiB;

TEST_F(ResizeLoadTest, FiftyResizesUnderFourProcessesLoseNothing) {
  Attached all = Attach();
  MakePages(all);
  std::vector<std::unique_ptr<os::Child>> crew;
  for (uint64_t i = 0; i < kProcesses; ++i) {
    crew.push_back(std::make_unique<os::Child>([&, i] { Work(Seed() + i); }));
  }
  uint64_t largest = 0;
#ifdef MPOOL_STEPS
  const uint64_t rounds = Rounds(10);  // the plain build runs all rounds
#else
  const uint64_t rounds = Rounds(50);
#endif
  for (uint64_t round = 0; round < rounds; ++round) {
    for (const uint64_t mib : {32u, 256u, 16u}) {
      // Pages are held for a moment only.
      Must(all.env->Resize(mib * kMiB), absl::StrCat("resize to ", mib));
      const uint64_t until = board_->operations.load() + 300;
      while (mib != 16 && board_->operations.load() < until) {
        std::this_thread::yield();
      }
    }
    const EnvStats stats = all.env->Stats();
    ASSERT_EQ(stats.cache_bytes, 16 * kMiB);
    ASSERT_EQ(stats.backed_bytes, 16 * kMiB);
    largest = std::max(largest, Resident());
    ASSERT_LE(Resident(), 16 * kMiB * 105 / 100 + kTables) << round;
  }
  board_->stop.store(true);
  for (auto& child : crew) EXPECT_EQ(child->Wait(), 0);
  std::printf("%lu operations, at most %.2f MiB resident at 16 MiB\n",
              static_cast<unsigned long>(board_->operations.load()),
              static_cast<double>(largest) / kMiB);
  for (uint32_t file = 0; file < kFiles; ++file) {
    for (PageNo page = 0; page < kPages[file]; ++page) {
      const ReadPage got = Must(all.files[file]->Get(page), "last look");
      ASSERT_EQ(VersionOf(got.data(), file, page),
                board_->versions[file][page].load());
    }
  }
  for (auto& file : all.files) Must(file->Close(), "close file");
  Must(all.env->Close(), "close");
}

}  // namespace
}  // namespace mpool::pooltest
