// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "db/options.h"

#include <algorithm>
#include <bit>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "mpool/evict/policies.h"
#include "mpool/file.h"
#include "mpool/pool/pool.h"
#include "mpool/pool/signature.h"
#include "os/assert.h"
#include "os/backing/table.h"
#include "os/process.h"
#include "os/status.h"

namespace mpool::internal {

absl::Status Unbuilt(const char* what) {
  MPOOL_ASSERT(what != nullptr && *what != '\0');
  return absl::UnimplementedError(absl::StrCat(
      what, " is not built yet; leave it at its default"));
}

namespace {

uint64_t CacheBytesOf(const EnvOptions& options) {
  return options.cache_bytes != 0 ? options.cache_bytes
                                  : EnvOptions::kDefaultCacheBytes;
}

// Returns the default of EnvOptions::max_cache_bytes.
uint64_t DefaultMaxBytes(uint64_t cache_bytes) {
  constexpr uint64_t kGrowth = 4;
  const uint64_t memory = os::PhysicalMemoryBytes();  // 0: unknown
  const uint64_t most = memory == 0 ? cache_bytes
                                    : memory / kMinPageBytes * kMinPageBytes;
  return std::clamp(most, cache_bytes, kGrowth * cache_bytes);
}

absl::Status CheckCacheBytes(const EnvOptions& options) {
  constexpr uint64_t kLeast = uint64_t{kMinFrames} * kMinPageBytes;
  const uint64_t most = os::PhysicalMemoryBytes();  // 0: unknown
  const uint64_t cache_bytes = CacheBytesOf(options);
  if (cache_bytes < kLeast ||
      cache_bytes % kMinPageBytes != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "EnvOptions::cache_bytes is ", options.cache_bytes,
        ": it must be a multiple of ", kMinPageBytes, " and at least ",
        kLeast, " (", kMinFrames, " pages of the size in use)"));
  }
  if (most != 0 && options.cache_bytes > most) {
    return absl::InvalidArgumentError(absl::StrCat(
        "EnvOptions::cache_bytes is ", options.cache_bytes,
        ": this machine has ", most, " bytes of memory; ask for less"));
  }
  if (options.max_cache_bytes != 0 &&
      (options.max_cache_bytes < cache_bytes ||
       options.max_cache_bytes % kMinPageBytes != 0 ||
       (most != 0 && options.max_cache_bytes > most))) {
    return absl::InvalidArgumentError(absl::StrCat(
        "EnvOptions::max_cache_bytes is ", options.max_cache_bytes,
        ": it must be 0, or a multiple of ", kMinPageBytes, " from "
        "EnvOptions::cache_bytes, ", cache_bytes,
        ", up to the memory of this machine, ", most));
  }
  return absl::OkStatus();
}

// A region of another library may have a value that this one does not know.
std::string BackingText(Backing backing) {
  const os::BackingRow* const row = os::FindBacking(backing);
  return row == nullptr ? absl::StrCat(static_cast<int>(backing))
                        : std::string(row->name);
}

std::string PolicyText(Policy policy) {
  const PolicyRow* const row = FindPolicy(policy);
  return row == nullptr ? absl::StrCat(static_cast<int>(policy))
                        : std::string(row->name);
}

absl::Status CheckBacking(Backing backing) {
  if (os::FindBacking(backing) != nullptr) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("EnvOptions::backing is ", static_cast<int>(backing),
                   ": there is no such backing"));
}

absl::Status CheckKey(const EnvOptions& options) {
  if (!options.sysv_key.has_value()) return absl::OkStatus();
  constexpr char kField[] = "EnvOptions::sysv_key";
  const os::BackingRow* const row = os::FindBacking(options.backing);
  if (row == nullptr || !row->has_key) {
    return absl::InvalidArgumentError(absl::StrCat(
        kField, " is given: only Backing::kSysV has keys; ask for it too"));
  }
  if (*options.sysv_key != 0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      kField, " is 0: that is IPC_PRIVATE, a key by which no process finds the "
      "memory; choose another, or Backing::kSysVPrivate for a process and its "
      "forked children"));
}

absl::Status CheckPolicy(Policy policy) {
  const internal::PolicyRow* row = internal::FindPolicy(policy);
  if (row == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("EnvOptions::policy is ", static_cast<int>(policy),
                     ": there is no such policy"));
  }
  if (row->is_built) return absl::OkStatus();
  return Unbuilt(absl::StrCat("the policy ", std::string(row->name)).c_str());
}

}  // namespace

absl::Status Validate(const EnvOptions& options) {
  MPOOL_RETURN_IF_ERROR(CheckCacheBytes(options));
  MPOOL_RETURN_IF_ERROR(CheckBacking(options.backing));
  MPOOL_RETURN_IF_ERROR(CheckKey(options));
  MPOOL_RETURN_IF_ERROR(CheckPolicy(options.policy));
  if ((options.mode & ~0775) != 0 || (options.mode & 0600) != 0600) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "EnvOptions::mode is %#o: it must be permission bits that let the "
        "owner read and write, and not everybody write; to share it, give it "
        "to a group (0660)",
        static_cast<unsigned>(options.mode)));
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
  const bool is_size = std::has_single_bit(options.page_size) &&
                       options.page_size >= kMinPageBytes &&
                       options.page_size <= kMaxPageBytes;
  if (!is_size && options.page_size != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "open file ", os::Abs(path), ": FileOptions::page_size is ",
        options.page_size, ": it must be a power of two from ", kMinPageBytes,
        " to ", kMaxPageBytes, ", or 0 for a file that the environment knows"));
  }
  if (options.read_only && options.create) {
    return absl::InvalidArgumentError(
        absl::StrCat("open file ", os::Abs(path),
                     ": create and read_only exclude each other"));
  }
  if ((options.mode & ~0777) != 0) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "open file %s: FileOptions::mode is %#o: it must be permission bits",
        os::Abs(path), static_cast<unsigned>(options.mode)));
  }
  if (options.filter != 0) return Unbuilt("FileOptions::filter");
  // OpenFile calls this again when the size is known.
  const uint32_t page_size =
      options.page_size != 0 ? options.page_size : kMaxPageBytes;
  if (options.lsn_offset < -1 ||
      options.lsn_offset > static_cast<int>(page_size - sizeof(Lsn))) {
    return absl::InvalidArgumentError(absl::StrCat(
        "open file ", os::Abs(path), ": FileOptions::lsn_offset is ",
        options.lsn_offset, ": the ", sizeof(Lsn),
        " bytes of an Lsn must lie within a page of ", options.page_size));
  }
  if (options.checksum_offset != -1) {
    return Unbuilt("FileOptions::checksum_offset");
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

std::string DescribeDifferences(const EnvOptions& asked,
                                const EffectiveOptions& in_force,
                                uint64_t created_bytes) {
  MPOOL_ASSERT(in_force.cache_bytes != 0 && created_bytes != 0);
  const EnvOptions defaults;
  std::vector<std::string> found;
  auto note = [&](const char* name, const auto& wanted, const auto& has) {
    found.push_back(absl::StrCat(name, " ", has, " (asked for ", wanted, ")"));
  };
  if (asked.cache_bytes != defaults.cache_bytes &&
      asked.cache_bytes != in_force.cache_bytes &&
      asked.cache_bytes != created_bytes) {
    note("cache_bytes", asked.cache_bytes, in_force.cache_bytes);
  }
  if (asked.max_cache_bytes != defaults.max_cache_bytes &&
      asked.max_cache_bytes != in_force.max_cache_bytes) {
    note("max_cache_bytes", asked.max_cache_bytes, in_force.max_cache_bytes);
  }
  if (asked.backing != defaults.backing && asked.backing != in_force.backing) {
    note("backing", BackingText(asked.backing), BackingText(in_force.backing));
  }
  if (asked.policy != defaults.policy && asked.policy != in_force.policy) {
    note("policy", PolicyText(asked.policy), PolicyText(in_force.policy));
  }
  if (asked.mode != defaults.mode && asked.mode != in_force.mode) {
    note("mode", absl::StrFormat("%#o", static_cast<unsigned>(asked.mode)),
         absl::StrFormat("%#o", static_cast<unsigned>(in_force.mode)));
  }
  return absl::StrJoin(found, ", ");
}

absl::StatusOr<std::string> JudgeDifferences(std::string_view home,
                                             const EnvOptions& asked,
                                             const EffectiveOptions& in_force,
                                             uint64_t created_bytes,
                                             std::string_view kept_because) {
  const std::string differences =
      DescribeDifferences(asked, in_force, created_bytes);
  if (differences.empty()) return differences;
  const std::string text =
      absl::StrCat("the region of ", os::Abs(home), " has ", differences);
  if (asked.on_mismatch == Mismatch::kFail) {
    return absl::FailedPreconditionError(absl::StrCat(
        "open environment ", os::Abs(home), ": ", text,
        "; ask for these, or let all processes close it and open it with "
        "Mismatch::kRecreateIfClean"));
  }
  const std::string_view in_use = asked.on_mismatch == Mismatch::kKeep
                                      ? "Mismatch::kKeep was asked for"
                                      : "it was in use";
  return absl::StrCat(text, " and was kept: ",
                      os::Abs(kept_because.empty() ? in_use : kept_because));
}

region::RegionOptions RegionOptionsFor(const EnvOptions& options) {
  const uint64_t cache_bytes = CacheBytesOf(options);
  MPOOL_ASSERT(options.max_cache_bytes == 0 ||
               options.max_cache_bytes >= cache_bytes);
  region::RegionOptions out;
  out.max_is_default = options.max_cache_bytes == 0;
  const uint64_t max_cache_bytes = out.max_is_default
                                       ? DefaultMaxBytes(cache_bytes)
                                       : options.max_cache_bytes;
  SizeRegion(cache_bytes, max_cache_bytes, &out);
  out.backing = options.backing;
  out.sysv_key = options.sysv_key;
  out.policy = options.policy;
  out.mode = options.mode;
  const os::Reach reach = os::ReachOf(options.backing);
  out.shared = reach != os::Reach::kOneProcess;
  out.named = reach == os::Reach::kAnyProcess;
  out.create = options.create;
  out.wait = options.wait;
  out.huge_pages = options.huge_pages;
  out.prefault = options.prefault;
  out.lock_memory = options.lock_memory;
  out.signature = LayoutSignature();
  MPOOL_ASSERT(out.size_bytes <= out.reserved_bytes);
  MPOOL_ASSERT(out.shared || !out.named);
  return out;
}

}  // namespace mpool::internal
