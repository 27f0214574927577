// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// test_region.h - regions with a simple tenant, for the tests of region/.

#ifndef MPOOL_TESTS_SUPPORT_TEST_REGION_H_
#define MPOOL_TESTS_SUPPORT_TEST_REGION_H_

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "os/backing/table.h"
#include "os/status.h"
#include "region/region.h"
#include "tests/support/temp_home.h"

namespace mpool::region {

inline constexpr uint32_t kTestSignature = 0x7e57;
inline constexpr uint64_t kTestBytes = uint64_t{1} << 20;

inline RegionOptions TestOptions(Backing backing = Backing::kPosixShm) {
  RegionOptions options;
  options.backing = backing;
  options.policy = Policy::kClock;
  options.cache_bytes = 4096;
  options.size_bytes = kTestBytes;
  options.reserved_bytes = 64 * kTestBytes;
  const os::Reach reach = os::ReachOf(backing);
  options.shared = reach != os::Reach::kOneProcess;
  options.named = reach == os::Reach::kAnyProcess;
  options.signature = kTestSignature;
  return options;
}

// The tenant's root table in the region.
struct TestRoot {
  RankedLatch<LockRank::kFiles> latches[4];
  std::atomic<uint64_t> places[16];
  uint64_t sums[4];
};

class TestTenant : public RegionClient {
 public:
  explicit TestTenant(Region& region) : region_(region) {}

  TestRoot& root() const {
    return *region_.memory().At<TestRoot>(
        region_.memory().header()->root.load());
  }
  void set_format_error(absl::Status status) {
    format_error_ = std::move(status);
  }

  absl::Status Format(const Thread& self) override {
    MPOOL_RETURN_IF_ERROR(format_error_);
    return region_.memory()
        .heap()
        .AllocateLinked(self, sizeof(TestRoot), 64,
                        &region_.memory().header()->root)
        .status();
  }
  absl::Status Check(Sharing, Reachable* reached) override {
    if (reached->Add(region_.memory().header()->root.load(),
                     sizeof(TestRoot))) {
      return absl::OkStatus();
    }
    return absl::DataLossError("its root is damaged");
  }
  void Adopt(const Thread&, Reachable* reached,
             RepairReport* report) override {
    for (Latch& latch : root().latches) {
      if (latch.Reset()) ++report->latches;
    }
    for (const auto& place : root().places) reached->Add(place.load(), 1);
  }
  void RepairClient(const RepairPass& pass) override {
    for (Latch& latch : root().latches) {
      const uint32_t owner = latch.owner();
      if (pass.IsDead(owner) && latch.ReleaseDead(owner)) {
        ++pass.report->latches;
      }
    }
  }

 private:
  Region& region_;
  absl::Status format_error_;
};

// One process's attachment to a home. An attachment that is destroyed without
// Leave simulates a process that died.
class Attachment {
 public:
  static absl::StatusOr<std::unique_ptr<Attachment>> Open(
      const std::string& home, const RegionOptions& options = TestOptions(),
      const absl::Status& format_error = absl::OkStatus()) {
    auto made = std::make_unique<Attachment>();
    MPOOL_ASSIGN_OR_RETURN(os::File dir, os::File::OpenDirectory(home));
    MPOOL_ASSIGN_OR_RETURN(made->region_,
                           Region::Prepare(std::move(dir), options));
    made->tenant_ = std::make_unique<TestTenant>(*made->region_);
    made->tenant_->set_format_error(format_error);
    made->region_->repairer().set_on_repair(
        [at = made.get()](const RepairReport& report) {
          at->at_attach_ = report;
        });
    MPOOL_RETURN_IF_ERROR(made->region_->Attach(*made->tenant_));
    RepairReport predecessor;
    made->region_->repairer().RepairPredecessor(&predecessor);
    made->region_->repairer().set_on_repair(nullptr);
    return made;
  }

  Region& region() { return *region_; }
  Shalloc& heap() { return region_->memory().heap(); }
  TestRoot& root() { return tenant_->root(); }
  Thread self() const { return region_->members().process_thread(); }

  // Repairs the heap as if this process had died with its latches free.
  void RepairHeap() {
    const Thread me = self();
    RepairReport report;
    heap().Repair({me, me.process, DeadThreads(), &report},
                  [&](uint64_t payload) {
                    return region_->repairer().IsLinked(payload, me.process);
                  });
  }
  RepairReport Repair() {
    RepairReport report;
    region_->repairer().RepairAll(self(), &report);
    return report;
  }
  absl::Status Leave() {
    bool is_last = false;
    MPOOL_ASSIGN_OR_RETURN(os::ByteLock gate, region_->BeginLeave(&is_last));
    region_->Leave(std::move(gate));
    return absl::OkStatus();
  }

  // The repairs that Open did because it adopted the region or took the slot of
  // a dead process.
  const RepairReport& at_attach() const { return at_attach_; }

  // Slots that are not free.
  std::vector<uint32_t> ProcessSlots() const {
    std::vector<uint32_t> slots;
    for (uint32_t i = 0; i < kMaxProcesses; ++i) {
      const ProcessWord word = ProcessWord::Unpack(
          region_->memory().header()->processes[i].word.load());
      if (word.state != SlotState::kFree) slots.push_back(i + 1);
    }
    return slots;
  }
  std::vector<uint32_t> ThreadSlots() const {
    std::vector<uint32_t> slots;
    for (uint32_t id = 1; id <= kMaxThreads; ++id) {
      const ThreadSlot* slot = region_->members().SlotOf(id);
      if (slot == nullptr) continue;
      if (ThreadWord::Unpack(slot->word.load()).state != ThreadState::kFree) {
        slots.push_back(id);
      }
    }
    return slots;
  }

 private:
  std::unique_ptr<Region> region_;
  std::unique_ptr<TestTenant> tenant_;
  RepairReport at_attach_;
};

// Removes the region of a home that no process is attached to.
inline absl::Status RemoveRegion(const std::string& home) {
  MPOOL_ASSIGN_OR_RETURN(os::File dir, os::File::OpenDirectory(home));
  MPOOL_ASSIGN_OR_RETURN(RegionRemover remover,
                         RegionRemover::Begin(std::move(dir)));
  return remover.Finish();
}

// Returns the names that test::AllOf lists for exactly one environment.
inline std::vector<std::string> OneEnvironment(
    Backing backing = Backing::kPosixShm) {
  if (backing == Backing::kFile) {
    return {"__db.001", "__db.002", "__db.register"};
  }
  return {"__db.001", "__db.register",
          backing == Backing::kSysV ? "System V memory" : "/dev/shm/"};
}

}  // namespace mpool::region

#endif  // MPOOL_TESTS_SUPPORT_TEST_REGION_H_
