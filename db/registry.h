// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// registry.h - the attachments of this process, by home, and the handlers that
// keep them whole across a fork.
//
// Role:        all handles of one home in one process share one Environment.
//              The first handle attaches; the last one leaves.
// Concurrency: thread-safe. The mutex protects the list and is held for short
//              sections only, without a system call that can wait. A thread
//              that opens or closes a home makes the home's attachment busy
//              and works without the mutex. Opens and closes of this home wait
//              until it is idle; those of other homes, and forks, do not.
//              A fork locks the registry, the pools, the events and the locks
//              that are being made, in this order, which is the order of all
//              code.
// Invariants:  R1 a home has at most one attachment that is kAttaching or
//              kOpen. R2 a kOpen attachment has a handle, or is busy.
//              R3 an attachment stays in the list while guards may hold pages
//              of its memory. R4 only the thread that made an attachment busy
//              changes its state, removes it or leaves its region.
//              R5 a thread that has made an attachment busy never waits for
//              another busy one, nor for users. So threads cannot deadlock.
// Crash:       a process that ends without Close is repaired by the others. A
//              forked child inherits the list and uses the attachments with
//              memory that it shares. The thread of a busy attachment does not
//              exist in the child. The child drops an attachment that was being
//              made, keeps one that was being left as kForgotten, and uses each
//              other one.

#ifndef MPOOL_DB_REGISTRY_H_
#define MPOOL_DB_REGISTRY_H_

#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mpool/options.h"
#include "os/clock.h"
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
  // adds one handle to it. Waits at most options.wait for another thread that
  // opens or closes the same home; DeadlineExceeded then.
  absl::StatusOr<std::shared_ptr<Environment>> Open(std::string_view home,
                                                    const EnvOptions& options)
      MPOOL_EXCLUDES(mutex_);
  // Releases one handle and sets it to null. The last one leaves the region.
  // After an error the handle is null if the region was left and could not be
  // removed. Otherwise nothing is closed.
  absl::Status Close(std::shared_ptr<Environment>* handle)
      MPOOL_EXCLUDES(mutex_);
  // Releases one handle for a destructor. Leaves even if pages could not be
  // written. If guards or files are open, stays attached until the process
  // ends. If the process cannot leave, stays attached until a later Open finds
  // that it can. Reports all three cases as events.
  void Abandon(std::shared_ptr<Environment> env) MPOOL_EXCLUDES(mutex_);
  // Releases the descriptors that the environments of this process keep of
  // files that are not open. Skips attachments that are busy.
  void ReleaseDescriptors() MPOOL_EXCLUDES(mutex_);

 private:
  enum class State {
    kAttaching,  // busy; the environment is not made yet
    kOpen,       // an open of its home shares it
    kLeaving,    // busy; its last handle closes, or a late leaver leaves
    kAbandoned,  // keeps its memory mapped; no handle can be added
    kStays,      // could not leave; a later open tries again
    kForgotten,  // a fork found it kLeaving; the child makes no call into it
  };
  struct Attachment {
    os::FileIdentity identity;  // of the home
    std::shared_ptr<Environment> env = {};
    uint32_t handles = 0;
    // Threads that use the pool without a handle. None starts while it is busy.
    uint32_t users = 0;
    State state = State::kAttaching;
    bool is_busy = true;
  };

  // The registry without the handlers of forks. They use it, also if a fork
  // meets the first Open.
  static Registry& Unwatched();
  static void LockEvents();
  static void UnlockEvents();
  // Drops, in a forked child, the work of threads that only the parent has,
  // then unlocks.
  void UnlockInChild();

  // Makes the kOpen attachment of a home busy and returns it. Adds a
  // kAttaching one if there is none. Waits until the home's attachment is idle;
  // DeadlineExceeded, which names `home`.
  absl::StatusOr<Attachment*> Claim(const os::File& home,
                                    const os::FileIdentity& identity,
                                    const os::Deadline& deadline)
      MPOOL_EXCLUDES(mutex_);
  // Completes a busy attachment for one more handle: attaches the process, or
  // adds the options. An inherited attachment that this child cannot use is
  // abandoned, and *one is then a new attachment.
  absl::StatusOr<std::shared_ptr<Environment>> Complete(
      Attachment** one, os::File dir, const EnvOptions& options,
      const os::Deadline& deadline)
      MPOOL_EXCLUDES(mutex_);
  // Attaches a forked child to the inherited attachment. DeadlineExceeded if
  // another process holds the gate until the deadline. Sets *usable to false
  // if that fails and another attachment can be made.
  static absl::Status EnterInherited(Environment& env,
                                     const os::Deadline& deadline,
                                     bool* usable);
  // Ends the busy time of an attachment, in the given state.
  void Settle(Attachment& one, State state) MPOOL_REQUIRES(mutex_);
  void Remove(Attachment& one) MPOOL_REQUIRES(mutex_);

  // Removes the attachments that could not leave before and can now. Waits for
  // no lock of another process.
  void RemoveLateLeavers() MPOOL_EXCLUDES(mutex_);
  // Returns the environments of all idle attachments in a state.
  std::vector<std::shared_ptr<Environment>> IdleIn(State state) const
      MPOOL_REQUIRES(mutex_);
  // Returns the attachment of an environment; nullptr unless it is idle and in
  // this state.
  Attachment* FindIdle(const Environment& env, State state)
      MPOOL_REQUIRES(mutex_);
  // Returns the attachment of a home that an open would share or wait for, or
  // nullptr.
  Attachment* FindShared(const os::FileIdentity& identity)
      MPOOL_REQUIRES(mutex_);
  // Returns the attachment of an environment that has handles. Waits until it
  // is idle and has no users. nullptr if there is nothing to close, in a forked
  // child.
  Attachment* AwaitIdle(const Environment& env) MPOOL_REQUIRES(mutex_);
  // Releases the mutex until an attachment has changed, or for `timeout`.
  void AwaitChange(absl::Duration timeout) MPOOL_REQUIRES(mutex_);
  void NotifyChange() MPOOL_REQUIRES(mutex_);

  os::Mutex mutex_;
  // A list, because busy attachments are used without the mutex.
  std::list<Attachment> attachments_ MPOOL_GUARDED_BY(mutex_);
  // Rises with each change that a thread may wait for. A futex word and no
  // condition variable, because a forked child could not use the latter while
  // threads of its parent wait.
  std::atomic<uint32_t> changes_ = 0;
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
