// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "region/child.h"

#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "os/assert.h"
#include "os/clock.h"
#include "os/futex.h"
#include "os/lock_file.h"
#include "region/descriptor.h"
#include "region/identity.h"

namespace mpool::region {

absl::Status ChildEntry::Enter(
    const std::function<absl::Status(uint32_t)>& ready, absl::Duration wait) {
  MPOOL_ASSERT(ready != nullptr);
  if (!generation_.BeginEntry()) {
    if (generation_.HasEntered()) return absl::OkStatus();
    return absl::UnavailableError("another thread could not enter; try again");
  }
  const absl::StatusOr<uint32_t> generation = JoinAsChild(ready, wait);
  generation_.EndEntry(generation.value_or(0));
  return generation.status();
}

// Opens the existing register only. A child must not recreate it in a removed
// home.
absl::StatusOr<os::ByteLock> ChildEntry::LockGate(absl::Duration wait) const {
  const os::Deadline deadline(wait);
  std::optional<os::LockFile> there;
  if (options_.named) {
    MPOOL_ASSIGN_OR_RETURN(there,
                           os::LockFile::Open(files_.home(), kRegisterName,
                                              /*create=*/false, 0600));
  }
  const os::LockFile& locks = there.has_value() ? *there : files_.locks();
  MPOOL_ASSIGN_OR_RETURN(os::ByteLock gate, locks.Lock(0, deadline));
  if (gate.held()) return gate;
  return GateTimeout(
      absl::StrCat("use ", files_.home().path(), " in a forked child: "),
      locks, wait);
}

absl::StatusOr<uint32_t> ChildEntry::JoinAsChild(
    const std::function<absl::Status(uint32_t)>& ready, absl::Duration wait) {
  MPOOL_ASSERT(generation_.value() == 0);
  files_.ForgetLost();
  const absl::Status complete = client_.ForgetLost();
  if (!options_.shared) {
    return absl::FailedPreconditionError(absl::StrCat(
        "use ", files_.home().path(),
        " in a forked child: its memory belongs to the parent alone; open it "
        "again in the child, or use a shared backing"));
  }
  members_.BecomeChild();
  if (options_.named) MPOOL_RETURN_IF_ERROR(files_.ReopenHome());
  absl::StatusOr<os::ByteLock> gate = LockGate(wait);
  if (!absl::IsNotFound(gate.status())) MPOOL_RETURN_IF_ERROR(gate.status());
  MPOOL_RETURN_IF_ERROR(CheckStillThere());
  MPOOL_RETURN_IF_ERROR(gate.status());
  MPOOL_RETURN_IF_ERROR(complete);
  MPOOL_RETURN_IF_ERROR(memory_.PrepareMemory(0, header().size_bytes.load()));
  MPOOL_RETURN_IF_ERROR(members_.ClaimProcessSlot(Succession::kAllowed));
  os::RegisterGlobalBarrier();
  const uint32_t generation = Generation::Next();
  const absl::Status status = ready(generation);
  if (status.ok()) return generation;
  leaver_.Leave(*std::move(gate), Leaver::Unnamed::kKeep);
  return status;
}

// Returns FailedPrecondition if the region was removed or replaced. This can
// happen if the parent left before its child entered.
absl::Status ChildEntry::CheckStillThere() const {
  MPOOL_ASSERT(members_.is_shared());
  if (!options_.named) {
    if (header().magic.load(std::memory_order_acquire) == kMagic) {
      return absl::OkStatus();
    }
    return absl::FailedPreconditionError(absl::StrCat(
        "use ", files_.home().path(),
        " in a forked child: all others have closed it, "
        "and its memory went with them; open it again in the child"));
  }
  MPOOL_ASSIGN_OR_RETURN(const std::optional<FixedHeader> descriptor,
                         ReadDescriptor(files_.home()));
  if (descriptor.has_value() &&
      std::memcmp(descriptor->creation_id, memory_.fixed().creation_id,
                  sizeof(descriptor->creation_id)) == 0) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      absl::StrCat("use ", files_.home().path(),
                   " in a forked child: the region was removed after "
                   "the parent left; open it again in the child"));
}

}  // namespace mpool::region
