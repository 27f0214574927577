// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// misses_test.cc - a page is read once however many threads miss it, every read
// is counted, and the victim is the page that the policy chooses.

#include <algorithm>
#include <list>

#include "absl/strings/str_cat.h"
#include "os/clock.h"
#include "tests/pool/kill_scenes.h"

namespace mpool::pooltest {
namespace {

using ::testing::HasSubstr;

constexpr uint32_t kPage = 4096;

struct Seen {
  std::atomic<uint64_t> reads;
  std::atomic<uint64_t> gets;
  std::atomic<uint32_t> arrived;
};
Seen* seen = nullptr;
absl::Duration delay;

// Counts the reads of pages and delays them.
ssize_t SlowPread(int fd, void* data, size_t size, off_t offset) {
  if (size == kPage) {
    seen->reads.fetch_add(1);
    if (delay != absl::ZeroDuration()) os::Sleep(delay);
  }
  return os::RealSyscalls().pread(fd, data, size, offset);
}

class MissesTest : public os::SyscallTest {
 protected:
  MissesTest() {
    WithoutFsync();
    seen = seen_.operator->();
    os::Sys().pread = SlowPread;
  }
  ~MissesTest() override {
    static_cast<void>(DbEnv::Remove(dir_.path(), /*force=*/true));
  }

  // Runs `body` in processes that start together.
  void Together(uint32_t processes,
                const std::function<void(MPoolFile&, uint64_t)>& body,
                uint32_t frames) {
    std::vector<std::unique_ptr<os::Child>> children;
    for (uint32_t i = 0; i < processes; ++i) {
      children.push_back(std::make_unique<os::Child>([&, i] {
        Watchdog(60);
        EnvOptions options;
        options.cache_bytes = frames * kPage;
        auto env = Must(DbEnv::Open(dir_.path(), options), "open");
        auto file = Must(env->OpenFile("f"), "file");
        seen->arrived.fetch_add(1);
        while (seen->arrived.load() < processes) {
          os::FutexWait(&seen->arrived, seen->arrived.load(),
                        absl::Milliseconds(1));
        }
        body(*file, Seed() + i);
        Must(file->Close(), "close file");
        Must(env->Close(), "close");
      }));
    }
    for (auto& child : children) ASSERT_EQ(child->Wait(), 0);
  }

  os::TempDir dir_;
  Table table_;
  os::SharedMemory<Seen> seen_;
};

TEST_F(MissesTest, EightProcessesReadColdPagesOnce) {
  constexpr PageNo kPages = 48;
  MakeFile(dir_.Below("f"), 0, kPage, kPages, table_);
  delay = absl::Milliseconds(2);
  Together(
      8,
      [](MPoolFile& file, uint64_t) {
        for (PageNo page = 0; page < kPages; ++page) {
          const ReadPage got = Must(file.Get(page), "get");
          Must(Read(got.data(), 0, page), "page");
        }
      },
      64);
  delay = absl::ZeroDuration();
  EXPECT_EQ(seen->reads.load(), kPages);
}

TEST_F(MissesTest, EveryReadAndEveryGetIsCounted) {
  constexpr PageNo kPages = 60;
  MakeFile(dir_.Below("f"), 0, kPage, kPages, table_);
  // Stays attached, so that the region is not left between the rounds.
  auto env = Must(DbEnv::Open(dir_.path(), {.cache_bytes = 32 * kPage}),
                  "open");
  Together(
      4,
      [](MPoolFile& file, uint64_t seed) {
        std::mt19937_64 random(seed);
        for (int i = 0; i < 1500; ++i) {
          const PageNo page = random() % kPages;
          if (random() % 4 == 0) {
            Must(file.GetForUpdate(page), "update").Discard();
          } else {
            Must(file.Get(page), "get");
          }
          seen->gets.fetch_add(1);
        }
      },
      32);
  const EnvStats stats = env->Stats();
  EXPECT_EQ(stats.pages_read, seen->reads.load()) << "MPOOL_SEED=" << Seed();
  EXPECT_EQ(stats.misses, seen->reads.load());
  EXPECT_EQ(stats.hits + stats.misses, seen->gets.load());
}

// Predicts for each get if it should hit.
class Model {
 public:
  Model(Policy policy, size_t frames) : policy_(policy), frames_(frames) {}

  bool Get(PageNo page, bool scan) {
    return policy_ == Policy::kLru ? GetLru(page, scan) : GetClock(page, scan);
  }

 private:
  bool GetLru(PageNo page, bool scan) {
    const auto at = std::find(order_.begin(), order_.end(), page);
    const bool hit = at != order_.end();
    if (hit && scan) return true;
    if (hit) order_.erase(at);
    if (!hit && order_.size() == frames_) order_.pop_front();
    if (!hit && scan) {
      order_.push_front(page);
    } else {
      order_.push_back(page);
    }
    return hit;
  }
  bool GetClock(PageNo page, bool scan) {
    for (auto& [resident, chance] : ring_) {
      if (resident != page) continue;
      chance = chance || !scan;
      return true;
    }
    if (ring_.size() < frames_) {
      ring_.emplace_back(page, false);
      return false;
    }
    while (ring_[hand_].second) {
      ring_[hand_].second = false;
      hand_ = (hand_ + 1) % frames_;
    }
    ring_[hand_] = {page, false};
    hand_ = (hand_ + 1) % frames_;
    return false;
  }

  const Policy policy_;
  const size_t frames_;
  std::list<PageNo> order_;  // the next victim first
  std::vector<std::pair<PageNo, bool>> ring_;
  size_t hand_ = 0;
};

class OrderTest : public MissesTest,
                  public ::testing::WithParamInterface<Policy> {};

TEST_P(OrderTest, VictimsComeInThePolicysOrder) {
  constexpr uint32_t kFrames = 16;
  constexpr PageNo kPages = 40;
  MakeFile(dir_.Below("f"), 0, kPage, kPages, table_);
  EnvOptions options;
  options.cache_bytes = kFrames * kPage;
  options.policy = GetParam();
  auto env = Must(DbEnv::Open(dir_.path(), options), "open");
  auto file = Must(env->OpenFile("f"), "file");
  Model model(GetParam(), kFrames);
  std::mt19937_64 random(Seed());
  for (int i = 0; i < 3000; ++i) {
    // Get some pages more often than others.
    const PageNo page = std::min(random() % kPages, random() % kPages);
    const bool scan = random() % 8 == 0;
    const uint64_t before = env->Stats().misses;
    if (random() % 3 == 0) {
      Must(file->GetForUpdate(page, {.scan = scan}), "update");
    } else {
      Must(file->Get(page, {.scan = scan}), "get");
    }
    ASSERT_EQ(env->Stats().misses == before, model.Get(page, scan))
        << "get " << i << " of page " << page << ", MPOOL_SEED=" << Seed();
  }
}

INSTANTIATE_TEST_SUITE_P(Policies, OrderTest,
                         ::testing::Values(Policy::kClock, Policy::kLru),
                         [](const auto& policy) {
                           return policy.param == Policy::kLru ? "Lru"
                                                               : "Clock";
                         });

TEST_F(MissesTest, LatePageSizeGetsFrames) {
  MakeFile(dir_.Below("f"), 0, 4096, 40, table_);
  MakeFile(dir_.Below("g"), 1, 512, 40, table_);
  auto env = Must(DbEnv::Open(dir_.path(), {.cache_bytes = 128 << 10}),
                  "open");
  auto first = Must(env->OpenFile("f"), "f");
  auto second = Must(env->OpenFile("g", {.page_size = 512}), "g");
  for (PageNo page = 0; page < 40; ++page) Must(first->Get(page), "get");
  for (PageNo page = 0; page < 40; ++page) Must(second->Get(page), "get");
  EXPECT_EQ(env->Stats().frames, 16u + 128u);
}

TEST_F(MissesTest, FullyHeldCacheNamesHolders) {
  MakeFile(dir_.Below("f"), 0, 4096, 40, table_);
  auto env = Must(DbEnv::Open(dir_.path(), {.cache_bytes = 64 << 10}), "open");
  auto file = Must(env->OpenFile("f"), "f");
  std::vector<ReadPage> held;
  for (PageNo page = 0; page < 16; ++page) {
    held.push_back(Must(file->Get(page), "get"));
  }
  const absl::Status status =
      file->Get(16, {.wait = absl::ZeroDuration()}).status();
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_THAT(os::Message(status), HasSubstr("of 16 frames none"));
  EXPECT_THAT(os::Message(status),
              HasSubstr(absl::StrCat("process ", ::getpid())));
  EXPECT_THAT(os::Message(status), HasSubstr("holds 16"));
  held.pop_back();
  Must(file->Get(16, {.wait = absl::ZeroDuration()}), "get");
}

}  // namespace
}  // namespace mpool::pooltest
