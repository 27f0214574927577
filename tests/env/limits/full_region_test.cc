// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// full_region_test.cc - another process acquires all of one resource inside a
// region: process slots, thread slots, file entries, memory or frames. Each
// moment of a program returns a clear error, or does not need the resource.
// Everything works again once the other process returned the resource or died.

#include <signal.h>
#include <unistd.h>

#include <set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "db/options.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/pool/pool.h"
#include "region/region.h"
#include "tests/support/all_backings.h"
#include "tests/support/child.h"
#include "tests/support/footprint.h"
#include "tests/support/moments.h"
#include "tests/support/mounts.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_home.h"

namespace mpool {
namespace {

using test::Channel;
using test::Child;
using test::IsOk;
using test::Moment;
using test::World;
using ::testing::HasSubstr;

// A call that takes longer hangs.
constexpr unsigned kPatienceSeconds = 60;

// One process slot of the environment, with all objects that lead to it.
class Member {
 public:
  static absl::StatusOr<std::unique_ptr<Member>> Join(
      const std::string& home, const EnvOptions& options) {
    std::unique_ptr<Member> made(new Member);
    MPOOL_ASSIGN_OR_RETURN(os::File dir, os::File::OpenDirectory(home));
    MPOOL_ASSIGN_OR_RETURN(
        made->region_,
        region::Region::Prepare(std::move(dir),
                                internal::RegionOptionsFor(options)));
    made->pool_ = std::make_unique<internal::Pool>(*made->region_);
    MPOOL_RETURN_IF_ERROR(made->region_->Attach(made->pool_->client()));
    MPOOL_RETURN_IF_ERROR(made->pool_->Start());
    RepairReport report;
    made->region_->repairer().RepairPredecessor(&report);
    return made;
  }
  void Leave() {
    pool_->Stop();
    bool is_last = false;
    region_->Leave(*region_->BeginLeave(&is_last));
  }
  region::Region& region() { return *region_; }
  internal::Pool& pool() { return *pool_; }

 private:
  Member() = default;
  std::unique_ptr<region::Region> region_;
  std::unique_ptr<internal::Pool> pool_;
};

// Acquires all of a resource except `left` units, and returns it.
class Hog {
 public:
  virtual ~Hog() = default;
  // REQUIRES: called once.
  void Take(uint64_t left) {
    while (TakeOne()) {
    }
    for (uint64_t i = 0; i < left; ++i) GiveOne();
  }
  virtual void GiveAll() = 0;

 protected:
  virtual bool TakeOne() = 0;
  virtual void GiveOne() = 0;
};

class ProcessHog : public Hog {
 public:
  explicit ProcessHog(World& world) : world_(world) {}
  void GiveAll() override {
    while (!members_.empty()) GiveOne();
  }

 private:
  bool TakeOne() override {
    auto made = Member::Join(world_.home(), world_.options());
    if (made.ok()) members_.push_back(*std::move(made));
    return made.ok();
  }
  void GiveOne() override {
    members_.back()->Leave();
    members_.pop_back();
  }

  World& world_;
  std::vector<std::unique_ptr<Member>> members_;
};

// Has one process slot, and acquires the resource for that slot.
class MemberHog : public Hog {
 public:
  explicit MemberHog(World& world)
      : member_(*Member::Join(world.home(), world.options())) {}
  void GiveAll() override {
    Give();
    member_->Leave();
  }

 protected:
  virtual void Give() = 0;
  const std::unique_ptr<Member> member_;
};

class ThreadHog : public MemberHog {
 public:
  using MemberHog::MemberHog;

 private:
  bool TakeOne() override {
    const auto thread = member_->region().members().RegisterThread();
    if (thread.ok()) threads_.push_back(*thread);
    return thread.ok();
  }
  void GiveOne() override {
    member_->region().members().UnregisterThread(threads_.back());
    threads_.pop_back();
  }
  void Give() override {
    while (!threads_.empty()) GiveOne();
  }

  std::vector<region::Thread> threads_;
};

// Halves the request each time it is refused.
class HeapHog : public MemberHog {
 public:
  using MemberHog::MemberHog;

 private:
  region::Shalloc& heap() { return member_->region().memory().heap(); }
  region::Thread self() { return member_->region().members().process_thread(); }
  bool TakeOne() override {
    for (; size_ >= 16; size_ /= 2) {
      const auto taken = heap().Allocate(self(), size_, 16);
      if (!taken.ok()) continue;
      chunks_.push_back(*taken);
      return true;
    }
    return false;
  }
  void GiveOne() override {
    EXPECT_THAT(heap().Free(self(), chunks_.front()), IsOk());
    chunks_.erase(chunks_.begin());
  }
  void Give() override {
    while (!chunks_.empty()) GiveOne();
  }

  uint64_t size_ = 16 << 20;
  std::vector<uint64_t> chunks_;
};

// Acquires pages by handles, because a frame is acquired with a page.
class EnvHog : public Hog {
 public:
  explicit EnvHog(World& world)
      : home_(world.home()), env_(*DbEnv::Open(home_, world.options())) {}
  void GiveAll() override {
    Give();
    EXPECT_THAT(env_->Close(), IsOk());
  }

 protected:
  virtual void Give() = 0;
  const std::string home_;
  const std::unique_ptr<DbEnv> env_;
};

class FileHog : public EnvHog {
 public:
  using EnvHog::EnvHog;

 private:
  bool TakeOne() override {
    FileOptions options;
    options.create = true;
    auto file = env_->OpenFile(absl::StrCat("hog-", files_.size()), options);
    if (file.ok()) files_.push_back(*std::move(file));
    return file.ok();
  }
  void GiveOne() override {
    EXPECT_THAT(files_.back()->Close(), IsOk());
    files_.pop_back();
  }
  void Give() override {
    while (!files_.empty()) GiveOne();
  }

  std::vector<std::unique_ptr<MPoolFile>> files_;
};

class FrameHog : public EnvHog {
 public:
  explicit FrameHog(World& world)
      : EnvHog(world),
        file_(*env_->OpenFile("hog-pages", {.page_size = 4096,
                                            .create = true})) {}

 private:
  bool TakeOne() override {
    GetOptions options;
    options.create = true;
    options.wait = absl::ZeroDuration();
    auto page = file_->Get(pages_.size(), options);
    if (page.ok()) pages_.push_back(*std::move(page));
    return page.ok();
  }
  void GiveOne() override { pages_.pop_back(); }
  void Give() override {
    pages_.clear();
    EXPECT_THAT(file_->Close(), IsOk());
  }

  const std::unique_ptr<MPoolFile> file_;
  std::vector<ReadPage> pages_;
};

template <class Kind>
std::unique_ptr<Hog> Make(World& world) {
  return std::make_unique<Kind>(world);
}

struct Shortage {
  const char* name;
  std::unique_ptr<Hog> (*make)(World& world);
  // The moments in `fails` must fail with the first amount left over, and must
  // not fail with more. The moments in `works` must never fail.
  std::vector<uint64_t> left;
  std::set<std::string> fails;
  std::set<std::string> works;
  std::vector<std::string> words;  // the resource and its remedy
  bool is_felt_by_all;             // no other process can do without it
};

std::vector<Shortage> Shortages() {
  return {
      {"ProcessSlots", Make<ProcessHog>, {0, 1}, {"Join", "ForkedChild"},
       {"OpenFile", "NewThread", "PutMany", "Sync", "Repair", "Inspect",
        "Holders", "CloseFile", "CloseEnv"},
       {"all 256 process slots are taken", "close a process"}, false},
      // Acquiring all thread slots is slow, so the test does it once.
      {"ThreadSlots", Make<ThreadHog>, {0}, {"Join", "NewThread"},
       {"OpenFile"},
       {"all 3838 thread slots are taken", "end threads"}, false},
      {"FileEntries", Make<FileHog>, {0}, {"OpenFile"}, {"PutMany"},
       {"knows 4096 files", "none of them is closed, clean and synced"}, false},
      {"Heap", Make<HeapHog>, {0, 1},
       {"OpenFile", "HoldForUpdate", "Pin", "PutMany", "Repair"},
       {"Join", "Load", "NewThread", "Sync", "ForkedChild", "Inspect",
        "Holders", "CloseFile", "CloseEnv"},
       {"grow region of", "reserved at its creation", "larger cache"}, true},
      {"Frames", Make<FrameHog>, {0, 40}, {"Load", "PutMany"},
       {"Join", "OpenFile", "Sync", "CloseFile", "CloseEnv"},
       {"find a frame", "put pages, or use a larger cache"}, true},
  };
}

struct Case {
  Shortage shortage;
  Moment moment;
  bool dies;  // the hog dies instead of returning the resource

  friend void PrintTo(const Case& one, std::ostream* out) {
    *out << one.shortage.name << " at " << one.moment.name;
  }
};

std::vector<Case> Cases() {
  std::vector<Case> cases;
  for (const Shortage& shortage : Shortages()) {
    for (const Moment& moment : test::Moments()) {
      const bool fails = shortage.fails.contains(moment.name);
      if (!fails && !shortage.works.contains(moment.name)) continue;
      cases.push_back({shortage, moment, /*dies=*/false});
      if (fails) cases.push_back({shortage, moment, /*dies=*/true});
    }
  }
  return cases;
}

std::string CaseName(const ::testing::TestParamInfo<Case>& info) {
  return absl::StrCat(info.param.shortage.name, info.param.moment.name,
                      info.param.dies ? "Death" : "");
}

class FullRegionTest : public ::testing::TestWithParam<Case> {
 protected:
  // Returns the footprint without the hog's own files.
  std::vector<std::string> Footprint() const {
    std::vector<std::string> lines = test::FootprintOf(home_.path());
    std::erase_if(lines, [&](const std::string& line) {
      return line.starts_with("file " + home_.Below("hog-")) ||
             line == "file " + home_.Below("pages.db") ||
             line.starts_with("fd ");
    });
    return lines;
  }

  static std::unique_ptr<Child> StartHog(World& world, uint64_t left) {
    return std::make_unique<Child>([&world, left](Channel& parent) {
      parent.Hear();
      const std::unique_ptr<Hog> made = GetParam().shortage.make(world);
      made->Take(left);
      parent.Say("full");
      parent.Hear();
      made->GiveAll();
      return "left";
    });
  }

  void Act(World& world, uint64_t left, Child& hog) const {
    const auto& [shortage, moment, dies] = GetParam();
    ::alarm(kPatienceSeconds);
    hog.Say("take");
    EXPECT_EQ(hog.Hear(), "full");
    const std::vector<std::string> before = Footprint();
    const absl::Status status = moment.act(world);
    if (!status.ok()) {
      EXPECT_EQ(Footprint(), before);
    }
    if (world.has_neighbour() && !shortage.is_felt_by_all) {
      EXPECT_EQ(world.AskNeighbour(), "");
    }
    if (dies) {
      EXPECT_EQ(hog.Kill(), test::kKilled);
    } else {
      hog.Say("leave");
      EXPECT_EQ(hog.End(), "left");
    }
    // A get repairs the dead if it lacks a frame, but not if it lacks memory.
    if (dies && world.env() != nullptr) {
      EXPECT_THAT(world.env()->FailCheck(), IsOk());
    }
    if (!status.ok()) {
      EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
      for (const std::string& word : shortage.words) {
        EXPECT_THAT(std::string(status.message()), HasSubstr(word));
      }
      EXPECT_THAT(moment.act(world), IsOk());
    }
    if (shortage.fails.contains(moment.name) &&
        left == shortage.left.front()) {
      EXPECT_FALSE(status.ok());
    } else {
      EXPECT_THAT(status, IsOk());
    }
    world.ExpectWholeAndClose();
  }

  std::string Run(uint64_t left) {
    EXPECT_THAT(test::EnterOwnShm(), IsOk());
    EXPECT_THAT(test::MountTmpfs(home_.path(), uint64_t{128} << 20), IsOk());
    World world(home_.path(), Backing::kPosixShm);
    if (!GetParam().moment.in_fork) {
      // Start the hog first, so that it inherits nothing.
      const std::unique_ptr<Child> hog = StartHog(world, left);
      GetParam().moment.prepare(world);
      Act(world, left, *hog);
      return "done";
    }
    GetParam().moment.prepare(world);
    return test::InChild([&] {
      world.ForgetThread();
      Act(world, left, *StartHog(world, left));
      return "done";
    });
  }

  test::TempHome home_;
};

INSTANTIATE_TEST_SUITE_P(Of, FullRegionTest, ::testing::ValuesIn(Cases()),
                         CaseName);

TEST_P(FullRegionTest, ErrorIsClearAndPasses) {
  for (const uint64_t left : GetParam().shortage.left) {
    const bool fails =
        GetParam().shortage.fails.contains(GetParam().moment.name);
    if (!fails && left != GetParam().shortage.left.front()) break;
    EXPECT_EQ(test::InChild([&] { return Run(left); }), "done")
        << "with " << left << " left";
  }
}

// Getting as many pages one by one would be too slow.
class PinsTest : public ::testing::Test {
 protected:
  PinsTest() : world_(home_.path(), Backing::kPosixShm) {
    world_.OpenWithPages();
    member_ = *Member::Join(home_.path(), world_.options());
  }
  // Pins the thread's first page again in each free entry of the ledger.
  void FillLedger() {
    region::Region& region = member_->region();
    region.members().ForEachThread([&](uint32_t id, region::ThreadSlot& slot,
                             region::ThreadWord word) {
      if (id <= kMaxProcesses || word.process != 1) return;
      region.members().ForEachEntry(slot, [&](std::atomic<uint64_t>& entry) {
        if (entry.load() != 0) return;
        entry.store(slot.entries[0].load());
        filled_.push_back(&entry);
      });
    });
  }
  void EmptyLedger() {
    for (std::atomic<uint64_t>* entry : filled_) entry->store(0);
    member_->Leave();
  }

  test::TempHome home_;
  World world_;
  std::unique_ptr<Member> member_;
  std::vector<std::atomic<uint64_t>*> filled_;
};

TEST_F(PinsTest, ThreadAtPinLimitIsRefused) {
  std::vector<ReadPage> pins;
  absl::Status status;
  while (status.ok() && pins.size() < kMaxPinsPerThread) {
    auto page = world_.file()->Get(0);
    status = page.status();
    if (status.ok()) pins.push_back(*std::move(page));
    if (pins.size() > kLedgerEntries) FillLedger();
  }
  EXPECT_GE(pins.size() + filled_.size(), kMaxPinsPerThread);
  const auto told = test::Fails(absl::StatusCode::kResourceExhausted,
                                "holds 65536 pages already", "put some");
  EXPECT_THAT(status, told);
  EXPECT_THAT(world_.file()->GetForUpdate(1), told);
  EXPECT_THAT(world_.env()->Sync(), told);
  EXPECT_THAT(world_.worker().Run([&] { return world_.env()->Sync(); }),
              IsOk());
  pins.pop_back();
  EXPECT_THAT(world_.file()->Get(0), IsOk());
  EXPECT_THAT(world_.Put(1, "once more"), IsOk());
  pins.clear();
  EmptyLedger();
  world_.ExpectWholeAndClose();
}

}  // namespace
}  // namespace mpool
