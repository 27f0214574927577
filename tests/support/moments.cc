// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tests/support/moments.h"

#include <signal.h>

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "os/backing/table.h"
#include "os/status.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_home.h"

namespace mpool::test {
namespace {

constexpr char kFile[] = "pages.db";
constexpr char kNeighboursFile[] = "neighbour.db";
// More pages than the cache holds.
constexpr PageNo kManyPages = kSmallCache / 4096 + 40;
// Pages of one thread at a time: more before-images than a new region can hold.
constexpr PageNo kHeldPages = 60;

std::string PageText(PageNo page) { return absl::StrCat("page ", page); }

// Does the neighbour's work and returns its first error.
absl::Status Work(Opened& both, const std::string& text) {
  for (PageNo page = 0; page < World::kPages; ++page) {
    MPOOL_RETURN_IF_ERROR(PutText(*both.file, page, text));
    const std::string got = GetText(*both.file, page);
    if (got != text) return absl::DataLossError(got);
  }
  return both.file->Sync();
}

}  // namespace

Worker::Worker()
    : thread_([this] {
        std::unique_lock<std::mutex> lock(mutex_);
        // From here on this thread allocates nothing. Otherwise a fork could
        // copy the allocator in the middle of an allocation.
        is_there_ = true;
        changed_.notify_all();
        while (true) {
          changed_.wait(lock, [this] { return ends_ || body_ != nullptr; });
          if (ends_) return;
          result_ = body_();
          body_ = nullptr;
          changed_.notify_all();
        }
      }) {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [this] { return is_there_; });
}

Worker::~Worker() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    ends_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

absl::Status Worker::Run(std::function<absl::Status()> body) {
  std::unique_lock<std::mutex> lock(mutex_);
  body_ = std::move(body);
  changed_.notify_all();
  changed_.wait(lock, [this] { return body_ == nullptr; });
  return result_;
}

World::World(std::string home, Backing backing)
    : home_(std::move(home)), options_(SmallEnv(backing)) {
  options_.max_cache_bytes = 2 * options_.cache_bytes;
}

void World::StartNeighbour() {
  neighbour_ = std::make_unique<Child>([this](Channel& parent) -> std::string {
    auto both = OpenBoth(home_, options_, kNeighboursFile);
    absl::Status status = both.status();
    int turn = 0;
    if (status.ok()) status = Work(*both, absl::StrCat(turn));
    parent.Say(status.ok() ? "ready" : status.ToString());
    while (status.ok() && parent.Hear() == "work") {
      status = Work(*both, absl::StrCat(++turn));
      parent.Say(status.ok() ? "worked" : status.ToString());
    }
    if (status.ok()) status = both->Close();
    return status.ToString();
  });
  EXPECT_EQ(neighbour_->Hear(), "ready");
}

std::string World::AskNeighbour() {
  neighbour_->Say("work");
  const std::string heard = neighbour_->Hear();
  return heard == "worked" ? "" : heard;
}

absl::Status World::OpenEnv() {
  MPOOL_ASSIGN_OR_RETURN(both_.env, DbEnv::Open(home_, options_));
  return absl::OkStatus();
}

absl::Status World::OpenFile() {
  FileOptions options;
  options.create = true;
  MPOOL_ASSIGN_OR_RETURN(both_.file, both_.env->OpenFile(kFile, options));
  return absl::OkStatus();
}

absl::Status World::Put(PageNo page, const std::string& text) {
  MPOOL_RETURN_IF_ERROR(PutText(*both_.file, page, text));
  put_[page] = text;
  return absl::OkStatus();
}

void World::OpenWithPages() {
  ASSERT_THAT(OpenEnv(), IsOk());
  ASSERT_THAT(OpenFile(), IsOk());
  for (PageNo page = 0; page < kPages; ++page) {
    ASSERT_THAT(Put(page, PageText(page)), IsOk());
  }
  worker_ = std::make_unique<Worker>();
}

void World::LeaveBehind() {
  EXPECT_EQ(InChild([this] {
              OpenWithPages();
              ::raise(SIGKILL);
              return "lives";
            }),
            kKilled);
  for (PageNo page = 0; page < kPages; ++page) put_[page] = PageText(page);
}

void World::ExpectWholeAndClose() {
  if (both_.env == nullptr) {
    ASSERT_THAT(OpenEnv(), IsOk());
  }
  if (both_.file == nullptr) {
    ASSERT_THAT(OpenFile(), IsOk());
  }
  ASSERT_THAT(Put(kPages, "after it"), IsOk());
  for (const auto& [page, text] : put_) {
    EXPECT_EQ(GetText(*both_.file, page), text);
  }
  worker_ = nullptr;
  // Other processes may still have the file open, so their Close would write.
  ASSERT_THAT(both_.env->Sync(), IsOk());
  ASSERT_THAT(both_.Close(), IsOk());
  both_ = {};
  if (neighbour_ != nullptr) {
    EXPECT_EQ(AskNeighbour(), "");
    neighbour_->Say("end");
    EXPECT_EQ(neighbour_->End(), "OK");
  }
  for (const auto& [page, text] : put_) {
    EXPECT_EQ(DiskText(absl::StrCat(home_, "/", kFile), page), text);
  }
}

namespace {

void Nothing(World&) {}
void LeaveBehind(World& world) { world.LeaveBehind(); }
void OpenWithPages(World& world) { world.OpenWithPages(); }

// Starts a neighbour, except on memory that no other process can reach.
void BesideNeighbour(World& world) {
  if (os::ReachOf(world.options().backing) == os::Reach::kAnyProcess) {
    world.StartNeighbour();
  }
}

void EnvBesideNeighbour(World& world) {
  BesideNeighbour(world);
  ASSERT_THAT(world.OpenEnv(), IsOk());
}

void PagesBesideNeighbour(World& world) {
  BesideNeighbour(world);
  world.OpenWithPages();
}

// Pages that are on disk and not in memory.
void PagesOnDisk(World& world) {
  world.OpenWithPages();
  ASSERT_THAT(world.file()->Close(), IsOk());
  ASSERT_THAT(world.env()->Close(), IsOk());
  world.file() = nullptr;
  world.env() = nullptr;
  ASSERT_THAT(DbEnv::Remove(world.home()), IsOk());
  BesideNeighbour(world);
  ASSERT_THAT(world.OpenEnv(), IsOk());
  ASSERT_THAT(world.OpenFile(), IsOk());
}

// A process died while it changed a page that this process has put.
void PagesAndADeath(World& world) {
  PagesBesideNeighbour(world);
  EXPECT_EQ(InChild([&world] {
              const auto page = world.file()->GetForUpdate(3);
              EXPECT_THAT(page, IsOk());
              ::raise(SIGKILL);
              return "lives";
            }),
            kKilled);
}

absl::Status OpenEnv(World& world) { return world.OpenEnv(); }
absl::Status OpenFile(World& world) { return world.OpenFile(); }

absl::Status GetSeven(World& world) {
  MPOOL_ASSIGN_OR_RETURN(const ReadPage page, world.file()->Get(7));
  EXPECT_EQ(TextOn(page.data()), PageText(7));
  return absl::OkStatus();
}

absl::Status GetInThread(World& world) {
  return world.worker().Run([&] { return GetSeven(world); });
}

// The pages are put at the end of the call.
absl::Status HoldForUpdate(World& world) {
  std::vector<WritePage> held;
  for (PageNo page = 0; page < kHeldPages; ++page) {
    MPOOL_ASSIGN_OR_RETURN(WritePage got, world.file()->GetForUpdate(page));
    held.push_back(std::move(got));
  }
  return absl::OkStatus();
}

absl::Status Resize(World& world) {
  return world.env()->Resize(world.options().max_cache_bytes);
}

absl::Status Pin(World& world) {
  return world.worker().Run([&]() -> absl::Status {
    std::vector<ReadPage> held;
    for (int pin = 0; pin < 2000; ++pin) {
      MPOOL_ASSIGN_OR_RETURN(ReadPage got, world.file()->Get(0));
      held.push_back(std::move(got));
    }
    return absl::OkStatus();
  });
}

absl::Status Sync(World& world) { return world.env()->Sync(); }
absl::Status MendThree(World& world) { return world.Put(3, "mended"); }
absl::Status Inspect(World& world) {
  return DbEnv::Inspect(world.home()).status();
}
absl::Status Holders(World& world) {
  return DbEnv::Holders(world.home()).status();
}
absl::Status Remove(World& world) { return DbEnv::Remove(world.home()); }

absl::Status CloseFile(World& world) {
  MPOOL_RETURN_IF_ERROR(world.file()->Close());
  world.file() = nullptr;
  return absl::OkStatus();
}

absl::Status CloseEnv(World& world) {
  MPOOL_RETURN_IF_ERROR(world.env()->Close());
  world.env() = nullptr;
  return absl::OkStatus();
}

absl::Status PutMany(World& world) {
  for (PageNo page = 0; page < kManyPages; ++page) {
    MPOOL_RETURN_IF_ERROR(world.Put(page, PageText(page)));
  }
  return absl::OkStatus();
}

void DirtyPagesToHold(World& world) {
  PagesBesideNeighbour(world);
  for (PageNo page = World::kPages; page < kHeldPages; ++page) {
    ASSERT_THAT(world.Put(page, PageText(page)), IsOk());
  }
}

void OpenWithoutFile(World& world) {
  world.OpenWithPages();
  ASSERT_THAT(world.file()->Close(), IsOk());
  world.file() = nullptr;
}

constexpr Moment kMoments[] = {
    {"Create", false, false, Nothing, OpenEnv},
    {"Join", true, false, BesideNeighbour, OpenEnv},
    {"Adopt", true, false, LeaveBehind, OpenEnv},
    {"OpenFile", false, false, EnvBesideNeighbour, OpenFile},
    {"Load", false, false, PagesOnDisk, GetSeven},
    {"NewThread", false, false, PagesBesideNeighbour, GetInThread},
    {"HoldForUpdate", false, false, DirtyPagesToHold, HoldForUpdate},
    {"Resize", false, false, PagesBesideNeighbour, Resize},
    {"Pin", false, false, PagesBesideNeighbour, Pin},
    {"PutMany", false, false, PagesBesideNeighbour, PutMany},
    {"Sync", false, false, PagesBesideNeighbour, Sync},
    {"ForkedChild", false, true, OpenWithPages, GetSeven},
    {"Repair", false, false, PagesAndADeath, MendThree},
    {"Inspect", true, false, PagesBesideNeighbour, Inspect},
    {"Holders", true, false, PagesBesideNeighbour, Holders},
    {"CloseFile", false, false, PagesBesideNeighbour, CloseFile},
    {"CloseEnv", false, false, OpenWithoutFile, CloseEnv},
    {"Remove", true, false, LeaveBehind, Remove},
};

}  // namespace

std::span<const Moment> Moments() { return kMoments; }

}  // namespace mpool::test
