// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "region/unnamed.h"

#include "absl/strings/str_cat.h"
#include "os/backing/table.h"
#include "os/directory.h"
#include "os/lock_file.h"
#include "os/status.h"
#include "region/descriptor.h"

namespace mpool::region {

absl::Status InUseUnnamed(std::string_view verb, const os::File& home) {
  return absl::FailedPreconditionError(absl::StrCat(
      os::Abs(verb), " environment ", home.path(),
      ": it is in use, with memory that only the process which opened it and "
      "its forked children can reach (Backing::kAnonymous, kDevZero or "
      "kSysVPrivate); come in as a child that is forked after the open, or let "
      "all of them close and use ",
      os::SharedBackings()));
}

absl::Status ClaimHome(const os::File& home) {
  MPOOL_ASSIGN_OR_RETURN(const bool claimed, os::ClaimDirectory(home));
  return claimed ? absl::OkStatus() : InUseUnnamed("open", home);
}

// The pages of such a region would not be visible here. They could not be
// written back after this process changed the files.
absl::Status CheckNoOther(const os::File& home) {
  if (!os::InfoAt(home, kDescriptorName).ok()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "open environment ", home.path(),
      ": it has a region that other processes can join, maybe with pages that "
      "are on no disk; open it with that one's backing, or remove it first "
      "('mpool remove')"));
}

}  // namespace mpool::region
