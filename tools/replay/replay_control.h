// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// replay_control.h - the memory that all processes of a replay share, except
// the pool.
//
// Role:        deals out references, starts and stops the workers, and collects
//              their counts and failures.
// Concurrency: every field is atomic. `changes` is incremented after each
//              change that the watching process waits for.

#ifndef MPOOL_TOOLS_REPLAY_REPLAY_CONTROL_H_
#define MPOOL_TOOLS_REPLAY_REPLAY_CONTROL_H_

#include <sys/mman.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <new>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "os/status.h"

namespace mpool::tools {

// An array of zeroed objects in memory that forked children share. Move-only.
template <class T>
class SharedArray {
 public:
  static absl::StatusOr<SharedArray> Make(uint64_t count) {
    const size_t bytes = count * sizeof(T);
    void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
      return os::ErrnoToStatus(errno, "map shared memory", "the replay");
    }
    return SharedArray(new (memory) T[count](), count);
  }
  SharedArray(SharedArray&& other) noexcept
      : items_(std::exchange(other.items_, nullptr)), count_(other.count_) {}
  SharedArray& operator=(SharedArray&&) = delete;
  ~SharedArray() {
    if (items_ != nullptr) munmap(items_, count_ * sizeof(T));
  }

  T& operator[](uint64_t index) { return items_[index]; }
  T* data() { return items_; }
  uint64_t size() const { return count_; }

 private:
  SharedArray(T* items, uint64_t count) : items_(items), count_(count) {}

  T* items_;
  uint64_t count_;
};

using VersionCounter = std::atomic<uint32_t>;
static_assert(VersionCounter::is_always_lock_free);

struct ReplayControl {
  static constexpr uint32_t kWait = 0;
  static constexpr uint32_t kGo = 1;
  static constexpr uint32_t kStop = 2;

  // Sets `phase` and wakes all waiters for it.
  void SetPhase(uint32_t next);
  // Waits while the phase is kWait, and returns the next phase.
  uint32_t WaitForPhase() const;
  // Increments `count` and wakes the watching process.
  void Announce(std::atomic<uint32_t>& count);

  // Keeps the first failure's text and stops all processes.
  void ReportFailure(const absl::Status& status);
  // Returns the text of the first failure; empty if there is none.
  std::string Failure() const;

  // Counts a wrong page, and prints the first five.
  void ReportWrongPage(std::string_view file, uint64_t page,
                       std::string_view why);

  std::atomic<uint32_t> phase;
  std::atomic<uint32_t> changes;
  std::atomic<uint32_t> opened;    // processes that have opened
  std::atomic<uint32_t> finished;  // processes that have closed
  std::atomic<uint32_t> failed;    // 0 none, 1 text being written, 2 written
  std::atomic<uint64_t> wrong_pages;
  std::atomic<uint64_t> gets;
  std::atomic<uint64_t> writes;
  std::atomic<uint64_t> end_ns;              // end of the last worker
  alignas(64) std::atomic<uint64_t> cursor;  // next reference to deal out
  alignas(64) std::array<char, 2048> failure_text;
};

}  // namespace mpool::tools

#endif  // MPOOL_TOOLS_REPLAY_REPLAY_CONTROL_H_
