// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/trace/miss_ratio.h"

#include <algorithm>
#include <limits>

namespace mpool::tools {
namespace {

constexpr uint64_t kNever = std::numeric_limits<uint64_t>::max();

// A set of marks at positions that counts the marks up to a position in log n.
class FenwickTree {
 public:
  explicit FenwickTree(uint64_t size) : sums_(size + 1, 0) {}

  void Add(uint64_t position, int64_t change) {
    for (uint64_t i = position + 1; i < sums_.size(); i += i & (~i + 1)) {
      sums_[i] += change;
    }
  }
  // Returns the number of marks at positions 0..position.
  int64_t SumTo(uint64_t position) const {
    int64_t sum = 0;
    for (uint64_t i = position + 1; i > 0; i -= i & (~i + 1)) sum += sums_[i];
    return sum;
  }

 private:
  std::vector<int64_t> sums_;
};

}  // namespace

MissRatioCurve::MissRatioCurve(std::span<const uint32_t> pages)
    : references_(pages.size()), hits_(1, 0) {
  const uint64_t page_count =
      pages.empty()
          ? 0
          : uint64_t{*std::max_element(pages.begin(), pages.end())} + 1;
  std::vector<uint64_t> last_use(page_count, kNever);
  // One mark per page, at its last use.
  FenwickTree marks(pages.size());
  std::vector<uint64_t> at_distance(page_count + 1, 0);
  int64_t distinct = 0;
  for (uint64_t i = 0; i < pages.size(); ++i) {
    uint64_t& last = last_use[pages[i]];
    if (last == kNever) {
      ++distinct;
    } else {
      // The pages used since then, and the page itself.
      ++at_distance[static_cast<uint64_t>(distinct - marks.SumTo(last) + 1)];
      marks.Add(last, -1);
    }
    marks.Add(i, 1);
    last = i;
  }
  while (at_distance.size() > 1 && at_distance.back() == 0) {
    at_distance.pop_back();
  }
  for (uint64_t frames = 1; frames < at_distance.size(); ++frames) {
    hits_.push_back(hits_.back() + at_distance[frames]);
  }
}

uint64_t MissRatioCurve::HitsAt(uint64_t frames) const {
  return hits_[std::min(frames, largest_useful_frames())];
}

double MissRatioCurve::MissRatioAt(uint64_t frames) const {
  if (references_ == 0) return 1;
  return 1 -
         static_cast<double>(HitsAt(frames)) / static_cast<double>(references_);
}

}  // namespace mpool::tools
