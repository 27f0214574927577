// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// home.h - the directory of an environment: opening, inspecting and removing
// it.
//
// Concurrency: thread-safe. InspectHome takes no latch and no slot, so that it
//              works on a panicked or full environment.
// Crash:       a remover that dies leaves a home that an open makes again and
//              another removal removes.

#ifndef MPOOL_DB_HOME_H_
#define MPOOL_DB_HOME_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mpool/options.h"
#include "mpool/pool/pool.h"
#include "mpool/stats.h"
#include "os/file.h"
#include "region/region.h"

namespace mpool::internal {

// Opens the directory of a home; the path of the result is absolute. `verb`
// names the call in an error. Errors: InvalidArgument, NotFound, and errors of
// the file system.
absl::StatusOr<os::File> OpenHome(std::string_view verb,
                                  std::string_view home);

// Repairs the former owner of this process's slot, then all other dead
// processes. REQUIRES: the process is attached.
absl::Status RepairAtAttach(region::Region& region, Pool& pool);

// A home's region, mapped read-only for Inspect and Holders.
struct HomeView {
  os::File dir;
  std::unique_ptr<region::Memory> memory;
  std::unique_ptr<FrameTable> frames;
  std::unique_ptr<region::ThreadSlots> threads;
  std::unique_ptr<FileEntries> files;
};
// Errors: those of OpenHome, NotFound if the home has no region, DataLoss if
// the region is damaged.
absl::StatusOr<HomeView> InspectHome(std::string_view home);
absl::StatusOr<HomeView> InspectHome(os::File dir);
// Returns the options in force in a region.
EffectiveOptions EffectiveOf(const region::Memory& memory,
                             const FrameTable& frames);

// Returns the name of the process that holds the gate of a home, for an error
// message.
std::string DescribeGateOf(const os::File& dir);
// Returns the holder of the gate, then the holdings of the region. Errors:
// those of InspectHome, except that the holder of the gate alone is returned
// while the region is created or removed.
absl::StatusOr<std::vector<Holding>> HoldersOfHome(std::string_view home);

// The treatment of pages that only the region has.
enum class DirtyPages {
  kWriteBack,  // if one cannot be written, nothing is removed
  kDiscard,
};

// Removes the region and the other files of the environment. Errors:
// FailedPrecondition if a process is attached or a page could not be written.
absl::Status RemoveHome(std::string_view home, DirtyPages dirty_pages);

// The parts of an environment that writes back a region before it creates the
// region again.
struct Recreation {
  WriteCallbacks callbacks;
  // Called with a repair that the write-back found, and the pool.
  std::function<void(const RepairReport&, Pool&)> on_repair;
  std::function<void(const Forgotten&)> on_forgotten;
};
// Removes the region of a home if no process is attached, it differs from what
// `options` ask for, and all its pages are clean or could be written back.
// Returns Ok also if nothing is to be done or a process is attached;
// DeadlineExceeded after options.wait; and the reason why a region without
// processes stays.
absl::Status RemoveIfOtherOptions(const os::File& dir,
                                  const EnvOptions& options,
                                  Recreation recreation);

}  // namespace mpool::internal

#endif  // MPOOL_DB_HOME_H_
