// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// threads_test.cc - several threads on one attachment in one process, for
// ThreadSanitizer.

#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/pool/support.h"
#include "tests/support/policies.h"

namespace mpool::pooltest {
namespace {

constexpr uint32_t kPage = 512;
constexpr PageNo kPages = 60;
constexpr int kThreads = 4;

class ThreadsTest : public ::testing::TestWithParam<Policy> {
 protected:
  ~ThreadsTest() override {
    static_cast<void>(DbEnv::Remove(dir_.path(), /*force=*/true));
  }

  void Work(DbEnv& env, MPoolFile& file, uint64_t seed) {
    std::mt19937_64 random(seed);
    const uint64_t calls = Rounds(1) * 1500;
    for (uint64_t i = 0; i < calls; ++i) {
      const PageNo page = random() % kPages;
      const uint64_t what = random() % 100;
      if (what < 60) {
        const ReadPage got = Must(file.Get(page), "get");
        Check(got.data(), page);
        ++gets_;
      } else if (what < 90) {
        WritePage got = Must(file.GetForUpdate(page), "update");
        ++gets_;
        Check(got.data(), page);
        const uint64_t version = table_.at(0, page).started.load() + 1;
        table_.at(0, page).started.store(version);
        Fill(got.data(), 0, page, version);
      } else if (what < 95) {
        std::thread([&] {
          const ReadPage got = Must(file.Get(page), "get in a short thread");
          ++gets_;
        }).join();
      } else if (what < 98) {
        Must(file.Sync(), "sync");
      } else {
        auto handle = Must(
            env.OpenFile("f", {.page_size = kPage}), "open once more");
        Must(handle->Close(), "close one");
      }
    }
  }

  void Check(std::span<const std::byte> data, PageNo page) const {
    EXPECT_EQ(Must(Read(data, 0, page), "page"),
              table_.at(0, page).started.load());
  }

  os::TempDir dir_;
  Table table_;
  std::atomic<uint64_t> gets_{0};
};

TEST_P(ThreadsTest, HalfDoneChangesAreInvisible) {
  SCOPED_TRACE(absl::StrCat("MPOOL_SEED=", Seed()));
  MakeFile(dir_.Below("f"), 0, kPage, kPages, table_);
  EnvOptions options;
  options.cache_bytes = 32 * kPage;
  options.policy = GetParam();
  auto env = Must(DbEnv::Open(dir_.path(), options), "open");
  auto file = Must(env->OpenFile("f", {.page_size = kPage}), "file");
  std::vector<std::thread> threads;
  for (uint64_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] { Work(*env, *file, Seed() + i); });
  }
  for (std::thread& thread : threads) thread.join();
  const EnvStats stats = env->Stats();
  EXPECT_EQ(stats.hits + stats.misses, gets_.load());
  EXPECT_EQ(stats.threads, 1u) << "a thread that ended left its slot";
  {
    Insides insides(dir_.path());
    EXPECT_EQ(AtRest(insides.pool()), "");
  }
  Must(file->Close(), "close file");
  Must(env->Close(), "close");
  for (PageNo page = 0; page < kPages; ++page) {
    table_.at(0, page).put.store(table_.at(0, page).started.load());
  }
  EXPECT_EQ(CheckFile(dir_.Below("f"), 0, kPage, table_), "");
}

INSTANTIATE_TEST_SUITE_P(Policies, ThreadsTest,
                         test::EveryPolicy(), test::PolicyParam);

}  // namespace
}  // namespace mpool::pooltest
