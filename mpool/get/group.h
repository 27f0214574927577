// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// group.h - the pages of an UpdateGroup, held for update: each with a whole
// image in the thread's slot; and the slot's group word.
//
// Invariants:  G1 every member has a whole image with the group mark before its
//              caller may change it. G2 the group word is kCommitted only
//              while the members are put one after the other.
// Crash:       kOpen: repair restores the images. kCommitted: repair finishes
//              the puts.

#ifndef MPOOL_MPOOL_GET_GROUP_H_
#define MPOOL_MPOOL_GET_GROUP_H_

#include <deque>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mpool/get/getter.h"

namespace mpool::internal {

class Group {
 public:
  explicit Group(Getter& getter) : getter_(getter) {}
  ~Group() { Rollback(); }
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  bool IsOf(const Getter& getter) const { return &getter_ == &getter; }
  absl::StatusOr<WritePage*> Add(const OpenedFile& file, PageNo page,
                                 const GetOptions& options);
  absl::StatusOr<WritePage*> AddNew(const OpenedFile& file);
  absl::Status Commit();
  void Rollback();

 private:
  struct Member {
    Pin pin;
    region::Image* image = nullptr;
    WritePage view;  // no entry: Put of it changes nothing
  };

  absl::Status Begin();
  bool IsOpen() const { return !members_.empty(); }
  bool IsInherited() const {
    return generation_ != getter_.putter_.generation();
  }
  absl::StatusOr<WritePage*> Take(absl::StatusOr<WritePage> got);
  absl::StatusOr<region::Image*> ImageOf(const Pin& pin);
  void SetState(GroupState state);
  void End();

  Getter& getter_;
  region::Thread thread_;  // owner of the group, once it has a page
  uint32_t generation_ = 0;
  std::deque<Member> members_;
};

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_GET_GROUP_H_
