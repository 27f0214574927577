// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// stress_test.cc - many processes and threads on one file, in caches of few
// frames, with a table of versions outside the pool.

#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/pool/kill_scenes.h"
#include "tests/support/policies.h"

namespace mpool::pooltest {
namespace {

struct Load {
  Policy policy;
  uint32_t page_bytes;
  uint32_t frames;
  int processes;
  int threads;
};

std::string Name(const Load& load) {
  return absl::StrCat(test::PolicyTestName(load.policy), "Pages",
                      load.page_bytes, "Frames", load.frames, "Processes",
                      load.processes, "Threads", load.threads);
}

std::vector<Load> Loads() {
  std::vector<Load> loads;
  int i = 0;
  for (const uint32_t frames : {16u, 64u, 1024u}) {
    for (const int processes : {1, 2, 4, 8}) {
      for (const Policy policy : internal::BuiltPolicies()) {
        constexpr uint32_t kSizes[] = {512, 4096, 16384, 65536};
        // Every thread may hold two pages, and each needs a frame.
        const int threads = processes == 8 && frames == 16 ? 1 : 1 + i % 2;
#ifdef __SANITIZE_THREAD__
        // ThreadSanitizer does not see an order through another process, such
        // as: a reader here, a writer there that waited for the reader, a
        // writer here.
        loads.push_back(
            {policy, kSizes[i++ % 4], frames, 1, processes * threads});
#else
        loads.push_back(
            {policy, kSizes[i++ % 4], frames, processes, threads});
#endif
      }
      ++i;
    }
  }
  return loads;
}

class StressTest : public os::SyscallTest,
                   public ::testing::WithParamInterface<Load> {
 protected:
  StressTest() { WithoutFsync(); }
  ~StressTest() override {
    static_cast<void>(DbEnv::Remove(dir_.path(), /*force=*/true));
  }

  PageNo pages() const { return GetParam().frames * 3 / 2 + 8; }

  void Process(uint64_t seed) {
    Watchdog(120);
    EnvOptions options;
    options.cache_bytes = uint64_t{GetParam().frames} * GetParam().page_bytes;
    options.policy = GetParam().policy;
    auto env = Must(DbEnv::Open(dir_.path(), options), "open");
    auto file = Must(
        env->OpenFile("f", {.page_size = GetParam().page_bytes}), "file");
    std::vector<std::thread> threads;
    for (int i = 1; i < GetParam().threads; ++i) {
      threads.emplace_back([&, i] {
        Thread(*env, *file, seed + static_cast<uint64_t>(i));
      });
    }
    Thread(*env, *file, seed);
    for (std::thread& thread : threads) thread.join();
    Must(file->Close(), "close file");
    Must(env->Close(), "close");
  }

  void Thread(DbEnv& env, MPoolFile& file, uint64_t seed) {
    std::mt19937_64 random(seed);
    // Larger pages cost more to check, but not more to hold.
    const uint64_t operations =
        Rounds(1) * (GetParam().page_bytes > 4096 ? 250 : 800);
    for (uint64_t i = 0; i < operations; ++i) {
      const PageNo page = random() % pages();
      const uint64_t what = random() % 100;
      if (what < 55) {
        const ReadPage got = Must(file.Get(page), "get");
        Expect(got.data(), page);
      } else if (what < 80) {
        Change(Must(file.GetForUpdate(page), "update"));
      } else if (what < 90) {
        Pair(file, page, random() % pages());
      } else if (what < 95) {
        Must(file.Get(page, {.latch = Latch::kNone, .scan = true}), "pin");
      } else if (what < 98) {
        // Other calls may get a page that another thread's New has just
        // counted.
        if (file.page_count() < Table::kPages - 16) {
          Change(Must(file.New(), "new"));
        }
      } else if (what < 99) {
        Must(file.Sync(), "sync");
      } else {
        Must(env.Sync(), "sync all");
      }
    }
  }

  // Gets the second page without waiting, because a holder must not wait.
  void Pair(MPoolFile& file, PageNo first, PageNo second) {
    const ReadPage got = Must(file.Get(first), "first of a pair");
    Expect(got.data(), first);
    const absl::StatusOr<ReadPage> other =
        file.Get(second, {.wait = absl::ZeroDuration()});
    if (absl::IsDeadlineExceeded(other.status()) ||
        absl::IsResourceExhausted(other.status())) {
      return;
    }
    Must(other.status(), "second of a pair");
    Expect(other->data(), second);
    const ReadPage again = Must(file.Get(first), "first again");
    Expect(again.data(), first);
  }

  // REQUIRES: the page is held.
  void Expect(std::span<const std::byte> data, PageNo page) const {
    const uint64_t version = Must(Read(data, 0, page), "page");
    const uint64_t known = table_.at(0, page).started.load();
    if (version == known) return;
    Must(absl::InternalError(absl::StrCat("version ", version, " and not ",
                                          known)),
         absl::StrCat("page ", page));
  }

  void Change(WritePage page) const {
    const PageNo number = page.number();
    Expect(page.data(), number);
    const uint64_t version = table_.at(0, number).started.load() + 1;
    table_.at(0, number).started.store(version);
    Fill(page.data(), 0, number, version);
    page.Put();
    table_.Returned(0, number, version);
  }

  os::TempDir dir_;
  Table table_;
};

TEST_P(StressTest, PagesEqualTheirLastPut) {
  SCOPED_TRACE(absl::StrCat("MPOOL_SEED=", Seed()));
  MakeFile(dir_.Below("f"), 0, GetParam().page_bytes, pages(), table_);
  std::vector<std::unique_ptr<os::Child>> children;
  for (int i = 0; i < GetParam().processes; ++i) {
    children.push_back(std::make_unique<os::Child>(
        [&, i] { Process(Seed() + static_cast<uint64_t>(i) * 100); }));
  }
  for (auto& child : children) ASSERT_EQ(child->Wait(), 0);
  EXPECT_EQ(CheckFile(dir_.Below("f"), 0, GetParam().page_bytes, table_), "");
  EnvOptions options;
  options.create = false;
  auto env = Must(DbEnv::Open(dir_.path(), options), "open again");
  {
    Insides insides(dir_.path());
    EXPECT_EQ(AtRest(insides.pool()), "");
  }
  const EnvStats stats = env->Stats();
  EXPECT_EQ(stats.frames_dirty + stats.frames_poisoned, 0u);
  EXPECT_EQ(stats.repairs, 0u) << "a living process was taken for dead";
  Must(env->Close(), "close");
}

INSTANTIATE_TEST_SUITE_P(
    Loads, StressTest, ::testing::ValuesIn(Loads()),
    [](const auto& load) { return Name(load.param); });

}  // namespace
}  // namespace mpool::pooltest
