// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "db/registry.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "db/environment.h"
#include "db/home.h"
#include "db/options.h"
#include "mpool/pool/forks.h"
#include "os/assert.h"
#include "os/backing/table.h"
#include "os/filesystem.h"
#include "os/fork.h"
#include "os/futex.h"
#include "os/lock_file.h"
#include "os/status.h"

namespace mpool::internal {
namespace {

// Returns FailedPrecondition if the process asks for memory without a name, and
// has the home open in memory with a name.
absl::Status CheckBacking(const Environment& env, Backing wanted) {
  const auto present =
      static_cast<Backing>(env.region().memory().fixed().backing);
  if (os::ReachOf(wanted) == os::Reach::kAnyProcess ||
      os::ReachOf(present) != os::Reach::kAnyProcess) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "open environment ", env.home(), " with Backing::",
      os::Abs(os::FindBacking(wanted)->enumerator),
      ": this process has it open with Backing::",
      os::Abs(os::FindBacking(present)->enumerator),
      ", which other processes can see; close that handle first, or ask for "
      "the same backing"));
}

}  // namespace

Registry& Registry::Unwatched() {
  static Registry* registry = new Registry;
  return *registry;
}

// Not checked: the forking thread holds the registry's mutex here, and the
// number of mutexes is known only at run time.
void Registry::LockEvents() MPOOL_NO_THREAD_SAFETY {
  for (Attachment& one : Unwatched().attachments_) {
    if (one.env != nullptr) one.env->events().LockForFork();
  }
}

void Registry::UnlockEvents() MPOOL_NO_THREAD_SAFETY {
  for (Attachment& one : Unwatched().attachments_) {
    if (one.env != nullptr) one.env->events().UnlockAfterFork();
  }
}

// The mutex is unlocked last, so the list does not change between the handlers.
// An attachment that was being made is dropped as a whole: its parts are in an
// unknown state, and no handle of it exists. The child keeps the descriptors
// and the mapping of such parts until it ends or execs. An attachment that was
// being left may be half stopped. Its handle exists in the child, but was in
// its last call.
void Registry::UnlockInChild() MPOOL_NO_THREAD_SAFETY {
  attachments_.remove_if(
      [](const Attachment& one) { return one.env == nullptr; });
  for (Attachment& one : attachments_) {
    MPOOL_ASSERT(one.state != State::kAttaching);
    if (one.state == State::kLeaving) one.state = State::kForgotten;
    one.is_busy = false;
    one.users = 0;
  }
  mutex_.unlock();
}

Registry& Registry::OfProcess() {
  static Registry& registry = []() -> Registry& {
    // Fork handlers run in reverse order of registration.
    os::LockFile::WatchForks();
    os::AtFork(LockEvents, UnlockEvents);
    WatchForks();
    os::AtFork([]() MPOOL_NO_THREAD_SAFETY { Unwatched().mutex_.lock(); },
               []() MPOOL_NO_THREAD_SAFETY { Unwatched().mutex_.unlock(); },
               []() { Unwatched().UnlockInChild(); });
    return Unwatched();
  }();
  return registry;
}

void Registry::AwaitChange(absl::Duration timeout) {
  const uint32_t seen = changes_.load(std::memory_order_relaxed);
  mutex_.unlock();
  os::FutexWait(&changes_, seen, timeout);
  mutex_.lock();
}

void Registry::NotifyChange() {
  changes_.fetch_add(1, std::memory_order_relaxed);
  os::FutexWakeAll(&changes_);
}

void Registry::Settle(Attachment& one, State state) {
  MPOOL_ASSERT(one.is_busy && one.env != nullptr);
  MPOOL_ASSERT(state != State::kAttaching && state != State::kLeaving);
  one.state = state;
  one.is_busy = false;
  NotifyChange();
}

void Registry::Remove(Attachment& one) {
  MPOOL_ASSERT(one.is_busy && one.users == 0);
  attachments_.remove_if(
      [&](const Attachment& other) { return &other == &one; });
  NotifyChange();
}

std::vector<std::shared_ptr<Environment>> Registry::IdleIn(
    State state) const {
  std::vector<std::shared_ptr<Environment>> idle;
  for (const Attachment& one : attachments_) {
    if (one.state == state && !one.is_busy) idle.push_back(one.env);
  }
  return idle;
}

Registry::Attachment* Registry::FindIdle(const Environment& env, State state) {
  for (Attachment& one : attachments_) {
    if (one.env.get() == &env && one.state == state && !one.is_busy) {
      return &one;
    }
  }
  return nullptr;
}

// Tries one after the other, so that an open of a late leaver's home waits only
// for that leaver.
void Registry::RemoveLateLeavers() {
  std::vector<std::shared_ptr<Environment>> late;
  {
    const os::MutexLock lock(mutex_);
    late = IdleIn(State::kStays);
  }
  for (const std::shared_ptr<Environment>& env : late) {
    Attachment* one = nullptr;
    {
      const os::MutexLock lock(mutex_);
      one = FindIdle(*env, State::kStays);
      if (one == nullptr) continue;
      MPOOL_ASSERT(one->handles == 0 && one->users == 0);
      one->state = State::kLeaving;
      one->is_busy = true;
    }
    const bool has_left = env->Leave(LeaveMode::kAtOnce).has_left;
    const os::MutexLock lock(mutex_);
    if (has_left) {
      Remove(*one);
    } else {
      Settle(*one, State::kStays);
    }
  }
}

Registry::Attachment* Registry::FindShared(const os::FileIdentity& identity) {
  const auto it = std::find_if(
      attachments_.begin(), attachments_.end(), [&](const Attachment& one) {
        return (one.state == State::kOpen || one.is_busy) &&
               one.identity.device == identity.device &&
               one.identity.inode == identity.inode;
      });
  if (it == attachments_.end()) return nullptr;
  MPOOL_ASSERT(it->handles > 0 || it->is_busy);
  return &*it;
}

absl::StatusOr<Registry::Attachment*> Registry::Claim(
    const os::File& home, const os::FileIdentity& identity,
    const os::Deadline& deadline) {
  constexpr absl::Duration kNap = absl::Seconds(1);
  const os::MutexLock lock(mutex_);
  while (Attachment* known = FindShared(identity)) {
    if (!known->is_busy) {
      MPOOL_ASSERT(known->state == State::kOpen);
      known->is_busy = true;
      return known;
    }
    if (deadline.passed()) {
      return absl::DeadlineExceededError(absl::StrCat(
          "open environment ", home.path(), ": another thread of this process "
          "opens or closes it for longer than EnvOptions::wait (",
          DescribeGateOf(home), "); wait longer"));
    }
    AwaitChange(deadline.Left(kNap));
  }
  return &attachments_.emplace_back(Attachment{.identity = identity});
}

absl::Status Registry::EnterInherited(Environment& env,
                                      const os::Deadline& deadline,
                                      bool* usable) {
  MPOOL_ASSERT(usable != nullptr);
  *usable = true;
  absl::Status entered =
      env.pool().EnterChild(deadline.Left(absl::InfiniteDuration()));
  if (absl::IsDeadlineExceeded(entered)) return entered;
  if (entered.ok()) entered = env.pool().FailCheck().status();
  if (entered.ok()) return entered;
  if (env.region().IsInheritedOnly()) {
    return absl::FailedPreconditionError(absl::StrCat(
        entered.message(), " (its memory has no name: first close, in the "
        "child, the handles of files that the parent closed)"));
  }
  *usable = false;
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<Environment>> Registry::Complete(
    Attachment** one, os::File dir, const EnvOptions& options,
    const os::Deadline& deadline) {
  MPOOL_ASSERT((*one)->is_busy);
  const os::FileIdentity identity = (*one)->identity;
  const std::shared_ptr<Environment> known = (*one)->env;
  if (known != nullptr) {
    bool usable = true;
    // A forked child may use an inherited attachment only if it can attach.
    if (known->region().generation().value() == 0) {
      MPOOL_RETURN_IF_ERROR(EnterInherited(*known, deadline, &usable));
    }
    if (usable) {
      MPOOL_RETURN_IF_ERROR(CheckBacking(*known, options.backing));
      MPOOL_RETURN_IF_ERROR(known->AddOptions(options));
      return known;
    }
    const os::MutexLock lock(mutex_);
    Settle(**one, State::kAbandoned);
    *one = &attachments_.emplace_back(Attachment{.identity = identity});
  }
  EnvOptions rest = options;
  rest.wait = deadline.Left(absl::InfiniteDuration());
  return Environment::Attach(std::move(dir), identity, rest);
}

absl::StatusOr<std::shared_ptr<Environment>> Registry::Open(
    std::string_view home, const EnvOptions& options) {
  MPOOL_RETURN_IF_ERROR(Validate(options));
  const os::Deadline deadline(options.wait);
  MPOOL_ASSIGN_OR_RETURN(os::File dir, OpenHome("open", home));
  os::SettleIdentity(dir);
  MPOOL_ASSIGN_OR_RETURN(const os::FileInfo info, dir.Info());
  RemoveLateLeavers();
  MPOOL_ASSIGN_OR_RETURN(Attachment* one,
                         Claim(dir, info.identity, deadline));
  absl::StatusOr<std::shared_ptr<Environment>> env =
      Complete(&one, std::move(dir), options, deadline);
  {
    const os::MutexLock lock(mutex_);
    if (env.ok()) {
      one->env = *env;
      ++one->handles;
    }
    if (one->env != nullptr) {
      Settle(*one, State::kOpen);
    } else {
      Remove(*one);
    }
  }
  if (env.ok()) (*env)->events().Deliver();
  return env;
}

Registry::Attachment* Registry::AwaitIdle(const Environment& env) {
  constexpr absl::Duration kNap = absl::Seconds(1);
  const auto it = std::find_if(
      attachments_.begin(), attachments_.end(),
      [&](const Attachment& one) { return one.env.get() == &env; });
  // A fork may meet a handle between the end of its close and its reset.
  if (it == attachments_.end()) return nullptr;
  if (it->state == State::kForgotten) return nullptr;
  // It stays in the list, because the caller's handle is counted.
  MPOOL_ASSERT(it->handles > 0);
  while (it->is_busy || it->users != 0) AwaitChange(kNap);
  MPOOL_ASSERT(it->handles > 0);
  return &*it;
}

absl::Status Registry::Close(std::shared_ptr<Environment>* handle) {
  MPOOL_ASSERT(handle != nullptr && *handle != nullptr);
  const std::shared_ptr<Environment> env = *handle;
  Attachment* one = nullptr;
  State state = State::kOpen;
  {
    const os::MutexLock lock(mutex_);
    one = AwaitIdle(*env);
    if (one == nullptr || one->handles > 1) {
      if (one != nullptr) --one->handles;
      *handle = nullptr;
      return absl::OkStatus();
    }
    state = one->state;
    one->state = State::kLeaving;
    one->is_busy = true;
  }
  LeaveResult result = {.status = env->CheckNothingOut()};
  if (result.status.ok()) result = env->Leave(LeaveMode::kIfWritten);
  const os::MutexLock lock(mutex_);
  // An abandoned one keeps its memory for guards that its child inherited.
  if (result.has_left) *handle = nullptr;
  if (result.has_left && state == State::kOpen) {
    Remove(*one);
    return result.status;
  }
  if (result.has_left) --one->handles;
  Settle(*one, state);
  return result.status;
}

void Registry::Abandon(std::shared_ptr<Environment> env) {
  MPOOL_ASSERT(env != nullptr);
  Attachment* one = nullptr;
  {
    const os::MutexLock lock(mutex_);
    one = AwaitIdle(*env);
    if (one == nullptr || --one->handles != 0) return;
    one->state = State::kLeaving;
    one->is_busy = true;
  }
  absl::Status status = env->CheckNothingOut();
  Event::Kind kind = Event::Kind::kGuardsAtClose;
  State state = State::kAbandoned;
  bool has_left = false;
  if (status.ok()) {
    LeaveResult result = env->Leave(LeaveMode::kAnyway);
    has_left = result.has_left;
    status = result.status;
    kind = Event::Kind::kWriteFailed;
    if (!has_left) {
      kind = Event::Kind::kLeaveFailed;
      state = State::kStays;
      status = env->Stay(status);
    }
  }
  {
    const os::MutexLock lock(mutex_);
    if (has_left) {
      Remove(*one);
    } else {
      Settle(*one, state);
    }
  }
  if (!status.ok()) env->events().Report(kind, status.ToString());
  env->events().Deliver();
}

// A count of users keeps an attachment from being left during the call. This
// thread may be in a close that calls log_flush, which calls this; then that
// attachment is busy.
void Registry::ReleaseDescriptors() {
  std::vector<std::shared_ptr<Environment>> open;
  {
    const os::MutexLock lock(mutex_);
    open = IdleIn(State::kOpen);
  }
  for (const std::shared_ptr<Environment>& env : open) {
    Attachment* one = nullptr;
    {
      const os::MutexLock lock(mutex_);
      one = FindIdle(*env, State::kOpen);
      if (one == nullptr || env->region().generation().value() == 0) continue;
      ++one->users;
    }
    env->pool().TrimKept(/*most=*/0).IgnoreError();
    const os::MutexLock lock(mutex_);
    MPOOL_ASSERT(one->users > 0);
    --one->users;
    NotifyChange();
  }
}

}  // namespace mpool::internal
