// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "db/registry.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "db/environment.h"
#include "db/home.h"
#include "db/options.h"
#include "mpool/pool/forks.h"
#include "os/assert.h"
#include "os/filesystem.h"
#include "os/fork.h"
#include "os/lock_file.h"
#include "os/status.h"

namespace mpool::internal {

Registry& Registry::Unwatched() {
  static Registry* registry = new Registry;
  return *registry;
}

// Not checked: the forking thread holds the registry's mutex here, and the
// number of mutexes is known only at run time.
void Registry::LockEvents() MPOOL_NO_THREAD_SAFETY {
  for (Attachment& one : Unwatched().attachments_) {
    one.env->events().LockForFork();
  }
}

void Registry::UnlockEvents() MPOOL_NO_THREAD_SAFETY {
  for (Attachment& one : Unwatched().attachments_) {
    one.env->events().UnlockAfterFork();
  }
}

Registry& Registry::OfProcess() {
  static Registry& registry = []() -> Registry& {
    // Fork handlers run in reverse order of registration.
    os::LockFile::WatchForks();
    os::AtFork(LockEvents, UnlockEvents);
    WatchForks();
    os::AtFork([]() MPOOL_NO_THREAD_SAFETY { Unwatched().mutex_.lock(); },
               []() MPOOL_NO_THREAD_SAFETY { Unwatched().mutex_.unlock(); });
    return Unwatched();
  }();
  return registry;
}

void Registry::RemoveLateLeavers() {
  std::erase_if(attachments_, [](const Attachment& one) {
    return one.state == State::kStays &&
           one.env->Leave(LeaveMode::kIfWritten).has_left;
  });
}

Registry::Attachment* Registry::FindOpen(const os::FileIdentity& identity) {
  const auto it = std::find_if(
      attachments_.begin(), attachments_.end(), [&](const Attachment& one) {
        const os::FileIdentity& home = one.env->identity();
        return one.state == State::kOpen && home.device == identity.device &&
               home.inode == identity.inode;
      });
  if (it == attachments_.end()) return nullptr;
  MPOOL_ASSERT(it->handles > 0);
  return &*it;
}

Registry::Attachment& Registry::Find(const Environment& env) {
  const auto it = std::find_if(
      attachments_.begin(), attachments_.end(),
      [&](const Attachment& one) { return one.env.get() == &env; });
  MPOOL_ASSERT(it != attachments_.end());
  return *it;
}

void Registry::Remove(const Environment& env) {
  const auto removed = std::erase_if(
      attachments_,
      [&](const Attachment& one) { return one.env.get() == &env; });
  MPOOL_ASSERT(removed == 1);
  static_cast<void>(removed);
}

absl::Status Registry::EnterInherited(Attachment& known) {
  MPOOL_ASSERT(known.state == State::kOpen);
  const absl::Status entered = known.env->pool().FailCheck().status();
  if (entered.ok()) return entered;
  if (known.env->region().IsInheritedOnly()) {
    return absl::FailedPreconditionError(absl::StrCat(
        entered.message(), " (its memory has no name: first close, in the "
        "child, the handles of files that the parent closed)"));
  }
  known.state = State::kAbandoned;
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<Environment>> Registry::Open(
    std::string_view home, const EnvOptions& options) {
  MPOOL_RETURN_IF_ERROR(Validate(options));
  MPOOL_ASSIGN_OR_RETURN(os::File dir, OpenHome("open", home));
  os::SettleIdentity(dir);
  MPOOL_ASSIGN_OR_RETURN(const os::FileInfo info, dir.Info());
  std::shared_ptr<Environment> env;
  {
    const os::MutexLock lock(mutex_);
    RemoveLateLeavers();
    Attachment* known = FindOpen(info.identity);
    // A forked child may use an inherited attachment only if it can attach.
    if (known != nullptr && known->env->region().generation().value() == 0) {
      MPOOL_RETURN_IF_ERROR(EnterInherited(*known));
      if (known->state != State::kOpen) known = nullptr;
    }
    if (known == nullptr) {
      MPOOL_ASSIGN_OR_RETURN(
          std::shared_ptr<Environment> made,
          Environment::Attach(std::move(dir), info.identity, options));
      MPOOL_ASSERT(FindOpen(info.identity) == nullptr);
      attachments_.push_back({.env = std::move(made)});
      known = &attachments_.back();
    } else {
      MPOOL_RETURN_IF_ERROR(known->env->AddOptions(options));
    }
    ++known->handles;
    env = known->env;
  }
  env->events().Deliver();
  return env;
}

absl::Status Registry::Close(Environment& env) {
  const os::MutexLock lock(mutex_);
  Attachment& one = Find(env);
  MPOOL_ASSERT(one.handles > 0);
  if (one.handles == 1) {
    MPOOL_RETURN_IF_ERROR(env.CheckNothingOut());
    const LeaveResult result = env.Leave(LeaveMode::kIfWritten);
    MPOOL_RETURN_IF_ERROR(result.status);
    MPOOL_ASSERT(result.has_left);
    // An abandoned one keeps its memory for guards that its child inherited.
    if (one.state == State::kOpen) {
      Remove(env);
      return absl::OkStatus();
    }
  }
  --one.handles;
  return absl::OkStatus();
}

void Registry::Abandon(std::shared_ptr<Environment> env) {
  MPOOL_ASSERT(env != nullptr);
  {
    const os::MutexLock lock(mutex_);
    Attachment& one = Find(*env);
    MPOOL_ASSERT(one.handles > 0);
    if (--one.handles != 0) return;
    one.state = State::kAbandoned;
  }
  absl::Status status = env->CheckNothingOut();
  Event::Kind kind = Event::Kind::kGuardsAtClose;
  if (status.ok()) {
    LeaveResult result = env->Leave(LeaveMode::kAnyway);
    status = result.status;
    kind = Event::Kind::kWriteFailed;
    if (!result.has_left) {
      kind = Event::Kind::kLeaveFailed;
      status = env->Stay(status);
    }
    const os::MutexLock lock(mutex_);
    if (result.has_left) {
      Remove(*env);
    } else {
      Find(*env).state = State::kStays;
    }
  }
  if (!status.ok()) env->events().Report(kind, status.ToString());
  env->events().Deliver();
}

void Registry::ReleaseDescriptors() {
  // A close may be under way that calls log_flush, and that this call.
  if (!mutex_.try_lock()) return;
  for (const Attachment& one : attachments_) {
    if (one.state == State::kOpen &&
        one.env->region().generation().value() != 0) {
      one.env->pool().TrimKept(/*most=*/0).IgnoreError();
    }
  }
  mutex_.unlock();
}

}  // namespace mpool::internal
