// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// generation.h - the number of this process's attachment, which a fork wipes.
//
// Concurrency: all calls are thread-safe.
// Word:        0             not attached, or a forked child
//              kEntering     a thread of the child is in EnterChild
//              else          the generation of the attachment

#ifndef MPOOL_REGION_GENERATION_H_
#define MPOOL_REGION_GENERATION_H_

#include <atomic>
#include <cstdint>

#include "absl/status/status.h"
#include "os/fork_marker.h"

namespace mpool::region {

class Generation {
 public:
  // Values that are never a generation, like 0.
  static constexpr uint32_t kEntering = ~uint32_t{0};
  static constexpr uint32_t kNone = kEntering - 1;

  // Makes the word. REQUIRES: it was not made before. Not checkable: a marker
  // does not say if it has memory.
  absl::Status Map() { return marker_.Map(); }

  // Returns a number that no other attachment of this process and no forked
  // child has. Returns 0 in a child until EnterChild has returned.
  uint32_t value() const {
    const uint32_t word = std::atomic_ref<uint32_t>(*marker_.word())
                              .load(std::memory_order_acquire);
    return word == kEntering ? 0 : word;
  }
  // Returns the address of the word, so that a caller can compare it with a
  // stored generation.
  uint32_t* word() const { return marker_.word(); }
  // True if the process is attached. Waits for a thread that is in EnterChild.
  bool HasEntered() const;
  // True in a forked child that is not attached and has no thread in
  // EnterChild.
  bool IsOutside() const {
    return std::atomic_ref<uint32_t>(*marker_.word()).load() == 0;
  }

  // Stores a new generation.
  void Begin();
  // Returns a number that no attachment of this process had before.
  static uint32_t Next();
  // Claims the entry of a child for the calling thread. False if another thread
  // has claimed it or has entered. EndEntry stores the outcome: a generation,
  // or 0.
  bool BeginEntry();
  void EndEntry(uint32_t generation);

 private:
  os::ForkMarker marker_;
};

}  // namespace mpool::region

#endif  // MPOOL_REGION_GENERATION_H_
