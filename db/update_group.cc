// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/update_group.h"

#include "absl/strings/str_cat.h"
#include "db/environment.h"
#include "mpool/env.h"
#include "mpool/file.h"
#include "mpool/get/group.h"
#include "os/assert.h"
#include "os/cancel.h"

namespace mpool {
namespace {

absl::Status Closed() {
  return absl::FailedPreconditionError(
      "add a page to an UpdateGroup: its environment or file was closed");
}

absl::Status OfAnother(const std::string& path) {
  return absl::InvalidArgumentError(absl::StrCat(
      "add a page of ", path, " to an UpdateGroup: the file was opened in "
      "another environment; use one group for each"));
}

}  // namespace

UpdateGroup::UpdateGroup(DbEnv& env) noexcept
    : group_(env.env_ == nullptr ? nullptr
                                 : std::make_unique<internal::Group>(
                                       env.env_->pool().getter())) {}

UpdateGroup::~UpdateGroup() {
  const os::CancelOff no_cancel;
  group_.reset();
}

absl::StatusOr<WritePage*> UpdateGroup::Add(
    MPoolFile& file, PageNo page, const GetOptions& options) noexcept {
  const os::CancelOff no_cancel;
  if (group_ == nullptr || file.file_ == nullptr) return Closed();
  MPOOL_ASSERT(file.env_ != nullptr);
  if (!group_->IsOf(file.env_->pool().getter()))
    return OfAnother(file.file_->path);
  return group_->Add(*file.file_, page, options);
}

absl::StatusOr<WritePage*> UpdateGroup::AddNew(MPoolFile& file) noexcept {
  const os::CancelOff no_cancel;
  if (group_ == nullptr || file.file_ == nullptr) return Closed();
  MPOOL_ASSERT(file.env_ != nullptr);
  if (!group_->IsOf(file.env_->pool().getter()))
    return OfAnother(file.file_->path);
  return group_->AddNew(*file.file_);
}

absl::Status UpdateGroup::Commit() noexcept {
  const os::CancelOff no_cancel;
  return group_ == nullptr ? absl::OkStatus() : group_->Commit();
}

void UpdateGroup::Rollback() noexcept {
  const os::CancelOff no_cancel;
  if (group_ != nullptr) group_->Rollback();
}

}  // namespace mpool
