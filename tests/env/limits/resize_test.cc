// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// resize_test.cc - the cache grows and shrinks while it is used, on every
// backing. The kernel's own figures show the memory in use.

#include <cstdio>
#include <fstream>
#include <map>
#include <thread>

#include "tests/support/backing_suite.h"
#include "tests/support/child.h"
#include "tests/support/resize.h"

namespace mpool {
namespace {

using absl::StatusCode;
using os::BackingText;
using test::Fails;
using test::GetText;
using test::IsOk;
using test::PutText;

// Returns the resident size of the mapping around `place`.
uint64_t RssAround(const void* place) {
  std::ifstream file("/proc/self/smaps");
  bool inside = false;
  for (std::string line; std::getline(file, line);) {
    uintptr_t first = 0;
    uintptr_t last = 0;
    uint64_t kilobytes = 0;
    if (std::sscanf(line.c_str(), "%" SCNxPTR "-%" SCNxPTR " ", &first,
                    &last) == 2) {
      const auto wanted = reinterpret_cast<uintptr_t>(place);
      inside = first <= wanted && wanted < last;
    } else if (inside && std::sscanf(line.c_str(), "Rss: %" SCNu64,
                                     &kilobytes) == 1) {
      return kilobytes * 1024;
    }
  }
  return 0;
}

class ResizeTest : public BackingTest {
 protected:
  absl::StatusOr<test::Opened> OpenWithRoom(uint64_t cache = kMiB) const {
    EnvOptions options = test::SmallEnv(GetParam());
    options.cache_bytes = cache;
    options.max_cache_bytes = kMost;
    options.huge_pages = false;
    return test::OpenBoth(home_.path(), options);
  }
  // Returns the kernel's figure for the resident memory of the region.
  uint64_t Resident(MPoolFile& file) const {
    if (os::ReachOf(GetParam()) == os::Reach::kAnyProcess) {
      return ResidentBytes(Segment(), GetParam(), home_.path());
    }
    const ReadPage page = *file.Get(0);
    return RssAround(page.data().data());
  }
};
class ResizeShmTest : public ResizeTest {};

INSTANTIATE_TEST_SUITE_P(All, ResizeTest,
                         ::testing::ValuesIn(os::kAllBackings), BackingText);
INSTANTIATE_TEST_SUITE_P(All, ResizeShmTest,
                         ::testing::Values(Backing::kPosixShm), BackingText);

TEST_P(ResizeTest, GrownAndShrunkMemoryIsMeasured) {
  auto opened = *OpenWithRoom();
  FillPages(*opened.file, kPagesPerMiB, "first ");
  const uint64_t before = Resident(*opened.file);
  ASSERT_THAT(opened.env->Resize(kMost), IsOk());
  EXPECT_EQ(opened.env->Stats().cache_bytes, kMost);
  FillPages(*opened.file, 8 * kPagesPerMiB, "second ");
  ExpectPages(*opened.file, 8 * kPagesPerMiB, "second ");
  EnvStats stats = opened.env->Stats();
  EXPECT_EQ(stats.evictions, 0u);
  EXPECT_EQ(stats.frames, kMost / 4096);
  EXPECT_GE(Resident(*opened.file), before + kMost - kMiB);
  ASSERT_THAT(opened.env->Resize(kMiB), IsOk());
  stats = opened.env->Stats();
  EXPECT_EQ(stats.cache_bytes, kMiB);
  EXPECT_EQ(stats.backed_bytes, kMiB);
  EXPECT_EQ(stats.frames, kPagesPerMiB);
  // Headers stay: 1.6 % of the largest size.
  EXPECT_LE(Resident(*opened.file), before + (kMost - kMiB) / 50);
  ExpectPages(*opened.file, 8 * kPagesPerMiB, "second ");
  EXPECT_THAT(opened.Close(), IsOk());
}

TEST_P(ResizeTest, AnyFrameCountIsAccepted) {
  auto opened = *OpenWithRoom();
  FillPages(*opened.file, 2 * kPagesPerMiB, "page ");
  for (const uint64_t bytes :
       {kMiB + 512, kMiB + 4096, 3 * kMiB - 4096 * 5, 2 * kMiB + 512 * 9,
        uint64_t{65536}, uint64_t{65536 + 4096}, kMost, kMiB / 2 + 8192}) {
    ASSERT_THAT(opened.env->Resize(bytes), IsOk()) << bytes;
    ExpectPages(*opened.file, 2 * kPagesPerMiB, "page ");
    const EnvStats stats = opened.env->Stats();
    EXPECT_EQ(stats.cache_bytes, bytes);
    EXPECT_EQ(stats.backed_bytes, bytes);
    EXPECT_EQ(stats.frames, std::min(bytes / 4096, 2 * kPagesPerMiB +
                                                       stats.frames_free));
    EXPECT_LE(stats.frames, bytes / 4096);
  }
}

TEST_P(ResizeTest, PageInUseDoesNotMove) {
  auto opened = *OpenWithRoom(2 * kMiB);
  FillPages(*opened.file, 2 * kPagesPerMiB, "page ");
  std::vector<ReadPage> held;
  std::vector<const std::byte*> places;
  for (PageNo page = 0; page < 2 * kPagesPerMiB; page += 37) {
    held.push_back(*opened.file->Get(page));
    places.push_back(held.back().data().data());
  }
  WritePage written = *opened.file->GetForUpdate(100);
  test::Fill(written.data(), "written meanwhile");
  EXPECT_THAT(opened.env->Resize(65536),
              Fails(StatusCode::kUnavailable, "65536 bytes from now on",
                    "could not be given back yet", "holds 15", "put"));
  EXPECT_EQ(opened.env->Stats().cache_bytes, 65536u);
  EXPECT_EQ(opened.env->Stats().backed_bytes, 2 * kMiB);
  for (size_t i = 0; i < held.size(); ++i) {
    EXPECT_EQ(held[i].data().data(), places[i]);
    EXPECT_EQ(test::TextOn(held[i].data()),
              absl::StrCat("page ", held[i].number()));
  }
  written.Put();
  held.clear();
  ASSERT_THAT(opened.env->FailCheck().status(), IsOk());
  EXPECT_EQ(opened.env->Stats().backed_bytes, 65536u);
  EXPECT_EQ(opened.env->Stats().frames, 16u);
  EXPECT_EQ(GetText(*opened.file, 100), "written meanwhile");
}

TEST_P(ResizeTest, MissesReturnFormerlyHeldMemory) {
  auto opened = *OpenWithRoom(2 * kMiB);
  FillPages(*opened.file, 2 * kPagesPerMiB, "page ");
  auto held = std::make_unique<ReadPage>(*opened.file->Get(0));
  auto other = std::make_unique<ReadPage>(*opened.file->Get(511));
  EXPECT_THAT(opened.env->Resize(kMiB), Fails(StatusCode::kUnavailable));
  held = nullptr;
  other = nullptr;
  for (int round = 0; round < 2; ++round) {
    ExpectPages(*opened.file, 2 * kPagesPerMiB, "page ");
  }
  EXPECT_EQ(opened.env->Stats().backed_bytes, kMiB);
}

TEST_P(ResizeTest, ASizeThatCannotBeIsRefused) {
  auto opened = *OpenWithRoom();
  EXPECT_THAT(opened.env->Resize(kMost + 512),
              Fails(StatusCode::kInvalidArgument, home_.path(),
                    "max_cache_bytes is 8388608"));
  EXPECT_THAT(opened.env->Resize(kMiB + 1),
              Fails(StatusCode::kInvalidArgument, "multiple of 512"));
  EXPECT_THAT(opened.env->Resize(4096),
              Fails(StatusCode::kInvalidArgument, "at least 8192"));
  EXPECT_THAT(opened.env->Resize(15 * 4096),
              Fails(StatusCode::kInvalidArgument, "room for 15 pages of 4096",
                    "needs 16"));
  EXPECT_EQ(opened.env->Stats().cache_bytes, kMiB);
  ASSERT_THAT(opened.Close(), IsOk());
}

TEST_P(ResizeTest, NextProcessFindsSameSize) {
  if (os::ReachOf(GetParam()) != os::Reach::kAnyProcess) {
    // No later process can attach to the memory of this backing.
    EXPECT_THAT(OpenWithRoom()->env->Resize(2 * kMiB), IsOk());
    return;
  }
  EXPECT_EQ(test::InChild([&]() -> std::string {
              auto opened = *OpenWithRoom();
              FillPages(*opened.file, 100, "page ");
              if (!opened.env->Resize(3 * kMiB).ok()) return "not resized";
              ::raise(SIGKILL);
              return "";
            }),
            test::kKilled);
  auto opened = *OpenWithRoom();
  EXPECT_EQ(opened.env->Stats().cache_bytes, 3 * kMiB);
  EXPECT_EQ(opened.env->Stats().max_cache_bytes, kMost);
  ExpectPages(*opened.file, 100, "page ");
  EXPECT_THAT(opened.Close(), IsOk());
}

TEST_P(ResizeShmTest, GrowthCompletesPartialExtent) {
  auto opened = *OpenWithRoom();
  FillPages(*opened.file, 2 * kPagesPerMiB, "page ");
  ASSERT_THAT(opened.env->Resize(544 << 10), IsOk());
  ExpectPages(*opened.file, 2 * kPagesPerMiB, "page ");
  std::vector<ReadPage> held;
  for (PageNo page = 2 * kPagesPerMiB - 130; page < 2 * kPagesPerMiB; ++page) {
    held.push_back(*opened.file->Get(page));
  }
  EXPECT_THAT(opened.env->Resize(256 << 10), Fails(StatusCode::kUnavailable));
  EXPECT_THAT(opened.env->Resize(kMiB), IsOk());
  held.clear();
  EXPECT_EQ(test::InChild([&] { return OpenWithRoom().status().ToString(); }),
            "OK");
  ExpectPages(*opened.file, 2 * kPagesPerMiB, "page ");
  EXPECT_EQ(opened.env->Stats().frames, kPagesPerMiB);
}

TEST_P(ResizeShmTest, LargestCacheMayEndInsideExtent) {
  EnvOptions options = test::SmallEnv();
  options.max_cache_bytes = 2 * kMiB + (36 << 10) + 512;
  auto opened = *test::OpenBoth(home_.path(), options);
  for (int round = 0; round < 2; ++round) {
    ASSERT_THAT(opened.env->Resize(options.max_cache_bytes), IsOk());
    FillPages(*opened.file, 3 * kPagesPerMiB, "page ");
    ASSERT_THAT(opened.env->Resize(kMiB), IsOk());
    EXPECT_EQ(opened.env->Stats().backed_bytes, kMiB);
  }
  ExpectPages(*opened.file, 3 * kPagesPerMiB, "page ");
}

TEST_P(ResizeShmTest, MemoryBelowTheCachesEndStays) {
  EnvOptions options = test::SmallEnv();
  options.max_cache_bytes = kMost;
  auto opened = *test::OpenBoth(home_.path(), options, "pages.db", 65536);
  ASSERT_THAT(opened.env->Resize(2 * kMiB), IsOk());
  FillPages(*opened.file, 40, "page ");
  const uint64_t before = ResidentBytes(Segment(), GetParam(), home_.path());
  ASSERT_THAT(opened.env->Resize(kMiB + (60 << 10)), IsOk());
  ASSERT_THAT(opened.env->Resize(2 * kMiB), IsOk());
  EXPECT_GE(ResidentBytes(Segment(), GetParam(), home_.path()), before);
}

TEST_P(ResizeShmTest, UnfinishedShrinkLeavesRoomBelow) {
  auto opened = *OpenWithRoom(4 * kMiB);
  FillPages(*opened.file, 4 * kPagesPerMiB, "page ");
  std::map<const std::byte*, PageNo> places;
  for (PageNo page = 0; page < 4 * kPagesPerMiB; ++page) {
    places[opened.file->Get(page)->data().data()] = page;
  }
  std::vector<ReadPage> held;
  const std::byte* end = places.begin()->first + kMiB;
  for (const auto& [place, page] : places) {
    if (place >= end && page % 8 == 0) {
      held.push_back(*opened.file->Get(page));
    }
  }
  EXPECT_THAT(opened.env->Resize(kMiB), Fails(StatusCode::kUnavailable));
  auto large = *opened.env->OpenFile("large.db",
                                     {.page_size = 65536, .create = true});
  EXPECT_THAT(PutText(*large, 0, "x"), IsOk());
  EXPECT_EQ(GetText(*large, 0), "x");
  ExpectPages(*opened.file, 4 * kPagesPerMiB, "page ");
  held.clear();
  EXPECT_THAT(large->Close(), IsOk());
  EXPECT_THAT(opened.env->Resize(kMiB), IsOk());
  EXPECT_EQ(::unlink(home_.Below("large.db").c_str()), 0);
}

TEST_P(ResizeShmTest, PreparingJoinerKeepsShrink) {
  test::Child joiner([&](test::Channel& parent) {
    parent.Hear();
    static test::Channel* shrinker = &parent;
    os::Sys().madvise = [](void* address, size_t size, int advice) {
      if (size == kMost) {
        shrinker->Say("it prepares the pages");
        shrinker->Hear();
      }
      return os::RealSyscalls().madvise(address, size, advice);
    };
    return OpenWith([](EnvOptions& o) { o.prefault = true; })
        .status()
        .ToString();
  });
  auto opened = *OpenWithRoom(kMost);
  FillPages(*opened.file, kMost / 4096, "page ");
  const uint64_t before = ResidentBytes(Segment(), GetParam(), home_.path());
  joiner.Say("come in");
  EXPECT_EQ(joiner.Hear(), "it prepares the pages");
  EXPECT_THAT(opened.env->Resize(kMiB), IsOk());
  joiner.Say("go on");
  EXPECT_EQ(joiner.End(), "OK");
  EXPECT_LE(ResidentBytes(Segment(), GetParam(), home_.path()),
            before - (kMost - kMiB));
  ExpectPages(*opened.file, kMost / 4096, "page ");
}

TEST_P(ResizeShmTest, ShrinkOrLargerPageFileIsRefused) {
  auto env = *OpenWith([](EnvOptions&) {});
  for (int round = 0; round < 200; ++round) {
    absl::Status shrunk;
    std::thread shrinker([&] { shrunk = env->Resize(kMiB / 2); });
    auto large = env->OpenFile("large.db",
                               {.page_size = 65536, .create = true});
    shrinker.join();
    ASSERT_NE(shrunk.ok(), large.ok()) << shrunk << large.status();
    if (large.ok()) {
      ASSERT_THAT((*large)->Close(), IsOk());
    }
    ASSERT_THAT(env->Resize(kMiB), IsOk());
  }
  EXPECT_EQ(::unlink(home_.Below("large.db").c_str()), 0);
}

TEST_P(ResizeShmTest, FileOfDeadDoesNotBlockShrink) {
  const FileOptions large = {.page_size = 65536, .create = true};
  auto env = *OpenWith([](EnvOptions&) {});
  auto die_with_it = [&] {
    EXPECT_EQ(test::InChild([&]() -> std::string {
                auto file = *env->OpenFile("large.db", large);
                ::raise(SIGKILL);
                return "";
              }),
              test::kKilled);
  };
  die_with_it();
  EXPECT_THAT(env->Resize(kMiB / 2), IsOk());
  ASSERT_THAT(env->Resize(kMiB), IsOk());
  die_with_it();
  EXPECT_THAT(env->OpenFile("large.db", {.page_size = 512}), IsOk());
  EXPECT_EQ(::unlink(home_.Below("large.db").c_str()), 0);
}

TEST_P(ResizeShmTest, AnOptionThatCannotBeIsRefused) {
  for (const uint64_t most : {kMiB - 512, 2 * kMiB + 1, uint64_t{1} << 50}) {
    EXPECT_THAT(OpenWith([&](EnvOptions& o) { o.max_cache_bytes = most; }),
                Fails(StatusCode::kInvalidArgument,
                      "EnvOptions::max_cache_bytes", std::to_string(most)));
  }
  auto env = *OpenWith([](EnvOptions&) {});
  EXPECT_THAT(env->Resize(4 * kMiB + 512),
              Fails(StatusCode::kInvalidArgument, "max_cache_bytes is",
                    "4194304"));
  EXPECT_THAT(env->Close(), IsOk());
  EXPECT_THAT(env->Resize(kMiB), Fails(StatusCode::kFailedPrecondition));
}

}  // namespace
}  // namespace mpool
