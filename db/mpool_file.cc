// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include <bit>

#include "absl/strings/str_cat.h"
#include "db/environment.h"
#include "db/registry.h"
#include "mpool/file.h"
#include "mpool/get/hit.h"
#include "os/assert.h"
#include "os/cancel.h"
#include "os/status.h"

namespace mpool {
namespace {

absl::Status Closed() {
  return absl::FailedPreconditionError(
      "use a file: its handle was closed; open it again");
}

// A function of its own, so that Get stays small.
[[gnu::noinline]] absl::StatusOr<ReadPage> ClosedPage() noexcept {
  return Closed();
}

}  // namespace

MPoolFile::MPoolFile(std::shared_ptr<internal::Environment> env,
                     internal::OpenedFile* file)
    : env_(std::move(env)), getter_(&env_->pool().getter()), file_(file) {
  MPOOL_ASSERT(file_ != nullptr && file_->entry != nullptr);
}

MPoolFile::~MPoolFile() {
  const os::CancelOff no_cancel;
  if (file_ != nullptr) env_->AbandonFile(file_);
  env_.reset();
}

absl::StatusOr<ReadPage> MPoolFile::Get(PageNo page,
                                        const GetOptions& options) noexcept {
  if (file_ == nullptr) [[unlikely]] return ClosedPage();
  return getter_->Get(*file_, page, options);
}

absl::StatusOr<WritePage> MPoolFile::GetForUpdate(
    PageNo page, const GetOptions& options) noexcept {
  const os::CancelOff no_cancel;
  if (file_ == nullptr) [[unlikely]] return Closed();
  return getter_->GetForUpdate(*file_, page, options);
}

absl::StatusOr<WritePage> MPoolFile::New() noexcept {
  const os::CancelOff no_cancel;
  if (file_ == nullptr) return Closed();
  return getter_->New(*file_);
}

absl::StatusOr<ReadPage> MPoolFile::Last() noexcept {
  const os::CancelOff no_cancel;
  if (file_ == nullptr) return Closed();
  const PageNo count = page_count();
  if (count == 0) {
    return absl::NotFoundError(absl::StrCat(
        "get the last page of ", file_->path, ": the file is empty"));
  }
  return Get(count - 1);
}

absl::StatusOr<std::vector<ReadPage>> MPoolFile::GetBatch(
    std::span<const PageNo>, const GetOptions&) noexcept {
  return internal::Unbuilt("MPoolFile::GetBatch");
}

absl::Status MPoolFile::Prefetch(PageNo, uint32_t) noexcept {
  return internal::Unbuilt("MPoolFile::Prefetch");
}

absl::Status MPoolFile::Truncate(PageNo) noexcept {
  return internal::Unbuilt("MPoolFile::Truncate");
}

absl::Status MPoolFile::Sync() noexcept {
  const os::CancelOff no_cancel;
  if (file_ == nullptr) return Closed();
  if (file_->read_only) {
    return absl::PermissionDeniedError(absl::StrCat(
        "sync ", file_->path,
        ": the file was opened with FileOptions::read_only"));
  }
  const absl::Status status = internal::WithDescriptors([&] {
    return env_->pool().Sync(file_->index, absl::InfiniteDuration());
  });
  env_->events().Deliver();
  return status;
}

absl::Status MPoolFile::Discard() noexcept {
  const os::CancelOff no_cancel;
  if (file_ == nullptr) return Closed();
  return internal::WithDescriptors([&] { return env_->DiscardFile(*file_); });
}

PageNo MPoolFile::page_count() const noexcept {
  if (file_ == nullptr) return 0;
  MPOOL_ASSERT(file_->entry != nullptr);
  return file_->entry->page_count.load(std::memory_order_acquire);
}

FileStats MPoolFile::Stats() const noexcept {
  FileStats stats;
  if (file_ == nullptr) return stats;
  stats.page_size = file_->page_bytes;
  MPOOL_ASSERT(std::has_single_bit(stats.page_size));
  stats.page_count = page_count();
  stats.pages_read = file_->entry->pages_read.load(std::memory_order_relaxed);
  stats.pages_written =
      file_->entry->pages_written.load(std::memory_order_relaxed);
  return stats;
}

absl::Status MPoolFile::Close() noexcept {
  const os::CancelOff no_cancel;
  if (file_ == nullptr) return absl::OkStatus();
  MPOOL_RETURN_IF_ERROR(internal::WithDescriptors(
      [&] { return env_->CloseFile(file_); }));
  file_ = nullptr;
  return absl::OkStatus();
}

}  // namespace mpool
