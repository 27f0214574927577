// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/get/group.h"

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "os/assert.h"
#include "os/status.h"
#include "os/step.h"

namespace mpool::internal {

// no step below: its callers pass steps.
void Group::SetState(GroupState state) {
  MPOOL_ASSERT(thread_.slot != nullptr);
#ifndef NDEBUG
  CheckGroupTransition(static_cast<GroupState>(thread_.slot->group.load(
                           std::memory_order_relaxed)),
                       state);
#endif
  thread_.slot->group.store(static_cast<uint64_t>(state),
                            std::memory_order_release);
}

// Makes the group the calling thread's. Returns FailedPrecondition if it
// belongs to another thread, or if this thread has another open group.
absl::Status Group::Begin() {
  MPOOL_ASSIGN_OR_RETURN(const ThreadRegistry::Caller self,
                         getter_.threads_.Self());
  if (IsOpen() && !IsInherited()) {
    if (thread_.id == self->thread.id) return absl::OkStatus();
    return absl::FailedPreconditionError(
        "add a page to an UpdateGroup: it belongs to another thread; use one "
        "group for each thread");
  }
  if (IsOpen()) End();  // inherited members are the parent's
  const auto none = static_cast<uint64_t>(GroupState::kNone);
  if (self->thread.slot->group.load(std::memory_order_relaxed) != none) {
    return absl::FailedPreconditionError(
        "add a page to an UpdateGroup: this thread has another group that is "
        "open; commit it or roll it back first");
  }
  thread_ = self->thread;
  generation_ = self->generation;
  MPOOL_ASSERT(thread_.id != 0);
  return absl::OkStatus();
}

void Group::End() {
  members_.clear();
  const absl::StatusOr<ThreadRegistry::Caller> self = getter_.threads_.Self();
  if (!IsInherited() && self.ok() && (*self)->thread.id == thread_.id) {
    getter_.images_.Trim(thread_);
  }
  thread_ = {};
}

// Below, `same` keeps the slot of a late thread (thread_registry.h) for the
// whole call.
absl::StatusOr<WritePage*> Group::Add(const OpenedFile& file, PageNo page,
                                      const GetOptions& options) {
  const absl::StatusOr<ThreadRegistry::Caller> same = getter_.threads_.Self();
  MPOOL_RETURN_IF_ERROR(Begin());
  if (page > kMaxPageNo) {  // GetForUpdate returns the error
    return Take(getter_.GetInGroup(file, page, options));
  }
  for (Member& member : members_) {
    const PageKey key = member.pin.header->LoadKey();
    if (key == PageKey::Make(file.file_key, page)) return &member.view;
  }
  return Take(getter_.GetInGroup(file, page, options));
}

absl::StatusOr<WritePage*> Group::AddNew(const OpenedFile& file) {
  const absl::StatusOr<ThreadRegistry::Caller> same = getter_.threads_.Self();
  MPOOL_RETURN_IF_ERROR(Begin());
  return Take(getter_.New(file));
}

absl::StatusOr<WritePage*> Group::Take(absl::StatusOr<WritePage> got) {
  MPOOL_RETURN_IF_ERROR(got.status());
  const Pin pin = std::exchange(got->pin_, Pin{});
  MPOOL_ASSERT(pin.header != nullptr && pin.entry != nullptr);
  AssertOwned(*pin.header, thread_.id);
  const absl::StatusOr<region::Image*> image = ImageOf(pin);
  if (!image.ok()) {
    getter_.putter_.PutExclusive(pin, /*changed=*/false);
    return image.status();
  }
  if (members_.empty()) {
    SetState(GroupState::kOpen);
    MPOOL_STEP("mpool.group.open");
  }
  Pin view = pin;
  view.entry = nullptr;
  members_.push_back({pin, *image, WritePage(view, 0, /*is_unread=*/false)});
  return &members_.back().view;
}

// Returns the page's image, and makes one for a page without: a clean page, or
// a page just read from its file.
absl::StatusOr<region::Image*> Group::ImageOf(const Pin& pin) {
  MPOOL_ASSERT(pin.header->Load().has(State::kX));
  const FrameIndex frame = getter_.frames_.IndexOf(*pin.header);
  region::Image* image =
      getter_.images_.Find(*thread_.slot, frame, pin.header->Load().version());
  if (image == nullptr) {
    MPOOL_ASSIGN_OR_RETURN(image,
                           getter_.images_.Announce(thread_, frame, pin.size));
  }
  MPOOL_ASSERT(image != nullptr);
  Images::Keep(*image, *pin.header, frame, {pin.data, pin.size},
               /*in_group=*/true);
  return image;
}

absl::Status Group::Commit() {
  if (!IsOpen()) return absl::OkStatus();
  if (IsInherited()) {
    return absl::FailedPreconditionError(
        "commit an UpdateGroup in a forked child: its pages are the parent's; "
        "make a group of the child's own");
  }
  MPOOL_ASSIGN_OR_RETURN(const ThreadRegistry::Caller same,
                         getter_.threads_.Self());
  if (same->thread.id != thread_.id) {
    return absl::FailedPreconditionError(
        "commit an UpdateGroup: it belongs to another thread; commit it in the "
        "thread that added its first page");
  }
  MPOOL_STEP("mpool.group.commit");
  SetState(GroupState::kCommitted);
  MPOOL_STEP("mpool.group.committed");
  for (const Member& member : members_) {
    MPOOL_ASSERT(member.image != nullptr);
    getter_.putter_.PutExclusive(member.pin, /*changed=*/true);
    MPOOL_STEP("mpool.group.put");
  }
  SetState(GroupState::kNone);
  MPOOL_STEP("mpool.group.closed");
  End();
  return absl::OkStatus();
}

void Group::Rollback() {
  if (!IsOpen()) return;
  if (!IsInherited()) {
    const absl::StatusOr<ThreadRegistry::Caller> same = getter_.threads_.Self();
    for (const Member& member : members_) {
      MPOOL_ASSERT(member.image != nullptr && member.pin.data != nullptr);
      std::memcpy(member.pin.data, getter_.images_.Bytes(*member.image).data(),
                  member.pin.size);
      MPOOL_STEP("mpool.group.restored");
      getter_.putter_.PutExclusive(member.pin, /*changed=*/false);
    }
    SetState(GroupState::kNone);
    MPOOL_STEP("mpool.group.rolled_back");
  }
  End();
}

}  // namespace mpool::internal
