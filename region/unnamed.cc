// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// unnamed.cc - regions that no other process can find: of one process alone, or
// of one and its forked children.
//
// Invariants: U1 a home is claimed as long as a process is there that could
//             come in: the claim is on an open of the home that all of them
//             have, and goes with the last of them.
//             U2 magic is taken away, and then the claim, by the last who
//             leaves: whoever comes later opens the home anew.
// Crash:      the others repair, as in any region. If all die, nothing is left
//             but what was written to the page files.

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

// Keeps everybody out who would not find the memory.
absl::Status Region::ClaimHome() const {
  MPOOL_ASSIGN_OR_RETURN(const bool claimed, os::ClaimDirectory(home_));
  return claimed ? absl::OkStatus() : InUseUnnamed("open", home_);
}

// Pages that it has would not be seen, and could not be written once the files
// were changed from here.
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
