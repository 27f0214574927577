// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "os/backing/segment_name.h"

#include <sys/shm.h>

#include <cinttypes>
#include <cstdio>
#include <span>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "os/crc32.h"
#include "os/status.h"

namespace mpool::os {
namespace {

constexpr std::string_view kNameBegin = "mpool-";
constexpr size_t kKeyDigits = 11;  // "0x01234567/"
constexpr size_t kCreationDigits = 16;

}  // namespace

std::optional<NameParts> PartsOf(std::string_view name) {
  const size_t slash = name.find('/');
  if (slash == name.npos) return std::nullopt;
  const std::string text(name.substr(slash + 1));
  NameParts parts;
  if (std::sscanf(text.c_str(), "mpool-%" SCNx64 "-%" SCNx64 "-%" SCNx64,
                  &parts.device, &parts.inode, &parts.creation) != 3) {
    return std::nullopt;
  }
  // Only the canonical text is a name.
  const std::string prefix =
      NamePrefix({.device = parts.device, .inode = parts.inode});
  if (DefaultName(prefix, parts.creation) != "/" + text) return std::nullopt;
  return parts;
}

std::string NamePrefix(const FileIdentity& home) {
  return absl::StrFormat("mpool-%x-%x-", home.device, home.inode);
}

std::string DefaultName(std::string_view prefix, uint64_t creation) {
  return absl::StrFormat("/%s%016x", prefix, creation);
}

uint32_t NameHash(std::string_view text) {
  return Crc32(std::as_bytes(std::span(text.data(), text.size())));
}

uint32_t KeyOf(std::string_view prefix, uint64_t creation) {
  const uint32_t low =
      NameHash(absl::StrFormat("%s%016x", prefix, creation)) & 0xffff;
  const uint32_t key = (NameHash(prefix) & 0xffff0000) | low;
  return key == IPC_PRIVATE ? 1 : key;
}

key_t KeyIn(std::string_view name) {
  uint32_t key = 0;
  std::sscanf(std::string(name).c_str(), "%" SCNx32, &key);
  return static_cast<key_t>(key);
}

uint64_t CreationIn(std::string_view name) {
  uint64_t creation = 0;
  if (name.size() > kCreationDigits) {
    name.remove_prefix(name.size() - kCreationDigits);
    std::sscanf(std::string(name).c_str(), "%" SCNx64, &creation);
  }
  return creation;
}

std::string_view PrefixIn(std::string_view name) {
  if (name.size() <= kKeyDigits + kCreationDigits) return "";
  return name.substr(kKeyDigits, name.size() - kKeyDigits - kCreationDigits);
}

uint64_t DeviceIn(std::string_view name) {
  uint64_t device = 0;
  if (name.size() > kKeyDigits &&
      name.substr(kKeyDigits).starts_with(kNameBegin)) {
    name.remove_prefix(kKeyDigits + kNameBegin.size());
    std::sscanf(std::string(name).c_str(), "%" SCNx64, &device);
  }
  return device;
}

std::string WithDevice(std::string_view name, uint64_t device) {
  const size_t begin = kKeyDigits + kNameBegin.size();
  const size_t end = name.find('-', begin);
  if (DeviceIn(name) == 0 || end == name.npos) return std::string(name);
  return absl::StrCat(Abs(name.substr(0, begin)), absl::Hex(device),
                      Abs(name.substr(end)));
}

std::string SysVName(std::string_view prefix, uint64_t creation,
                     std::optional<int> key) {
  const uint32_t wanted =
      key.has_value() ? static_cast<uint32_t>(*key) : KeyOf(prefix, creation);
  return absl::StrFormat("0x%08x/%s%016x", wanted, prefix, creation);
}

}  // namespace mpool::os
