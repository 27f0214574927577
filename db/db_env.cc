// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "absl/strings/str_cat.h"
#include "db/environment.h"
#include "db/home.h"
#include "db/registry.h"
#include "mpool/env.h"
#include "mpool/observe/files.h"
#include "mpool/observe/holders.h"
#include "mpool/observe/stats.h"
#include "os/assert.h"
#include "os/cancel.h"
#include "os/status.h"

namespace mpool {
namespace {

absl::Status Closed() {
  return absl::FailedPreconditionError(
      "use an environment: it was closed; open it again");
}

}  // namespace

DbEnv::DbEnv(std::shared_ptr<internal::Environment> env)
    : env_(std::move(env)) {
  MPOOL_ASSERT(env_ != nullptr);
}

DbEnv::~DbEnv() {
  const os::CancelOff no_cancel;
  if (env_ == nullptr) return;
  internal::Registry::OfProcess().Abandon(std::move(env_));
}

absl::StatusOr<std::unique_ptr<DbEnv>> DbEnv::Open(
    std::string_view home, const EnvOptions& options) noexcept {
  const os::CancelOff no_cancel;
  MPOOL_ASSIGN_OR_RETURN(std::shared_ptr<internal::Environment> env,
                         internal::WithDescriptors([&] {
                           return internal::Registry::OfProcess().Open(
                               home, options);
                         }));
  return std::unique_ptr<DbEnv>(new DbEnv(std::move(env)));
}

absl::Status DbEnv::Remove(std::string_view home, bool force) noexcept {
  const os::CancelOff no_cancel;
  const internal::DirtyPages dirty_pages =
      force ? internal::DirtyPages::kDiscard : internal::DirtyPages::kWriteBack;
  return internal::WithDescriptors(
      [&] { return internal::RemoveHome(home, dirty_pages); });
}

absl::StatusOr<EnvStats> DbEnv::Inspect(std::string_view home) noexcept {
  const os::CancelOff no_cancel;
  MPOOL_ASSIGN_OR_RETURN(
      const internal::HomeView view,
      internal::WithDescriptors([&] { return internal::InspectHome(home); }));
  return internal::StatsOf(*view.memory, *view.threads,
                           *view.frames, *view.files,
                           view.memory->heap().Survey());
}

absl::StatusOr<std::vector<Holding>> DbEnv::Holders(
    std::string_view home) noexcept {
  const os::CancelOff no_cancel;
  return internal::WithDescriptors(
      [&] { return internal::HoldersOfHome(home); });
}

absl::StatusOr<std::vector<FileUse>> DbEnv::Files(
    std::string_view home) noexcept {
  const os::CancelOff no_cancel;
  MPOOL_ASSIGN_OR_RETURN(
      const internal::HomeView view,
      internal::WithDescriptors([&] { return internal::InspectHome(home); }));
  return internal::FilesOf(*view.threads, *view.frames, *view.files);
}

absl::StatusOr<std::vector<LostPage>> DbEnv::LostPages(
    std::string_view home) noexcept {
  const os::CancelOff no_cancel;
  MPOOL_ASSIGN_OR_RETURN(
      const internal::HomeView view,
      internal::WithDescriptors([&] { return internal::InspectHome(home); }));
  return internal::LostPagesOf(*view.frames, *view.files);
}

absl::StatusOr<std::unique_ptr<MPoolFile>> DbEnv::OpenFile(
    std::string_view path, const FileOptions& options) noexcept {
  const os::CancelOff no_cancel;
  if (env_ == nullptr) return Closed();
  MPOOL_ASSIGN_OR_RETURN(internal::OpenedFile * file,
                         internal::WithDescriptors([&] {
                           return env_->OpenFile(path, options);
                         }));
  return std::unique_ptr<MPoolFile>(new MPoolFile(env_, file));
}

absl::Status DbEnv::Sync(const SyncOptions& options) noexcept {
  const os::CancelOff no_cancel;
  if (env_ == nullptr) return Closed();
  if (options.up_to != Lsn{}) return internal::Unbuilt("SyncOptions::up_to");
  const absl::Status status = internal::WithDescriptors(
      [&] { return env_->pool().Sync(std::nullopt, options.wait); });
  env_->events().Deliver();
  return status;
}

absl::Status DbEnv::Forget(std::string_view path) noexcept {
  const os::CancelOff no_cancel;
  if (env_ == nullptr) return Closed();
  return internal::WithDescriptors([&] { return env_->Forget(path); });
}

Lsn DbEnv::OldestDirtyLsn() const noexcept { return Lsn{}; }

absl::StatusOr<int> DbEnv::Trickle(int) noexcept {
  return internal::Unbuilt("DbEnv::Trickle");
}

absl::Status DbEnv::Resize(uint64_t cache_bytes) noexcept {
  const os::CancelOff no_cancel;
  if (env_ == nullptr) return Closed();
  const absl::Status status = env_->pool().Resize(cache_bytes);
  env_->events().Deliver();
  return status;
}

absl::Status DbEnv::ClearPanic() noexcept {
  const os::CancelOff no_cancel;
  if (env_ == nullptr) return Closed();
  return env_->pool().ClearPanic();
}

absl::StatusOr<RepairReport> DbEnv::FailCheck() noexcept {
  const os::CancelOff no_cancel;
  if (env_ == nullptr) return Closed();
  absl::StatusOr<RepairReport> report = env_->pool().FailCheck();
  env_->events().Deliver();
  return report;
}

EffectiveOptions DbEnv::Effective() const noexcept {
  const os::CancelOff no_cancel;
  return env_ == nullptr ? EffectiveOptions{} : env_->Effective();
}

EnvStats DbEnv::Stats() const noexcept {
  const os::CancelOff no_cancel;
  if (env_ == nullptr) return {};
  return env_->pool().Stats();
}

uint64_t DbEnv::HugeBytes() const noexcept {
  const os::CancelOff no_cancel;
  return env_ == nullptr ? 0 : env_->region().memory().HugeBytes();
}

absl::Status DbEnv::Close() noexcept {
  const os::CancelOff no_cancel;
  if (env_ == nullptr) return absl::OkStatus();
  const std::shared_ptr<internal::Environment> env = env_;
  const absl::Status status =
      internal::WithDescriptors([&] {
        return internal::Registry::OfProcess().Close(&env_);
      });
  env->events().Deliver();
  return status;
}

}  // namespace mpool
