// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "region/attach.h"

#include <cstring>
#include <string>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "os/assert.h"
#include "os/backing/segment.h"
#include "os/clock.h"
#include "os/directory.h"
#include "os/filesystem.h"
#include "os/filesystem_kind.h"
#include "os/futex.h"
#include "os/process.h"
#include "os/step.h"
#include "os/trust.h"
#include "region/descriptor.h"
#include "region/home_name.h"
#include "region/identity.h"
#include "region/move.h"
#include "region/unnamed.h"

namespace mpool::region {
namespace {

// Time that the kernel gets to drop the locks of a dead process.
constexpr absl::Duration kDying = absl::Seconds(2);

absl::Status NotTheSame(const os::File& home, const os::LockFile& locks,
                        std::string_view why) {
  const auto held = locks.FindHeld(1, kMaxProcesses);
  const bool known = held.ok() && held->has_value();
  return absl::FailedPreconditionError(absl::StrCat(
      "join region of ", home.path(), ": another process uses it (",
      known ? absl::StrCat("process slot ", **held) : "it left just now",
      "), but ", os::Abs(why),
      "; /dev/shm or System V memory is probably not shared (another "
      "container, ipcrm, or a logout that cleaned it up): let those processes "
      "close, or use Backing::kFile"));
}

absl::Status NoRegion(const os::File& home) {
  return absl::NotFoundError(absl::StrCat(
      "join region of ", home.path(),
      ": there is none; open it with EnvOptions::create, or use the home that "
      "its programs use"));
}

}  // namespace

absl::Status Attacher::Attach(const os::ByteLock* gate) {
  MPOOL_ASSERT(gate == nullptr || (options_.shared && options_.named));
  if (!options_.shared || !options_.named) {
    const absl::Status status = AttachUnnamed();
    // A child that was forked during the call shares the open of the home, and
    // with it the claim.
    if (!status.ok() && options_.shared) os::UnclaimDirectory(home());
    return status;
  }
  MPOOL_RETURN_IF_ERROR(os::CheckDirectory(home()));
  MPOOL_ASSIGN_OR_RETURN(const std::string remote,
                         os::RemoteFilesystem(home()));
  if (!remote.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "open environment ", home().path(), ": ", remote,
        " cannot carry shared memory and its locks; use a local directory"));
  }
  const absl::Status opened =
      files_.OpenRegister(options_.create, options_.mode);
  if (absl::IsNotFound(opened) && !options_.create) return NoRegion(home());
  MPOOL_RETURN_IF_ERROR(opened);
  if (gate != nullptr) return AttachShared();
  const absl::Status status = AttachLocked();
  if (!status.ok()) files_.UnmakeRegister();
  return status;
}

absl::Status Attacher::AttachLocked() {
  MPOOL_ASSERT(files_.has_register());
  MPOOL_STEP("region.join.wait");
  const absl::StatusOr<os::ByteLock> held =
      files_.locks().Lock(0, os::Deadline(options_.wait));
  // The lock file was removed while this process waited for the lock.
  if (absl::IsNotFound(held.status())) return NoRegion(home());
  MPOOL_RETURN_IF_ERROR(held.status());
  if (!held->held()) {
    return GateTimeout(
        absl::StrCat("open environment ", home().path(), ": "),
        files_.locks(), options_.wait);
  }
  MPOOL_STEP("region.join.gate");
  return AttachShared();
}

absl::Status Attacher::AttachShared() {
  MPOOL_ASSERT(members_.process() == 0);
  MPOOL_ASSIGN_OR_RETURN(const std::optional<uint64_t> holder,
                         files_.locks().FindHeld(1, kMaxProcesses));
  MPOOL_ASSIGN_OR_RETURN(std::optional<FixedHeader> descriptor,
                         ReadDescriptor(home()));
  MPOOL_ASSIGN_OR_RETURN(const auto boot_id, os::BootId());
  const bool same_boot =
      descriptor.has_value() &&
      std::memcmp(descriptor->boot_id, boot_id.data(), boot_id.size()) == 0;
  if (holder.has_value()) {
    if (!descriptor.has_value()) {
      return NotTheSame(home(), files_.locks(),
                        "its descriptor __db.001 is gone or damaged");
    }
    if (!same_boot) {
      return NotTheSame(home(), files_.locks(),
                        "its region was made under another boot");
    }
    return Join(*descriptor, nullptr);
  }
  if (same_boot) {
    MPOOL_RETURN_IF_ERROR(FollowHome(home(), &*descriptor));
    MPOOL_RETURN_IF_ERROR(CheckRegister(home(), *descriptor));
    bool unsound = false;
    const absl::Status status = Join(*descriptor, &unsound);
    if (!unsound) return status;
  }
  if (!options_.create) {
    return absl::NotFoundError(absl::StrCat(
        "join region of ", home().path(),
        ": there is none that is whole; open it with EnvOptions::create"));
  }
  Origin origin = Origin::kNew;
  if (descriptor.has_value()) {
    origin = same_boot ? Origin::kLost : Origin::kReboot;
  } else if (os::InfoAt(home(), kDescriptorName).ok()) {
    origin = Origin::kLost;  // the descriptor exists but is not sound
  }
  return Create(descriptor, origin);
}

absl::Status Attacher::Create(const std::optional<FixedHeader>& old,
                            Origin origin) {
  MPOOL_ASSIGN_OR_RETURN(const bool was_there, RemoveMemory(home(), old));
  if (was_there && origin == Origin::kNew) origin = Origin::kLost;
  MPOOL_ASSIGN_OR_RETURN(const os::FileInfo info, home().Info());
  MPOOL_ASSIGN_OR_RETURN(const auto boot_id, os::BootId());
  MPOOL_ASSIGN_OR_RETURN(const auto creation_id, os::RandomId());
  FixedHeader fixed;
  fixed.version = kLayoutVersion;
  fixed.signature = options_.signature;
  std::memcpy(fixed.creation_id, creation_id.data(), creation_id.size());
  std::memcpy(fixed.boot_id, boot_id.data(), boot_id.size());
  FillSizes(&fixed);
  fixed.backing = static_cast<uint32_t>(options_.backing);
  fixed.policy = static_cast<uint32_t>(options_.policy);
  fixed.mode = static_cast<uint32_t>(options_.mode);
  fixed.home_device = info.identity.device;
  fixed.home_inode = info.identity.inode;
  fixed.home_birth_ns = info.identity.birth_ns;
  fixed.home_filesystem = os::FileSystemId(home());
  const std::string segment =
      os::MappingName(options_.backing, info.identity, CreationOf(fixed),
                      options_.sysv_key);
  MPOOL_ASSERT(segment.size() < sizeof(fixed.segment));
  segment.copy(fixed.segment, sizeof(fixed.segment) - 1);
  Seal(&fixed);
  auto undo = absl::MakeCleanup([&] {
    static_cast<void>(os::RemoveMapping(options_.backing, home(), segment));
    // Keep the files, so that the next creator sees that a region was lost.
    if (origin != Origin::kNew) return;
    // The lock file is last, as in RegionRemover::Finish.
    for (const char* name :
         {kNewDescriptorName, kDescriptorName, kRegisterName}) {
      static_cast<void>(os::UnlinkAt(home(), name));
    }
  });
  MPOOL_RETURN_IF_ERROR(WriteDescriptor(home(), fixed));
  // Check the claim after the descriptor is written, because AttachUnnamed
  // checks for a descriptor after its claim. If both run at once, at least one
  // of the two processes detects the other.
  MPOOL_ASSIGN_OR_RETURN(const bool claimed, os::IsDirectoryClaimed(home()));
  if (claimed) return InUseUnnamed("open", home());
  MPOOL_ASSIGN_OR_RETURN(
      std::unique_ptr<os::Mapping> mapping,
      os::CreateMapping(options_.backing, home(), segment,
                        {.size_bytes = options_.size_bytes,
                         .reserved_bytes = options_.reserved_bytes,
                         .tail_offset = fixed.heap_limit,
                         .tail_bytes = options_.tail_bytes,
                         .permissions = options_.mode}));
  MPOOL_STEP("region.create.sized");
  memory_.Use(std::move(mapping), fixed);
  *attached_ = Attached::kCreated;
  // no step: no other process can see the region yet.
  header().origin.store(static_cast<uint32_t>(origin));
  MPOOL_RETURN_IF_ERROR(FormatRegion(fixed));
  std::move(undo).Cancel();
  return absl::OkStatus();
}

absl::Status Attacher::FormatRegion(const FixedHeader& fixed) {
  MPOOL_ASSERT(IsSealed(fixed));
  MPOOL_ASSERT(header().magic.load() == 0 && header().root.load() == 0);
  header().fixed[0] = fixed;
  header().fixed[1] = fixed;
  header().size_bytes.store(options_.size_bytes, std::memory_order_relaxed);
  StoreHome(header(), home());
  MPOOL_RETURN_IF_ERROR(memory_.PrepareMemory(0, options_.size_bytes));
  memory_.heap().Format(sizeof(RegionHeader), options_.size_bytes);
  generation_.Begin();
  MPOOL_RETURN_IF_ERROR(members_.ClaimProcessSlot(Succession::kRefused));
  MPOOL_STEP("region.create.format");
  MPOOL_RETURN_IF_ERROR(client_.Format(members_.process_thread()));
  if (!os::RegisterGlobalBarrier()) header().put_needs_fence.store(1);
  MPOOL_STEP("region.create.whole");
  header().magic.store(kMagic, std::memory_order_release);
  MPOOL_STEP("region.create.done");
  return absl::OkStatus();
}

// `unsound` is not null if no other process is attached: the region is adopted.
// *unsound becomes true if the caller can create a new region instead.
absl::Status Attacher::Join(const FixedHeader& descriptor, bool* unsound) {
  const bool alone = unsound != nullptr;
  MPOOL_RETURN_IF_ERROR(
      CheckLayout(descriptor, options_.signature, home().path()));
  const Backing backing = static_cast<Backing>(descriptor.backing);
  auto refuse = [&](std::string_view why) {
    if (alone) *unsound = true;
    return NotTheSame(home(), files_.locks(), why);
  };
  MPOOL_ASSIGN_OR_RETURN(const std::string_view why_not,
                         CheckDescriptor(home(), descriptor));
  if (!why_not.empty()) return refuse(why_not);
  const absl::StatusOr<uint64_t> size =
      os::MappingSize(backing, home(), descriptor.segment);
  if (absl::IsNotFound(size.status())) return refuse("its memory is gone");
  MPOOL_RETURN_IF_ERROR(size.status());
  if (*size < sizeof(RegionHeader)) return refuse(kCutShort);
  MPOOL_ASSIGN_OR_RETURN(
      std::unique_ptr<os::Mapping> mapping,
      os::JoinMapping(backing, home(), descriptor.segment,
                      {.reserved_bytes = descriptor.reserved_bytes}));
  const auto& found = *reinterpret_cast<RegionHeader*>(mapping->base());
  MPOOL_ASSIGN_OR_RETURN(const std::string_view why,
                         CheckHeader(found, home(), descriptor));
  // A creator holds the gate until the region is whole. This process holds the
  // gate, so that creator is dead, and the kernel will soon drop its life lock.
  const bool is_adopted_in_part =
      why.empty() && found.adopting.load(std::memory_order_acquire) != 0;
  if (!alone && (why == kUnfinished || is_adopted_in_part)) {
    if (AwaitNobody()) return AttachShared();
    if (is_adopted_in_part) return refuse("its adoption was cut short");
  }
  if (why == kDamaged && alone) return adopter_.CannotAdopt(os::Abs(why));
  if (!why.empty()) return refuse(why);
  const FixedHeader fixed = *SoundCopy(found);
  MPOOL_RETURN_IF_ERROR(CheckLayout(fixed, options_.signature, home().path()));
  memory_.Use(std::move(mapping), fixed);
  *attached_ = alone ? Attached::kAdopted : Attached::kJoined;
  if (descriptor.moved_from != 0) {
    files_.set_moved_from(descriptor.moved_from);
  }
  MPOOL_RETURN_IF_ERROR(CheckPermissions());
  MPOOL_RETURN_IF_ERROR(memory_.PrepareMemory(0, header().size_bytes.load()));
  Reachable reached(memory_.heap());
  MPOOL_RETURN_IF_ERROR(adopter_.CheckTables(
      alone ? Sharing::kAlone : Sharing::kShared, &reached));
  const bool needs_fence = !os::RegisterGlobalBarrier();
  if (needs_fence && !alone && header().put_needs_fence.load() == 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        "join region of ", home().path(),
        ": the kernel refuses membarrier here, and the processes inside "
        "count on it; run this process in the same sandbox as they"));
  }
  if (needs_fence || alone) header().put_needs_fence.store(needs_fence);
  MPOOL_STEP("region.join.fence");
  generation_.Begin();
  MPOOL_RETURN_IF_ERROR(members_.ClaimProcessSlot(Succession::kAllowed));
  if (alone) {
    adopter_.Adopt(&reached);
    StoreHome(header(), home());
  }
  return alone ? EndMove(home(), descriptor) : absl::OkStatus();
}

// Returns FailedPrecondition if the memory has permission bits that it did not
// have at creation.
absl::Status Attacher::CheckPermissions() const {
  MPOOL_ASSERT(options_.named);
  if ((memory_.permissions() & ~memory_.fixed().mode) == 0)
    return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrFormat(
      "join region of %s: its memory %s has permission bits %#o, and was made "
      "with %#o: others may have written to it; take the bits away again, or "
      "discard it with 'mpool remove --force'",
      home().path(), memory_.fixed().segment, memory_.permissions(),
      memory_.fixed().mode));
}

// Waits until no slot's byte is locked. False if kDying passes first or a probe
// fails.
bool Attacher::AwaitNobody() const {
  const os::Deadline deadline(kDying);
  while (true) {
    const auto holder = files_.locks().FindHeld(1, kMaxProcesses);
    if (!holder.ok()) return false;
    if (!holder->has_value()) return true;
    if (deadline.passed()) return false;
    os::Sleep(absl::Milliseconds(1));
  }
}

void Attacher::FillSizes(FixedHeader* fixed) const {
  MPOOL_ASSERT(options_.size_bytes <= options_.reserved_bytes);
  fixed->reserved_bytes = options_.reserved_bytes;
  fixed->heap_limit = options_.heap_limit != 0 ? options_.heap_limit
                                               : options_.reserved_bytes;
  fixed->cache_bytes = options_.cache_bytes;
  fixed->max_cache_bytes = options_.max_cache_bytes;
  fixed->max_is_default = options_.max_is_default ? 1 : 0;
}

absl::Status Attacher::AttachUnnamed() {
  MPOOL_ASSERT(!options_.shared || !options_.named);
  if (options_.shared) {
    MPOOL_RETURN_IF_ERROR(ClaimHome(home()));
    MPOOL_RETURN_IF_ERROR(files_.MakeUnnamedRegister());
  }
  MPOOL_RETURN_IF_ERROR(CheckNoOther(home()));
  FixedHeader fixed;
  fixed.version = kLayoutVersion;
  fixed.signature = options_.signature;
  FillSizes(&fixed);
  fixed.backing = static_cast<uint32_t>(options_.backing);
  fixed.policy = static_cast<uint32_t>(options_.policy);
  fixed.mode = static_cast<uint32_t>(options_.mode);
  MPOOL_ASSIGN_OR_RETURN(const auto creation_id, os::RandomId());
  std::memcpy(fixed.creation_id, creation_id.data(), creation_id.size());
  Seal(&fixed);
  MPOOL_ASSIGN_OR_RETURN(
      std::unique_ptr<os::Mapping> mapping,
      os::CreateMapping(options_.backing, home(), "",
                        {.size_bytes = options_.size_bytes,
                         .reserved_bytes = options_.reserved_bytes,
                         .tail_offset = fixed.heap_limit,
                         .tail_bytes = options_.tail_bytes}));
  memory_.Use(std::move(mapping), fixed);
  *attached_ = Attached::kCreated;
  return FormatRegion(fixed);
}

}  // namespace mpool::region
