// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "absl/strings/str_cat.h"
#include "db/environment.h"
#include "mpool/env.h"
#include "mpool/observe/holders.h"
#include "mpool/observe/stats.h"
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
    : env_(std::move(env)) {}

DbEnv::~DbEnv() {
  const os::CancelOff no_cancel;
  if (env_ != nullptr) internal::Environment::Abandon(std::move(env_));
}

absl::StatusOr<std::unique_ptr<DbEnv>> DbEnv::Open(
    std::string_view home, const EnvOptions& options) noexcept {
  const os::CancelOff no_cancel;
  MPOOL_ASSIGN_OR_RETURN(std::shared_ptr<internal::Environment> env,
                         internal::WithDescriptors([&] {
                           return internal::Environment::Open(home, options);
                         }));
  return std::unique_ptr<DbEnv>(new DbEnv(std::move(env)));
}

absl::Status DbEnv::Remove(std::string_view home, bool force) noexcept {
  const os::CancelOff no_cancel;
  return internal::WithDescriptors(
      [&] { return internal::RemoveHome(home, force); });
}

absl::StatusOr<EnvStats> DbEnv::Inspect(std::string_view home) noexcept {
  const os::CancelOff no_cancel;
  MPOOL_ASSIGN_OR_RETURN(
      const internal::Look look,
      internal::WithDescriptors([&] { return internal::LookAt(home); }));
  return internal::StatsOf(*look.region, *look.frames, *look.files,
                                 look.region->memory().heap().Survey());
}

absl::StatusOr<std::vector<Holding>> DbEnv::Holders(
    std::string_view home) noexcept {
  const os::CancelOff no_cancel;
  MPOOL_ASSIGN_OR_RETURN(
      const internal::Look look,
      internal::WithDescriptors([&] { return internal::LookAt(home); }));
  MPOOL_ASSIGN_OR_RETURN(
      const os::LockFile locks, internal::WithDescriptors([&] {
        return os::LockFile::Open(look.dir, region::kRegisterName, false, 0600);
      }));
  return internal::HoldingsOf(
      *look.region, *look.frames, *look.files, [&](uint32_t slot) {
        const auto held = locks.FindHeld(slot, 1);
        return !held.ok() || held->has_value();
      });
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
  env_->DeliverEvents();
  return status;
}

Lsn DbEnv::OldestDirtyLsn() const noexcept { return Lsn{}; }

absl::StatusOr<int> DbEnv::Trickle(int) noexcept {
  return internal::Unbuilt("DbEnv::Trickle");
}

absl::Status DbEnv::Resize(uint64_t cache_bytes) noexcept {
  const os::CancelOff no_cancel;
  if (env_ == nullptr) return Closed();
  const absl::Status status = env_->pool().Resize(cache_bytes);
  env_->DeliverEvents();
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
  env_->DeliverEvents();
  return report;
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
  const absl::Status status =
      internal::WithDescriptors([&] { return env_->Close(); });
  env_->DeliverEvents();
  if (status.ok()) env_ = nullptr;
  return status;
}

}  // namespace mpool
