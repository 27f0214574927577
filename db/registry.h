// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// registry.h - the attachments of this process, by home, and the handlers that
// keep them whole across a fork.
//
// Role:        all handles of one home in one process share one Environment.
//              The first handle attaches; the last one leaves.
// Concurrency: thread-safe. One mutex is held while a process attaches or
//              leaves, so that no environment closes beside an open. A fork
//              locks the registry, the pools, the events and the locks that are
//              being made, in this order, which is the order of all code.
// Invariants:  R1 at most one attachment of a home is kOpen. R2 a kOpen
//              attachment has a handle. R3 an attachment stays in the list
//              while guards may hold pages of its memory.
// Crash:       a process that ends without Close is repaired by the others. A
//              forked child inherits the list and uses the attachments with
//              memory that it shares.

#ifndef MPOOL_DB_REGISTRY_H_
#define MPOOL_DB_REGISTRY_H_

#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mpool/options.h"
#include "os/file.h"
#include "os/mutex.h"
#include "os/status.h"

namespace mpool::internal {

class Environment;

class Registry {
 public:
  // Returns the registry of this process. The first call sets the handlers of
  // forks.
  static Registry& OfProcess();

  // Returns the process's attachment to `home`, made by the first call, and
  // adds one handle to it.
  absl::StatusOr<std::shared_ptr<Environment>> Open(std::string_view home,
                                                    const EnvOptions& options)
      MPOOL_EXCLUDES(mutex_);
  // Releases one handle. The last one leaves the region. After an error nothing
  // is closed.
  absl::Status Close(Environment& env) MPOOL_EXCLUDES(mutex_);
  // Releases one handle for a destructor. Leaves even if pages could not be
  // written. If guards or files are open, stays attached until the process
  // ends. If the process cannot leave, stays attached until a later Open finds
  // that it can. Reports all three cases as events.
  void Abandon(std::shared_ptr<Environment> env) MPOOL_EXCLUDES(mutex_);
  // Releases the descriptors that the environments of this process keep of
  // files that are not open. Does nothing while an open or close is under way.
  void ReleaseDescriptors() MPOOL_EXCLUDES(mutex_);

 private:
  enum class State {
    kOpen,       // an open of its home shares it
    kAbandoned,  // keeps its memory mapped; no handle can be added
    kStays,      // could not leave; a later open tries again
  };
  struct Attachment {
    std::shared_ptr<Environment> env;
    uint32_t handles = 0;
    State state = State::kOpen;
  };

  // The registry without the handlers of forks. They use it, also if a fork
  // meets the first Open.
  static Registry& Unwatched();
  static void LockEvents();
  static void UnlockEvents();

  // Removes the attachments that could not leave before and can now.
  void RemoveLateLeavers() MPOOL_REQUIRES(mutex_);
  // Returns the kOpen attachment of a home, or nullptr.
  Attachment* FindOpen(const os::FileIdentity& identity)
      MPOOL_REQUIRES(mutex_);
  // REQUIRES: `env` is in the list.
  Attachment& Find(const Environment& env) MPOOL_REQUIRES(mutex_);
  void Remove(const Environment& env) MPOOL_REQUIRES(mutex_);
  // Attaches a forked child to the inherited attachment. Abandons the
  // attachment if that fails and another one can be made.
  absl::Status EnterInherited(Attachment& known) MPOOL_REQUIRES(mutex_);

  os::Mutex mutex_;
  std::vector<Attachment> attachments_ MPOOL_GUARDED_BY(mutex_);
};

inline const absl::Status& StatusOf(const absl::Status& status) {
  return status;
}
template <class T>
const absl::Status& StatusOf(const absl::StatusOr<T>& result) {
  return result.status();
}

// Calls `call`, and once more if the process had no descriptor left, because
// kept descriptors must not be the reason. Quotes the error (os/quote.h),
// because it may have names that other users chose.
template <class Call>
auto WithDescriptors(Call call) {
  auto result = call();
  if (os::IsOutOfDescriptors(StatusOf(result))) {
    Registry::OfProcess().ReleaseDescriptors();
    result = call();
  }
  if (!result.ok()) result = os::QuotedStatus(StatusOf(result));
  return result;
}

}  // namespace mpool::internal

#endif  // MPOOL_DB_REGISTRY_H_
