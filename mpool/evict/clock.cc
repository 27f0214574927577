// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// clock.cc - CLOCK over the frames of a page class: the hand is one
// word of the region, the bit is the header's reference word.

#include "mpool/evict/clock.h"

#include <optional>

#include "mpool/evict/policy.h"
#include "os/assert.h"

namespace mpool::internal {
namespace {

// The frames of a class, in the form that clock.h needs.
class Ring {
 public:
  Ring(FrameTable& frames, PageClass page_class, uint64_t size)
      : frames_(frames), page_class_(page_class), size_(size) {
    }

  uint64_t AdvanceHand() {
    MPOOL_ASSERT(size_ != 0);
    return frames_.page_class(page_class_)
               .hand.fetch_add(1, std::memory_order_relaxed) %
           size_;
  }
  bool TakeChance(uint64_t position) {
    MPOOL_ASSERT(position < size_);
    BufferHeader* header = frames_.extents().AtPosition(page_class_, position);
    if (header == nullptr) return true;  // no frame: the last extent is short
    if (header->reference.load(std::memory_order_relaxed) == 0) return false;
    header->reference.store(0, std::memory_order_relaxed);
    return true;
  }

 private:
  FrameTable& frames_;
  PageClass page_class_;
  uint64_t size_;
};

class Clock final : public Replacement {
 public:
  explicit Clock(FrameTable& frames) : frames_(frames) {}

  bool wants_hits() const override { return false; }
  OrderQueue order_queue() const override { return OrderQueue::kUnused; }
  void ApplyHits(ThreadContext&) override {}
  void Inserted(ThreadContext&, BufferHeader& header, Access) override {
    header.reference.store(0, std::memory_order_relaxed);
  }
  void Removed(ThreadContext&, BufferHeader&) override {}

  BufferHeader* NextVictim(ThreadContext&, Search& search) override {
      const uint64_t size = frames_.extents().RingSize(search.page_class);
    // Two rounds find a frame with a clear bit. One more round passes the
    // frames that cannot be evicted.
    Ring ring(frames_, search.page_class, size);
    while (size != 0 && search.passed++ <= size) {
      const std::optional<uint64_t> position = ClockVictim(ring, 2 * size + 1);
      if (!position.has_value()) return nullptr;
      BufferHeader* header =
          frames_.extents().AtPosition(search.page_class, *position);
      // The extent may have moved to another class since.
      if (header != nullptr) return header;
    }
    return nullptr;
  }

  void LookAhead(ThreadContext&, const BufferHeader& victim, size_t most,
                 std::vector<BufferHeader*>* out) override {
    MPOOL_ASSERT(out != nullptr);
    const PageClass page_class = victim.page_class();
    const uint64_t size = frames_.extents().RingSize(page_class);
    uint64_t position = victim.position.load(std::memory_order_relaxed);
    for (uint64_t i = 1; i < size && out->size() < most && i < 4 * most; ++i) {
      BufferHeader* header =
          frames_.extents().AtPosition(page_class, (position + i) % size);
      if (header != nullptr &&
          header->reference.load(std::memory_order_relaxed) == 0) {
        out->push_back(header);
      }
    }
  }

 private:
  FrameTable& frames_;
};

}  // namespace

std::unique_ptr<Replacement> MakeClock(region::Memory&, FrameTable& frames) {
  return std::make_unique<Clock>(frames);
}

}  // namespace mpool::internal
