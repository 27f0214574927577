// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "region/home_name.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "os/assert.h"

namespace mpool::region {
namespace {

constexpr size_t kPathBytes = kHomePathWords * sizeof(uint64_t);
static_assert((kHomeHandleWords - 1) * sizeof(uint64_t) ==
              os::FileHandle::kMaxBytes);

}  // namespace

// no step below: a reader accepts any words.
void StoreHome(RegionHeader& header, const os::File& home) {
  MPOOL_ASSERT(home.path().starts_with('/'));
  std::array<uint64_t, kHomePathWords> path = {};
  if (home.path().size() < kPathBytes) {
    std::memcpy(path.data(), home.path().data(), home.path().size());
  }
  for (uint32_t i = 0; i < kHomePathWords; ++i) {
    header.home_path[i].store(path[i], std::memory_order_relaxed);
  }
  const os::FileHandle handle = os::HandleOf(home);
  std::array<uint64_t, kHomeHandleWords> words = {};
  words[0] = uint64_t{handle.bytes} << 32 |
             static_cast<uint32_t>(handle.type);
  std::memcpy(&words[1], handle.data.data(), handle.data.size());
  for (uint32_t i = 0; i < kHomeHandleWords; ++i) {
    header.home_handle[i].store(words[i], std::memory_order_relaxed);
  }
}

std::string HomePathIn(const RegionHeader& header) {
  std::array<char, kPathBytes> path;
  for (uint32_t i = 0; i < kHomePathWords; ++i) {
    const uint64_t word = header.home_path[i].load(std::memory_order_relaxed);
    std::memcpy(&path[i * sizeof(word)], &word, sizeof(word));
  }
  const std::string text(path.begin(), std::ranges::find(path, '\0'));
  return text.starts_with('/') && text.size() < kPathBytes ? text : "";
}

os::FileHandle HomeHandleIn(const RegionHeader& header) {
  std::array<uint64_t, kHomeHandleWords> words;
  for (uint32_t i = 0; i < kHomeHandleWords; ++i) {
    words[i] = header.home_handle[i].load(std::memory_order_relaxed);
  }
  os::FileHandle handle;
  const uint32_t bytes = static_cast<uint32_t>(words[0] >> 32);
  if (bytes > os::FileHandle::kMaxBytes) return handle;
  handle.bytes = bytes;
  handle.type = static_cast<int32_t>(words[0] & 0xffffffff);
  std::memcpy(handle.data.data(), &words[1], handle.data.size());
  return handle;
}

}  // namespace mpool::region
