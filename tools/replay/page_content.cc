// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/replay/page_content.h"

#include <zlib.h>

#include <cassert>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace mpool::tools {
namespace {

constexpr uint64_t kMagic = 0x6d706f6f6c706765;  // "mpoolpge"

struct PageHead {
  uint64_t magic;
  uint64_t file_hash;
  uint64_t page;
  uint32_t version;
  uint32_t crc;
};
static_assert(sizeof(PageHead) == 32);

// Returns the CRC-32. It uses zlib instead of os::Crc32, so that the check
// shares no code with the pool.
uint32_t Crc(PageHead head, std::span<const std::byte> filler) {
  head.crc = 0;
  uLong crc = crc32(0, reinterpret_cast<const Bytef*>(&head), sizeof(head));
  crc = crc32(crc, reinterpret_cast<const Bytef*>(filler.data()),
              static_cast<uInt>(filler.size()));
  return static_cast<uint32_t>(crc);
}

}  // namespace

uint64_t Mix(uint64_t value) {
  value += 0x9e3779b97f4a7c15;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

uint64_t HashName(std::string_view name) {
  uint64_t hash = 0;
  for (const char c : name) hash = Mix(hash ^ static_cast<unsigned char>(c));
  return hash;
}

void FillPage(const PageIdentity& identity, std::span<std::byte> bytes) {
  assert(bytes.size() % sizeof(uint64_t) == 0 && bytes.size() >= 64);
  PageHead head = {kMagic, identity.file_hash, identity.page, identity.version,
                   0};
  const std::span<std::byte> filler = bytes.subspan(sizeof(head));
  const uint64_t seed = Mix(identity.page ^ (uint64_t{identity.version} << 32));
  for (size_t at = 0; at < filler.size(); at += sizeof(uint64_t)) {
    const uint64_t word = seed + at * 0x9e3779b97f4a7c15;
    std::memcpy(filler.data() + at, &word, sizeof(word));
  }
  head.crc = Crc(head, filler);
  std::memcpy(bytes.data(), &head, sizeof(head));
}

std::string CheckPage(const PageIdentity& identity,
                      std::span<const std::byte> bytes) {
  PageHead head;
  std::memcpy(&head, bytes.data(), sizeof(head));
  if (head.magic != kMagic) return "it has no magic number";
  if (head.file_hash != identity.file_hash) {
    return "it belongs to another file";
  }
  if (head.page != identity.page) {
    return absl::StrCat("it is page ", head.page);
  }
  if (head.crc != Crc(head, bytes.subspan(sizeof(head)))) {
    return absl::StrCat("its CRC is wrong (version ", head.version, ")");
  }
  if (head.version != identity.version) {
    return absl::StrCat("it has version ", head.version, " instead of ",
                        identity.version);
  }
  return "";
}

}  // namespace mpool::tools
