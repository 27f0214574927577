// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/replay/replay_worker.h"

#include <algorithm>
#include <thread>
#include <utility>
#include <vector>

#include "os/clock.h"
#include "os/status.h"
#include "tools/replay/page_content.h"

namespace mpool::tools {
namespace {

// Number of references that a worker takes from the cursor at a time.
constexpr uint64_t kBlock = 64;

class Worker {
 public:
  Worker(const ReplayPlan& plan, MPoolFile& file, ReplayControl& control)
      : plan_(plan), file_(file), control_(control) {}

  absl::Status Run() {
    const uint64_t count = plan_.trace->pages.size();
    while (control_.phase.load(std::memory_order_relaxed) ==
           ReplayControl::kGo) {
      const uint64_t first = control_.cursor.fetch_add(kBlock);
      if (first >= count) break;
      const uint64_t end = std::min(first + kBlock, count);
      for (uint64_t index = first; index < end; ++index) {
        MPOOL_RETURN_IF_ERROR(Reference(index));
      }
      control_.gets.fetch_add(std::exchange(gets_, 0));
      control_.writes.fetch_add(std::exchange(writes_, 0));
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Reference(uint64_t index) {
    const PageNo page = plan_.trace->pages[index];
    if (IsWrite(*plan_.trace, plan_.options, index)) return Write(page);
    return Read(page);
  }

  absl::Status Read(PageNo page) {
    MPOOL_ASSIGN_OR_RETURN(ReadPage guard, file_.Get(page));
    ++gets_;
    if (plan_.options.verify) Check(page, guard.data());
    guard.Put();
    return absl::OkStatus();
  }

  absl::Status Write(PageNo page) {
    MPOOL_ASSIGN_OR_RETURN(WritePage guard, file_.GetForUpdate(page));
    ++gets_;
    ++writes_;
    if (plan_.options.verify) {
      const uint32_t version = Check(page, guard.data());
      FillPage({plan_.file->file_hash(), page, version + 1}, guard.data());
      plan_.versions[page].store(version + 1, std::memory_order_relaxed);
    } else {
      guard.data().front() ^= std::byte{1};
    }
    guard.Put();
    return absl::OkStatus();
  }

  // Compares a page with its version. The counter changes only while the page
  // is held for update, so a holder of the page knows the right version.
  uint32_t Check(PageNo page, std::span<const std::byte> bytes) {
    const uint32_t version =
        plan_.versions[page].load(std::memory_order_relaxed);
    const std::string why =
        CheckPage({plan_.file->file_hash(), page, version}, bytes);
    if (!why.empty()) {
      control_.ReportWrongPage(plan_.file->shape().name, page,
                               "in the pool " + why);
    }
    return version;
  }

  const ReplayPlan& plan_;
  MPoolFile& file_;
  ReplayControl& control_;
  uint64_t gets_ = 0;
  uint64_t writes_ = 0;
};

// Stores `value` if it is above the maximum.
void RaiseTo(std::atomic<uint64_t>& maximum, uint64_t value) {
  uint64_t seen = maximum.load();
  while (seen < value && !maximum.compare_exchange_weak(seen, value)) {
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<DbEnv>> OpenReplayEnv(const ReplayPlan& plan) {
  EnvOptions options;
  options.cache_bytes = plan.frames * plan.options.page_size;
  options.backing = plan.options.backing;
  options.policy = plan.policy;
  options.on_mismatch = Mismatch::kKeep;
  return DbEnv::Open(plan.home, options);
}

absl::StatusOr<std::unique_ptr<MPoolFile>> OpenReplayFile(
    const ReplayPlan& plan, DbEnv& env) {
  FileOptions options;
  options.page_size = plan.options.page_size;
  return env.OpenFile(plan.file->shape().name, options);
}

bool IsWrite(const Trace& trace, const ReplayOptions& options, uint64_t index) {
  if (trace.dirties[index]) return true;
  if (options.write_percent <= 0) return false;
  // The upper 53 bits as a fraction in [0, 1).
  const uint64_t bits = Mix(Mix(options.seed) ^ index) >> 11;
  return static_cast<double>(bits) * 0x1p-53 * 100 < options.write_percent;
}

void RunThreads(const ReplayPlan& plan, MPoolFile& file,
                ReplayControl& control) {
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < plan.options.threads; ++i) {
    threads.emplace_back([&] {
      const absl::Status status = Worker(plan, file, control).Run();
      if (!status.ok()) control.ReportFailure(status);
      RaiseTo(control.end_ns, os::MonotonicNs());
    });
  }
  for (std::thread& thread : threads) thread.join();
}

void RunProcess(const ReplayPlan& plan, ReplayControl& control) {
  absl::StatusOr<std::unique_ptr<DbEnv>> env = OpenReplayEnv(plan);
  if (!env.ok()) return control.ReportFailure(env.status());
  absl::StatusOr<std::unique_ptr<MPoolFile>> file = OpenReplayFile(plan, **env);
  if (!file.ok()) return control.ReportFailure(file.status());
  control.Announce(control.opened);
  if (control.WaitForPhase() == ReplayControl::kGo) {
    RunThreads(plan, **file, control);
  }
  absl::Status status = (*file)->Close();
  if (status.ok()) {
    file->reset();
    status = (*env)->Close();
  }
  if (!status.ok()) control.ReportFailure(status);
}

}  // namespace mpool::tools
