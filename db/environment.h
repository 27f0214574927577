// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// environment.h - one attachment of this process to a home, shared by all
// DbEnv handles that this process opens on it.
//
// Role:        owns the mapped region and the pool. Opens and closes page
//              files. The registry counts its handles.
// Concurrency: thread-safe. The registry calls Attach, AddOptions and Leave
//              one at a time.
// Crash:       a process that ends without Close is repaired by the others.

#ifndef MPOOL_DB_ENVIRONMENT_H_
#define MPOOL_DB_ENVIRONMENT_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "db/events.h"
#include "mpool/options.h"
#include "mpool/pool/pool.h"
#include "os/file.h"
#include "os/node.h"
#include "region/region.h"

namespace mpool::internal {

// The condition for leaving a region.
enum class LeaveMode {
  kIfWritten,  // if a page could not be written, nothing is closed
  // The pages stay in the region, which outlives its processes unless it is on
  // the heap.
  kAnyway,
  kAtOnce,  // as kIfWritten, and only if no lock has to be waited for
};
struct LeaveResult {
  // Also an error of writing if kAnyway left in spite, or of the removal.
  absl::Status status;
  bool has_left = false;  // false: nothing is closed
};

class Environment {
 public:
  // Attaches the process to a home. REQUIRES: the options are valid; `dir` is
  // the home, and `identity` is its identity.
  static absl::StatusOr<std::shared_ptr<Environment>> Attach(
      os::File dir, const os::FileIdentity& identity,
      const EnvOptions& options);

  ~Environment();

  Pool& pool() { return *pool_; }
  const region::Region& region() const { return *region_; }
  const std::string& home() const { return home_; }
  const os::FileIdentity& identity() const { return identity_; }
  Events& events() { return events_; }

  // Returns the options in force.
  EffectiveOptions Effective() const;
  // Handles the options of another handle: more memory prepared or locked, the
  // panic, and differences from the options in force.
  absl::Status AddOptions(const EnvOptions& options);
  // Leaves the region. The last process writes back all pages first.
  LeaveResult Leave(LeaveMode mode);
  // Keeps the process attached, with its slot, because it cannot leave. Writes
  // pages as the last process would, because other attachments are unknown.
  // Returns the status to report. REQUIRES: `why` is an error.
  absl::Status Stay(const absl::Status& why);
  // Returns FailedPrecondition if guards or file handles are out.
  absl::Status CheckNothingOut();

  // Gives up the pages of a file that no process has open.
  absl::Status Forget(std::string_view path);
  // Gives up the pages of a file that only this handle has open.
  absl::Status DiscardFile(const OpenedFile& file);
  absl::StatusOr<OpenedFile*> OpenFile(std::string_view path,
                                       const FileOptions& options);
  absl::Status CloseFile(OpenedFile* file);
  // Closes a file for a destructor. Closes even if pages could not be written.
  // If guards hold pages, the file stays open until the process ends. Reports
  // both cases as events.
  void AbandonFile(OpenedFile* file);

 private:
  absl::Status Discard(uint32_t index, const os::File* file);
  Environment(std::string home, const os::FileIdentity& identity,
              const EnvOptions& options);

  absl::Status AttachRegion(os::File dir);
  absl::Status Enter();
  void ReportRepair(const RepairReport& report, Pool& pool);
  absl::Status CheckDifferences(const EnvOptions& options);
  absl::Status CheckPanic(const EnvOptions& options);
  absl::Status CheckPath(const std::string& path) const;
  absl::Status CheckLog(const std::string& path,
                        const FileOptions& options) const;
  absl::StatusOr<os::Node> FindPageFile(
      std::string_view path, const std::string& full,
      const std::optional<os::File>& dir) const;
  absl::StatusOr<os::File> MakePageFile(std::string_view path,
                                        const std::string& full,
                                        const std::optional<os::File>& dir,
                                        int mode) const;
  absl::Status OpenPageFile(std::string_view path, const std::string& full,
                            const FileOptions& options,
                            OpenRequest* request) const;
  bool ForgetFile(OpenedFile* file);
  bool EndsWithLastClose() const;
  // Leaves and removes the region. REQUIRES: every page is on disk (not
  // checkable: the caller wrote them); `gate` is held.
  LeaveResult Remove(os::ByteLock gate);
  std::vector<std::string> Guards(std::optional<uint32_t> file) const;
  absl::Status CheckNoGuardsOn(const OpenedFile& file) const;

  const std::string home_;
  const os::FileIdentity identity_;
  const EnvOptions options_;
  Events events_;
  std::string kept_because_;  // why a region was not created again
  std::unique_ptr<region::Region> region_;
  std::unique_ptr<Pool> pool_;
};

}  // namespace mpool::internal

#endif  // MPOOL_DB_ENVIRONMENT_H_
