// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// page.h - the guards through which a program holds pages.
//
// Thread safety: a guard is move-only and belongs to one thread at a time. It
// may be moved to another thread and put there. A guard that a forked child
// inherited does nothing in the child. Put every guard before the last handle
// of its environment closes; Close refuses while guards hold pages.

#ifndef MPOOL_PAGE_H_
#define MPOOL_PAGE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "mpool/export.h"
#include "mpool/types.h"

namespace mpool {

namespace internal {

class Getter;
class Group;
class Putter;
struct BufferHeader;

// The pin behind both guards. `entry` is the ledger entry that holds the page.
// `generation` lets a forked child recognise an entry of its parent.
struct Pin {
  Putter* putter = nullptr;
  std::atomic<uint64_t>* entry = nullptr;
  BufferHeader* header = nullptr;
  std::byte* data = nullptr;
  uint32_t size = 0;
  uint32_t generation = 0;
};

MPOOL_EXPORT void PutShared(const Pin& pin) noexcept;
MPOOL_EXPORT void PutExclusive(const Pin& pin, bool changed) noexcept;
// Releases the page as it was before the get.
MPOOL_EXPORT void UndoExclusive(const Pin& pin) noexcept;
// Releases the page for a guard's destructor. `unwindings`: how many stack
// unwindings were in progress when the guard was made.
MPOOL_EXPORT void PutAtEnd(const Pin& pin, int unwindings) noexcept;
MPOOL_EXPORT PageNo PageNumber(const Pin& pin) noexcept;
MPOOL_EXPORT void SetPageLsn(const Pin& pin, Lsn lsn) noexcept;

}  // namespace internal

// A page that may be read until it is put.
class ReadPage {
 public:
  ReadPage() = default;
  ReadPage(ReadPage&& other) noexcept
      : pin_(std::exchange(other.pin_, internal::Pin{})) {}
  ReadPage& operator=(ReadPage&& other) noexcept {
    if (this != &other) {
      Put();
      pin_ = std::exchange(other.pin_, internal::Pin{});
    }
    return *this;
  }
  ~ReadPage() { Put(); }

  // The page's bytes. Valid until the page is put.
  std::span<const std::byte> data() const { return {pin_.data, pin_.size}; }

  // REQUIRES: the guard holds a page.
  PageNo number() const { return internal::PageNumber(pin_); }

  // True if the guard holds a page.
  explicit operator bool() const { return pin_.entry != nullptr; }

  // Releases the page. Does nothing if the guard holds none.
  void Put(Priority = Priority::kUnchanged) {
    if (pin_.entry == nullptr) return;
    internal::PutShared(pin_);
    pin_ = internal::Pin{};
  }

 private:
  friend class internal::Getter;
  explicit ReadPage(const internal::Pin& pin) : pin_(pin) {}

  internal::Pin pin_;
};

// A page that may be changed until it is put; no other thread holds it.
class WritePage {
 public:
  WritePage() = default;
  WritePage(WritePage&& other) noexcept
      : pin_(std::exchange(other.pin_, internal::Pin{})),
        unwindings_(other.unwindings_),
        is_unread_(other.is_unread_) {}
  WritePage& operator=(WritePage&& other) noexcept {
    if (this != &other) {
      // As by the destructor.
      if (pin_.entry != nullptr) internal::PutAtEnd(pin_, unwindings_);
      pin_ = std::exchange(other.pin_, internal::Pin{});
      unwindings_ = other.unwindings_;
      is_unread_ = other.is_unread_;
    }
    return *this;
  }
  // Puts the page with its changes. If stack unwinding (an exception,
  // pthread_cancel or pthread_exit) destroys the guard, the change may be
  // incomplete. The page is then released as it was before the get. A page of
  // an UpdateGroup is rolled back with its group.
  // A page that had changes which are not on disk needs its before-image
  // (FileOptions::atomic_update) for this. Without one the page is lost, as if
  // the process had died, and panics the environment if its file has an
  // lsn_offset. Call Put or Discard ahead of code that may throw.
  // Only an unwinding that began after the get counts. A destructor that gets
  // and destroys a guard during an unwinding therefore puts the page. A guard
  // from outside that was moved into the destructor does not put its page.
  ~WritePage() {
    if (pin_.entry != nullptr) internal::PutAtEnd(pin_, unwindings_);
  }

  std::span<std::byte> data() const { return {pin_.data, pin_.size}; }

  // REQUIRES: the guard holds a page.
  PageNo number() const { return internal::PageNumber(pin_); }

  explicit operator bool() const { return pin_.entry != nullptr; }

  // Marks the page dirty and releases it. From then on every process sees the
  // new bytes, and they survive the death of this process. If the process dies
  // before, the page is as at its last put (FileOptions::atomic_update).
  void Put(Priority = Priority::kUnchanged) { Release(true); }

  // Releases the page unchanged.
  // REQUIRES: no byte was changed. Bytes may be changed if the page was got
  // with GetOptions::overwrite and was not in memory.
  void Discard() {
    if (is_unread_ && pin_.entry != nullptr) {
      internal::UndoExclusive(std::exchange(pin_, internal::Pin{}));
    } else {
      Release(false);
    }
  }

  // Stores the log position of the change at FileOptions::lsn_offset. Does
  // nothing if the file has none.
  // REQUIRES: the guard holds a page, or it is one of an UpdateGroup.
  void set_lsn(Lsn lsn) { internal::SetPageLsn(pin_, lsn); }

 private:
  friend class internal::Group;
  friend class internal::Getter;
  WritePage(const internal::Pin& pin, int unwindings, bool is_unread)
      : pin_(pin), unwindings_(unwindings), is_unread_(is_unread) {}

  void Release(bool changed) {
    if (pin_.entry == nullptr) return;
    internal::PutExclusive(pin_, changed);
    pin_ = internal::Pin{};
  }

  internal::Pin pin_;
  int unwindings_ = 0;  // unwindings in progress when the page was got
  bool is_unread_ = false;  // the file has other bytes; see GetOptions
};

}  // namespace mpool

#endif  // MPOOL_PAGE_H_
