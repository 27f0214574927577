// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// validate.cc - options are checked once, at the door.

#include <bit>

#include "absl/strings/str_cat.h"
#include "db/environment.h"
#include "os/process.h"
#include "os/status.h"

namespace mpool::internal {

absl::Status Unbuilt(const char* what) {
  return absl::UnimplementedError(absl::StrCat(
      what, " is not built yet; leave it at its default"));
}

namespace {

absl::Status CheckCacheBytes(const EnvOptions& options) {
  constexpr uint64_t kLeast = uint64_t{kMinFrames} * kMinPageBytes;
  const uint64_t most = os::PhysicalMemoryBytes();
  if (options.cache_bytes < kLeast ||
      options.cache_bytes % kMinPageBytes != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "EnvOptions::cache_bytes is ", options.cache_bytes,
        ": it must be a multiple of ", kMinPageBytes, " and at least ",
        kLeast, " (", kMinFrames, " pages of the size in use)"));
  }
  if (options.cache_bytes > most) {
    return absl::InvalidArgumentError(absl::StrCat(
        "EnvOptions::cache_bytes is ", options.cache_bytes,
        ": this machine has ", most, " bytes of memory; ask for less"));
  }
  if (options.max_cache_bytes != 0 &&
      options.max_cache_bytes != options.cache_bytes) {
    return Unbuilt("EnvOptions::max_cache_bytes");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Validate(const EnvOptions& options) {
  MPOOL_RETURN_IF_ERROR(CheckCacheBytes(options));
  switch (options.backing) {
    case Backing::kPosixShm:
    case Backing::kFile:
    case Backing::kHeap:
      break;
    case Backing::kSysV:
      return Unbuilt("Backing::kSysV");
    case Backing::kAnonymous:
      return Unbuilt("Backing::kAnonymous");
    case Backing::kDevZero:
      return Unbuilt("Backing::kDevZero");
  }
  if (options.policy != Policy::kLru && options.policy != Policy::kClock) {
    return Unbuilt("Policy::kClock2Q");
  }
  if (options.prefault) return Unbuilt("EnvOptions::prefault");
  if (options.lock_memory) return Unbuilt("EnvOptions::lock_memory");
  if (options.log_flush != nullptr) return Unbuilt("EnvOptions::log_flush");
  if ((options.mode & ~0777) != 0 || (options.mode & 0600) != 0600) {
    return absl::InvalidArgumentError(absl::StrCat(
        "EnvOptions::mode is ", options.mode,
        ": it must be permission bits that let the owner read and write"));
  }
  return absl::OkStatus();
}

absl::Status Validate(std::string_view path, const FileOptions& options) {
  if (path.empty()) return Unbuilt("a temporary file (an empty path)");
  if (path.size() >= kMaxPathBytes ||
      path.find('\0') != std::string_view::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("open file: a path of ", path.size(),
                     " bytes is too long or has a NUL in it; the limit is ",
                     kMaxPathBytes - 1));
  }
  if (!std::has_single_bit(options.page_size) ||
      options.page_size < kMinPageBytes || options.page_size > kMaxPageBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "open file ", os::Abs(path), ": FileOptions::page_size is ",
        options.page_size, ": it must be a power of two from ", kMinPageBytes,
        " to ", kMaxPageBytes));
  }
  if (options.read_only && options.create) {
    return absl::InvalidArgumentError(
        absl::StrCat("open file ", os::Abs(path),
                     ": create and read_only exclude each other"));
  }
  if (options.filter != 0) return Unbuilt("FileOptions::filter");
  if (options.lsn_offset != -1) return Unbuilt("FileOptions::lsn_offset");
  if (options.checksum_offset != -1) {
    return Unbuilt("FileOptions::checksum_offset");
  }
  if (options.atomic_update.value_or(false)) {
    return Unbuilt("FileOptions::atomic_update");
  }
  if (options.retain_until_synced) {
    return Unbuilt("FileOptions::retain_until_synced");
  }
  if (options.clear_bytes != 0) return Unbuilt("FileOptions::clear_bytes");
  if (options.priority != Priority::kDefault) {
    return Unbuilt("FileOptions::priority");
  }
  if (options.max_bytes != 0) return Unbuilt("FileOptions::max_bytes");
  return absl::OkStatus();
}

region::RegionOptions RegionOptionsFor(const EnvOptions& options) {
  const PoolSize size = SizeOfPool(options.cache_bytes);
  region::RegionOptions out;
  out.backing = options.backing;
  out.policy = options.policy;
  out.cache_bytes = options.cache_bytes;
  out.size_bytes = size.region_bytes;
  out.reserved_bytes = size.reserved_bytes;
  out.mode = options.mode;
  out.shared = options.backing != Backing::kHeap;
  out.create = options.create;
  out.huge_pages = options.huge_pages;
  out.signature = Pool::Signature();
  return out;
}

}  // namespace mpool::internal
