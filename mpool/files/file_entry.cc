// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/files/file_entry.h"

#include "os/assert.h"

namespace mpool::internal {
namespace {

bool StateMayFollow(FileState from, FileState to) {
  switch (from) {
    case FileState::kFree:
      return to == FileState::kClaimed || to == FileState::kOpen;
    case FileState::kClaimed:
      return to == FileState::kOpen || to == FileState::kFree;
    case FileState::kOpen:
      return to == FileState::kOpen || to == FileState::kClosed ||
             to == FileState::kFree;
    case FileState::kClosed:
      return to == FileState::kClosed || to == FileState::kOpen ||
             to == FileState::kFree;
  }
  return false;
}

// True if the change keeps the generation, or raises it as F1 and F7 do.
bool GenerationMayFollow(FileWord from, FileWord to) {
  if (to.state == FileState::kClaimed) {
    return to.generation == from.generation + 1;
  }
  if (to.generation == from.generation) return true;
  const bool is_renewal =
      from.state == FileState::kOpen || from.state == FileState::kClosed;
  return is_renewal && to.state == from.state &&
         to.generation == from.generation + 1;
}

}  // namespace

void CheckTransition(FileWord from, FileWord to) {
  const bool is_legal =
      (to.owner != 0) == (to.state == FileState::kClaimed) &&
      to.owner <= kMaxProcesses;
  if (is_legal && StateMayFollow(from.state, to.state) &&
      GenerationMayFollow(from, to)) {
    return;
  }
  os::TransitionFailed("file", from.Pack(), to.Pack());
}

os::FileIdentity IdentityOf(const FileEntry& entry) {
  return {.device = entry.device.load(std::memory_order_relaxed),
          .inode = entry.inode.load(std::memory_order_relaxed),
          .birth_ns = entry.birth_ns.load(std::memory_order_relaxed),
          .generation =
              entry.inode_generation.load(std::memory_order_relaxed)};
}

bool IsOpenAnywhere(const FileEntry& entry) {
  for (const std::atomic<uint64_t>& bits : entry.open_bits) {
    if (bits.load(std::memory_order_acquire) != 0) return true;
  }
  return false;
}

bool IsOpenElsewhere(const FileEntry& entry, uint32_t process) {
  MPOOL_ASSERT(process >= 1 && process <= kMaxProcesses);
  const uint32_t bit = process - 1;
  const uint64_t mine = uint64_t{1} << (bit % 64);
  for (uint32_t i = 0; i < kMaxProcesses / 64; ++i) {
    const uint64_t bits = entry.open_bits[i].load(std::memory_order_acquire);
    if ((i == bit / 64 ? bits & ~mine : bits) != 0) return true;
  }
  return false;
}

// no step below: its callers pass steps.
void RaiseTo(std::atomic<uint64_t>* mark, uint64_t value) {
  MPOOL_ASSERT(mark != nullptr);
  uint64_t now = mark->load(std::memory_order_seq_cst);
  while (now < value &&
         !mark->compare_exchange_weak(now, value, std::memory_order_seq_cst)) {
  }
}

}  // namespace mpool::internal
