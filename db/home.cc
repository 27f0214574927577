// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "db/home.h"

#include <cerrno>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "db/options.h"
#include "mpool/observe/holders.h"
#include "mpool/pool/signature.h"
#include "os/assert.h"
#include "os/directory.h"
#include "os/filesystem.h"
#include "os/status.h"

namespace mpool::internal {
namespace {

// Holding::what of a process that opens, closes, adopts or removes.
constexpr std::string_view kGate =
    "the gate: it opens, closes or removes the environment";

// Tells a write-back how to treat a panicked region.
enum class IfPanicked { kWrite, kRefuse };

// Writes back the pages of a region without processes. Attaches for that time.
absl::Status WriteBackIdle(os::File dir, const region::RegionRemover& remover,
                           IfPanicked if_panicked, Recreation recreation) {
  const std::string path = dir.path();
  region::RegionOptions options = RegionOptionsFor({});
  options.create = false;
  MPOOL_ASSIGN_OR_RETURN(std::unique_ptr<region::Region> region,
                         region::Region::Prepare(std::move(dir), options));
  Pool pool(*region, std::move(recreation.callbacks),
            std::move(recreation.on_forgotten));
  region->repairer().set_on_repair([&](const RepairReport& report) {
    if (recreation.on_repair) recreation.on_repair(report, pool);
  });
  const absl::Status attached = region->Attach(pool.client(), &remover.gate());
  // A region that is not whole has no pages to write back.
  if (absl::IsNotFound(attached)) return absl::OkStatus();
  MPOOL_RETURN_IF_ERROR(attached);
  MPOOL_ASSERT(region->attached() != region::Attached::kCreated);
  absl::Status status = pool.Start();
  if (status.ok()) status = RepairAtAttach(*region, pool);
  if (status.ok() && if_panicked == IfPanicked::kRefuse) {
    status = pool.panic().Check();
  }
  if (status.ok()) status = pool.Sync(std::nullopt, absl::InfiniteDuration());
  const uint64_t dirty = pool.Stats().frames_dirty;
  pool.Stop();
  region->Leave(os::ByteLock());
  if (status.ok()) return status;
  return absl::FailedPreconditionError(absl::StrCat(
      "its pages are not all on disk, ", dirty, " of them dirty (",
      status.ToString(), ")"));
}

}  // namespace

absl::StatusOr<os::File> OpenHome(std::string_view verb,
                                  std::string_view home) {
  const std::string what =
      absl::StrCat(os::Abs(verb), " environment ", os::Abs(home), ": ");
  if (home.empty() || home.find('\0') != std::string_view::npos) {
    return absl::InvalidArgumentError(absl::StrCat(
        what, "the path is empty or has a NUL in it; name a directory"));
  }
  absl::StatusOr<std::string> path = os::AbsolutePath(home);
  absl::StatusOr<os::File> dir =
      path.ok() ? os::File::OpenDirectory(*path)
                : absl::StatusOr<os::File>(path.status());
  if (absl::IsNotFound(dir.status())) {
    return absl::NotFoundError(
        absl::StrCat(what, "there is no such directory; make it first, or "
                           "name the one that its programs use"));
  }
  if (os::StatusErrno(dir.status()) == ENOTDIR) {
    return absl::InvalidArgumentError(absl::StrCat(
        what, "it is not a directory; name the directory that shall hold the "
              "environment"));
  }
  MPOOL_ASSERT(!dir.ok() || dir->path().starts_with('/'));
  return dir;
}

absl::Status RepairAtAttach(region::Region& region, Pool& pool) {
  MPOOL_ASSERT(region.generation().HasEntered());
  RepairReport report;
  region.repairer().RepairPredecessor(&report);
  return pool.FailCheck().status();
}

EffectiveOptions EffectiveOf(const region::Memory& memory,
                             const FrameTable& frames) {
  MPOOL_ASSERT(frames.IsAttached());
  const region::FixedHeader& fixed = memory.fixed();
  return {.cache_bytes = frames.extents().cache_bytes(),
          .max_cache_bytes = fixed.max_cache_bytes,
          .backing = static_cast<Backing>(fixed.backing),
          .policy = static_cast<Policy>(fixed.policy),
          .mode = static_cast<int>(fixed.mode)};
}

absl::StatusOr<HomeView> InspectHome(std::string_view home) {
  MPOOL_ASSIGN_OR_RETURN(os::File dir, OpenHome("inspect", home));
  return InspectHome(std::move(dir));
}

absl::StatusOr<HomeView> InspectHome(os::File dir) {
  HomeView view;
  view.dir = std::move(dir);
  MPOOL_ASSIGN_OR_RETURN(
      region::Inspection inspection,
      region::InspectRegion(view.dir, LayoutSignature()));
  view.memory = std::make_unique<region::Memory>(
      std::string(view.dir.path()), region::MemoryOptions{});
  view.memory->Use(std::move(inspection.mapping), inspection.fixed);
  view.frames = std::make_unique<FrameTable>(*view.memory);
  region::Reachable reached(view.memory->heap());
  const absl::Status sound = view.frames->Check(&reached);
  if (!sound.ok()) {
    return absl::DataLossError(absl::StrCat(
        "inspect ", view.dir.path(), ": ", sound.message(),
        "; DbEnv::Open refuses it, and 'mpool remove --force' discards it"));
  }
  view.threads = std::make_unique<region::ThreadSlots>(*view.memory);
  view.files = std::make_unique<FileEntries>(*view.memory, *view.frames);
  MPOOL_ASSERT(view.memory->header() != nullptr);
  return view;
}

std::string DescribeGateOf(const os::File& dir) {
  const absl::StatusOr<os::LockFile> locks =
      os::LockFile::Open(dir, region::kRegisterName, false, 0600);
  return locks.ok() ? absl::StrCat(region::DescribeGateHolder(*locks),
                                   " is inside the gate")
                    : "the lock file of the home cannot be opened";
}

absl::StatusOr<std::vector<Holding>> HoldersOfHome(std::string_view home) {
  MPOOL_ASSIGN_OR_RETURN(const os::File dir, OpenHome("inspect", home));
  const absl::StatusOr<os::LockFile> locks =
      os::LockFile::Open(dir, region::kRegisterName, false, 0600);
  std::vector<Holding> holdings;
  if (locks.ok()) {
    const auto holder = locks->FindHolder();
    if (holder.ok() && holder->has_value()) {
      Holding& gate = holdings.emplace_back();
      gate.pid = (*holder)->pid;
      gate.command = region::CommandOf(**holder);
      gate.what = kGate;
    }
  }
  const absl::StatusOr<HomeView> view = InspectHome(home);
  const bool is_made = !absl::IsUnavailable(view.status()) &&
                       !absl::IsNotFound(view.status());
  if (!view.ok() && !is_made && !holdings.empty()) return holdings;
  MPOOL_RETURN_IF_ERROR(view.status());
  MPOOL_RETURN_IF_ERROR(locks.status());
  for (Holding& holding :
       HoldingsOf(*view->memory, *view->threads, *view->frames, *view->files,
                  [&](uint32_t slot) {
                    const auto held = locks->FindHeld(slot, 1);
                    return !held.ok() || held->has_value();
                  })) {
    holdings.push_back(std::move(holding));
  }
  return holdings;
}

absl::Status RemoveHome(std::string_view home, DirtyPages dirty_pages) {
  MPOOL_ASSIGN_OR_RETURN(os::File dir, OpenHome("remove", home));
  os::SettleIdentity(dir);
  MPOOL_ASSIGN_OR_RETURN(os::File again, os::File::OpenDirectory(dir));
  MPOOL_ASSERT(again.path() == dir.path());
  const std::string home_path = dir.path();
  MPOOL_ASSIGN_OR_RETURN(region::RegionRemover remover,
                         region::RegionRemover::Begin(std::move(again)));
  if (remover.descriptor().has_value() &&
      dirty_pages == DirtyPages::kWriteBack) {
    const absl::Status written =
        WriteBackIdle(std::move(dir), remover, IfPanicked::kWrite, {});
    if (absl::IsFailedPrecondition(written)) {
      return absl::FailedPreconditionError(
          absl::StrCat("remove ", home_path, ": ", written.message(),
                       "; mend that, or discard them with force"));
    }
    MPOOL_RETURN_IF_ERROR(written);
  }
  return remover.Finish();
}

absl::Status RemoveIfOtherOptions(const os::File& dir,
                                  const EnvOptions& options,
                                  Recreation recreation) {
  auto differs = [&] {
    absl::StatusOr<os::File> again = os::File::OpenDirectory(dir);
    if (!again.ok()) return false;
    const absl::StatusOr<HomeView> view = InspectHome(*std::move(again));
    return view.ok() &&
           !DescribeDifferences(options,
                                EffectiveOf(*view->memory, *view->frames),
                                view->memory->fixed().cache_bytes)
                .empty();
  };
  // Attach returns the error of a region that cannot be inspected.
  if (!differs()) return absl::OkStatus();
  MPOOL_ASSIGN_OR_RETURN(os::File again, os::File::OpenDirectory(dir));
  absl::StatusOr<region::RegionRemover> remover =
      region::RegionRemover::Begin(std::move(again), options.wait);
  if (absl::IsFailedPrecondition(remover.status())) return absl::OkStatus();
  MPOOL_RETURN_IF_ERROR(remover.status());
  // Another process may have created the region again before the gate was held.
  if (!remover->gate().held() || !differs()) return absl::OkStatus();
  MPOOL_ASSIGN_OR_RETURN(os::File home, os::File::OpenDirectory(dir));
  MPOOL_RETURN_IF_ERROR(WriteBackIdle(std::move(home), *remover,
                                      IfPanicked::kRefuse,
                                      std::move(recreation)));
  return remover->Finish();
}

}  // namespace mpool::internal
