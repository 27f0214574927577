// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// environment.h - one attachment of this process to a home, shared by all
// DbEnv handles that this process opens on it.
//
// Concurrency: thread-safe; opening and closing acquire the registry's mutex.
// Crash:       a process that ends without Close is repaired by the others.

#ifndef MPOOL_DB_ENVIRONMENT_H_
#define MPOOL_DB_ENVIRONMENT_H_

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mpool/options.h"
#include "mpool/pool/pool.h"
#include "os/file.h"
#include "os/node.h"
#include "region/region.h"

namespace mpool::internal {

class Environment {
 public:
  // Returns the process's attachment to `home`, created by the first call.
  // Adds one handle to the attachment.
  static absl::StatusOr<std::shared_ptr<Environment>> Open(
      std::string_view home, const EnvOptions& options);

  ~Environment();

  Pool& pool() { return *pool_; }
  const region::Region& region() const { return *region_; }
  const std::string& home() const { return home_; }

  absl::StatusOr<OpenedFile*> OpenFile(std::string_view path,
                                       const FileOptions& options);
  absl::Status CloseFile(OpenedFile* file);
  // Closes a file for a destructor. Closes even if pages could not be written.
  // If guards hold pages, the file stays open until the process ends. Reports
  // both cases through on_event.
  void AbandonFile(OpenedFile* file);

  // Releases one handle. The last one leaves the region. After an error nothing
  // is closed.
  absl::Status Close();
  // Releases one handle for a destructor. Leaves even if pages could not be
  // written. If guards or files are open, stays attached until the process
  // ends. If the process cannot leave, stays attached until a later Open finds
  // that it can. Reports all three cases through on_event.
  static void Abandon(std::shared_ptr<Environment> env);
  // Releases the descriptors that the environments of this process keep of
  // files that are not open.
  static void ReleaseDescriptors();
  // Leaves the region if an earlier leave failed; true if that succeeds.
  bool HasLeftLate();

  // Passes the events since the last call to on_event.
  // REQUIRES: no latch is held.
  void DeliverEvents();
  void Report(Event::Kind kind, std::string message);
  // Locked around a fork, so that the child's events are consistent.
  std::mutex& events_mutex() { return events_mutex_; }

 private:
  Environment(std::string home, const os::FileIdentity& identity,
              const EnvOptions& options);

  absl::Status Attach(os::File dir);
  absl::Status CheckPanic(const EnvOptions& options);
  void ReportOrigin();
  absl::Status CheckPath(const std::string& path) const;
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
  void ForceClose(const OpenedFile& file);
  std::vector<std::string> Guards(std::optional<uint32_t> file) const;
  absl::Status CheckNoGuardsOn(const OpenedFile& file) const;
  absl::Status CheckNothingOut();
  absl::Status Leave(bool force, bool* has_left);
  absl::Status Stay(const absl::Status& why);

  const std::string home_;
  const os::FileIdentity identity_;
  const EnvOptions options_;
  uint32_t handles_ = 0;  // guarded by the registry
  bool stays_ = false;    // true if it could not leave; guarded by the registry
  std::unique_ptr<region::Region> region_;
  std::unique_ptr<Pool> pool_;
  std::mutex events_mutex_;
  std::vector<Event> events_;  // guarded by events_mutex_
};

// Opens a region for removal, writes back its dirty pages, and removes it.
absl::Status RemoveHome(std::string_view home, bool force);

// A home's region, mapped read-only for Inspect and Holders.
struct Look {
  os::File dir;
  std::unique_ptr<region::Region> region;
  std::unique_ptr<FrameTable> frames;
  std::unique_ptr<FileTable> files;
};
absl::StatusOr<Look> LookAt(std::string_view home);

// Opens the directory of a home; the path of the result is absolute. `verb`
// names the call in an error. Errors: InvalidArgument, NotFound, and errors of
// the file system.
absl::StatusOr<os::File> OpenHome(std::string_view verb,
                                  std::string_view home);

// Checks options. Unimplemented for options that this build does not support,
// InvalidArgument for wrong values.
absl::Status Validate(const EnvOptions& options);
absl::Status Validate(std::string_view path, const FileOptions& options);

// Returns the options of the region of a new environment.
region::RegionOptions RegionOptionsFor(const EnvOptions& options);

inline const absl::Status& StatusOf(const absl::Status& status) {
  return status;
}
template <class T>
const absl::Status& StatusOf(const absl::StatusOr<T>& result) {
  return result.status();
}

// Calls `call`, and once more if the process had no descriptor left, because
// kept descriptors must not be the reason.
template <class Call>
auto WithDescriptors(Call call) {
  auto result = call();
  if (os::IsOutOfDescriptors(StatusOf(result))) {
    Environment::ReleaseDescriptors();
    result = call();
  }
  return result;
}

}  // namespace mpool::internal

#endif  // MPOOL_DB_ENVIRONMENT_H_
