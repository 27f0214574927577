// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// active_policy.h - the replacement policy of the attached region.
//
// Concurrency: Make is called before other threads use the pool, and by an
//              adopter. All other calls are thread-safe, as in policy.h.

#ifndef MPOOL_MPOOL_EVICT_ACTIVE_POLICY_H_
#define MPOOL_MPOOL_EVICT_ACTIVE_POLICY_H_

#include <memory>
#include <utility>

#include "mpool/evict/policies.h"
#include "mpool/memory/frame_table.h"
#include "os/assert.h"
#include "region/memory.h"

namespace mpool::internal {

class ActivePolicy {
 public:
  ActivePolicy(region::Memory& memory, FrameTable& frames)
      : memory_(memory), frames_(frames) {}

  // Makes the policy that the region was created with. False if the library
  // does not know it.
  bool Make() {
    policy_ = MakeOther();
    return policy_ != nullptr;
  }
  // Returns an object of the region's policy that the pool does not use;
  // nullptr if the library does not know the policy.
  std::unique_ptr<Replacement> MakeOther() const {
    return MakeReplacement(
        static_cast<Policy>(memory_.fixed().policy), memory_,
        frames_);
  }
  bool is_made() const { return policy_ != nullptr; }
  // True if the policy keeps an order queue. False before Make.
  OrderQueue order_queue() const {
    return policy_ == nullptr ? OrderQueue::kUnused : policy_->order_queue();
  }

  Replacement* operator->() const {
    MPOOL_ASSERT(policy_ != nullptr);
    return policy_.get();
  }
  // The policy itself, for a test that wraps it.
  std::unique_ptr<Replacement>& get() { return policy_; }

 private:
  region::Memory& memory_;
  FrameTable& frames_;
  std::unique_ptr<Replacement> policy_;
};

}  // namespace mpool::internal

#endif  // MPOOL_MPOOL_EVICT_ACTIVE_POLICY_H_
