// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// unnamed.cc - regions that other processes cannot find: they belong to one
// process alone, or to one process and its forked children.
//
// Invariants: U1 a home stays claimed as long as the opener or a forked child
//             of it exists. All of them have the open of the home that carries
//             the claim, so the claim ends with the last of them.
//             U2 the last leaver clears magic, then drops the claim. A child
//             that wants to enter later must open the home again.
// Crash:      the others repair, as in any region. If all die, only data that
//             was written to the page files is left.

#include <cstring>

#include "absl/strings/str_cat.h"
#include "os/process.h"
#include "region/region.h"

namespace mpool::region {

absl::Status InUseUnnamed(std::string_view verb, const os::File& home) {
  return absl::FailedPreconditionError(absl::StrCat(
      os::Abs(verb), " environment ", home.path(),
      ": it is in use, with memory that only the process which opened it and "
      "its forked children can reach (Backing::kAnonymous, kDevZero or "
      "kSysVPrivate); come in as a child that is forked after the open, or let "
      "all of them close and use kPosixShm, kFile or kSysV"));
}

// Claims the home, so that processes which cannot find the memory are refused.
absl::Status Region::ClaimHome() const {
  MPOOL_ASSIGN_OR_RETURN(const bool claimed, os::ClaimDirectory(home_));
  return claimed ? absl::OkStatus() : InUseUnnamed("open", home_);
}

// The pages of such a region would not be visible here. They could not be
// written back after this process changed the files.
absl::Status Region::CheckNoOther() const {
  if (!os::InfoAt(home_, kDescriptorName).ok()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "open environment ", home_.path(),
      ": it has a region that other processes can join, maybe with pages that "
      "are on no disk; open it with that one's backing, or remove it first "
      "('mpool remove')"));
}

absl::Status Region::AttachUnnamed() {
  if (options_.shared) {
    MPOOL_RETURN_IF_ERROR(ClaimHome());
    MPOOL_ASSIGN_OR_RETURN(lock_file_, os::LockFile::Unnamed());
  }
  MPOOL_RETURN_IF_ERROR(CheckNoOther());
  FixedHeader fixed;
  fixed.version = kLayoutVersion;
  fixed.signature = options_.signature;
  FillSizes(&fixed);
  fixed.backing = static_cast<uint32_t>(options_.backing);
  fixed.policy = static_cast<uint32_t>(options_.policy);
  const auto creation_id = os::RandomId();
  std::memcpy(fixed.creation_id, creation_id.data(), creation_id.size());
  Seal(&fixed);
  MPOOL_ASSIGN_OR_RETURN(
      std::unique_ptr<os::Mapping> mapping,
      os::CreateMapping(options_.backing, home_, "",
                        {.size_bytes = options_.size_bytes,
                         .reserved_bytes = options_.reserved_bytes,
                         .tail_offset = fixed.heap_limit,
                         .tail_bytes = options_.tail_bytes}));
  Use(std::move(mapping), fixed);
  attached_ = Attached::kCreated;
  return FormatRegion(fixed);
}

}  // namespace mpool::region
