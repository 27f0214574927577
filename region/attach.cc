// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// attach.cc - creates, joins, adopts, removes and inspects a region.

#include <cstring>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "os/clock.h"
#include "os/crc32.h"
#include "os/filesystem.h"
#include "os/futex.h"
#include "os/process.h"
#include "os/step.h"
#include "os/trust.h"
#include "region/region.h"

namespace mpool::region {
namespace {

constexpr char kNewDescriptorName[] = "__db.001.new";

std::span<const std::byte> Bytes(const FixedHeader& fixed) {
  return std::as_bytes(std::span(&fixed, 1));
}

constexpr std::string_view kUnfinished = "its creation was never finished";
constexpr std::string_view kCutShort = "its memory is cut short";
constexpr std::string_view kDamaged = "its header is damaged";
// Time that the kernel gets to drop the locks of a dead process.
constexpr absl::Duration kDying = absl::Seconds(2);

// Removes the memory that the descriptor names and the memory of lost
// descriptors. Ignores a descriptor of another home. Returns true if there was
// a descriptor or memory.
absl::StatusOr<bool> RemoveMemory(
    const os::File& home, const std::optional<FixedHeader>& descriptor) {
  if (descriptor.has_value()) {
    MPOOL_ASSIGN_OR_RETURN(const std::string_view why,
                           CheckDescriptor(home, *descriptor));
    if (why.empty()) {
      MPOOL_RETURN_IF_ERROR(
          os::RemoveMapping(static_cast<Backing>(descriptor->backing), home,
                            descriptor->segment));
    }
  }
  MPOOL_ASSIGN_OR_RETURN(const uint32_t strays, os::RemoveStrayMappings(home));
  return descriptor.has_value() || strays != 0;
}

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

// Returns why the region cannot be used; empty if it is whole. The region may
// be growing: growth first backs memory, then stores size_bytes, then heap_end.
// This function reads them in the reverse order, so that each value is at least
// the value read before it.
absl::StatusOr<std::string_view> CheckHeader(const RegionHeader& header,
                                            const os::File& home,
                                            const FixedHeader& descriptor) {
  const uint64_t magic = header.magic.load(std::memory_order_acquire);
  if (magic == 0) return kUnfinished;
  const FixedHeader* fixed = SoundCopy(header);
  if (magic != kMagic || fixed == nullptr) return kDamaged;
  if (std::memcmp(fixed->creation_id, descriptor.creation_id,
                  sizeof(fixed->creation_id)) != 0) {
    return kOfAnotherCreation;
  }
  const uint64_t heap_end = header.heap_end.load(std::memory_order_acquire);
  const uint64_t end = header.size_bytes.load(std::memory_order_acquire);
  MPOOL_ASSIGN_OR_RETURN(
      const uint64_t size,
      os::MappingSize(static_cast<Backing>(descriptor.backing), home,
                      descriptor.segment));
  if (size < fixed->reserved_bytes) return kCutShort;
  const uint64_t root = header.root.load(std::memory_order_acquire);
  if (end < sizeof(RegionHeader) || end > fixed->heap_limit ||
      fixed->heap_limit > fixed->reserved_bytes || heap_end > end ||
      root < sizeof(RegionHeader) || root >= end) {
    return kDamaged;
  }
  return "";
}

}  // namespace

absl::Status WriteDescriptor(const os::File& home, const FixedHeader& fixed) {
  MPOOL_RETURN_IF_ERROR(os::UnlinkAt(home, kNewDescriptorName));
  MPOOL_ASSIGN_OR_RETURN(const os::FileInfo info, home.Info());
  MPOOL_ASSIGN_OR_RETURN(
      os::File file,
      os::File::OpenAt(home, kNewDescriptorName,
                       os::NewOwn(info, static_cast<int>(fixed.mode))));
  MPOOL_RETURN_IF_ERROR(file.WriteAt(0, Bytes(fixed)));
  MPOOL_RETURN_IF_ERROR(file.WriteAt(sizeof(fixed), Bytes(fixed)));
  MPOOL_STEP("region.create.describe");
  MPOOL_RETURN_IF_ERROR(
      os::RenameAt(home, kNewDescriptorName, kDescriptorName));
  MPOOL_STEP("region.create.described");
  return absl::OkStatus();
}

const FixedHeader* SoundCopy(const RegionHeader& header) {
  for (const FixedHeader& copy : header.fixed) {
    if (IsSealed(copy)) return &copy;
  }
  return nullptr;
}

void Seal(FixedHeader* fixed) {
  fixed->crc =
      os::Crc32(Bytes(*fixed).first(offsetof(FixedHeader, crc)));
}

bool IsSealed(const FixedHeader& fixed) {
  return fixed.crc ==
             os::Crc32(Bytes(fixed).first(offsetof(FixedHeader, crc))) &&
         std::memchr(fixed.segment, 0, sizeof(fixed.segment)) != nullptr &&
         fixed.version != 0;
}

absl::StatusOr<std::optional<FixedHeader>> ReadDescriptor(
    const os::File& home) {
  absl::StatusOr<os::File> file =
      os::OpenOwn(home, kDescriptorName, os::File::Mode::kReadOnly);
  if (absl::IsNotFound(file.status())) return std::nullopt;
  MPOOL_RETURN_IF_ERROR(file.status());
  FixedHeader copies[2];
  MPOOL_ASSIGN_OR_RETURN(
      const size_t got,
      file->ReadAt(0, std::as_writable_bytes(std::span(copies))));
  for (size_t i = 0; i < 2; ++i) {
    if (got >= (i + 1) * sizeof(FixedHeader) && IsSealed(copies[i])) {
      return copies[i];
    }
  }
  return std::nullopt;
}

absl::Status CheckLayout(const FixedHeader& fixed, uint32_t signature,
                         std::string_view home) {
  if (fixed.version == kLayoutVersion && fixed.signature == signature) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrFormat(
      "join region of %s: it has layout version %u (signature %08x), this "
      "library has version %u (signature %08x); close the programs that made "
      "it and run 'mpool remove' with their version",
      os::Abs(home), fixed.version, fixed.signature, kLayoutVersion,
      signature));
}

absl::Status Region::Attach(RegionClient& tenant, const os::ByteLock* gate) {
  tenant_ = &tenant;
  if (!options_.shared || !options_.named) return AttachUnnamed();
  MPOOL_RETURN_IF_ERROR(os::CheckDirectory(home_));
  MPOOL_ASSIGN_OR_RETURN(const std::string remote, home_.RemoteFilesystem());
  if (!remote.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "open environment ", home_.path(), ": ", remote,
        " cannot carry shared memory and its locks; use a local directory"));
  }
  absl::StatusOr<os::LockFile> lock_file = os::LockFile::Open(
      home_, kRegisterName, options_.create, options_.mode, [this] {
        return absl::IsNotFound(os::InfoAt(home_, kDescriptorName).status());
      });
  if (absl::IsNotFound(lock_file.status()) && !options_.create) {
    return NoRegion(home_);
  }
  MPOOL_RETURN_IF_ERROR(lock_file.status());
  lock_file_ = *std::move(lock_file);
  if (gate != nullptr) return AttachShared();
  const absl::Status status = AttachLocked();
  if (!status.ok()) lock_file_->Unmake();
  return status;
}

absl::Status Region::AttachLocked() {
  const absl::StatusOr<os::ByteLock> held = lock_file_->Lock(0);
  // The lock file was removed while this process waited for the lock.
  if (absl::IsNotFound(held.status())) return NoRegion(home_);
  MPOOL_RETURN_IF_ERROR(held.status());
  MPOOL_STEP("region.join.gate");
  return AttachShared();
}

absl::Status Region::AttachShared() {
  MPOOL_ASSIGN_OR_RETURN(const std::optional<uint64_t> holder,
                         lock_file_->FindHeld(1, kMaxProcesses));
  MPOOL_ASSIGN_OR_RETURN(std::optional<FixedHeader> descriptor,
                         ReadDescriptor(home_));
  MPOOL_ASSIGN_OR_RETURN(const auto boot_id, os::BootId());
  const bool same_boot =
      descriptor.has_value() &&
      std::memcmp(descriptor->boot_id, boot_id.data(), boot_id.size()) == 0;
  if (holder.has_value()) {
    if (!descriptor.has_value()) {
      return NotTheSame(home_, *lock_file_,
                        "its descriptor __db.001 is gone or damaged");
    }
    if (!same_boot) {
      return NotTheSame(home_, *lock_file_,
                        "its region was made under another boot");
    }
    return Join(*descriptor, nullptr);
  }
  if (same_boot) {
    MPOOL_RETURN_IF_ERROR(FollowHome(home_, &*descriptor));
    MPOOL_RETURN_IF_ERROR(CheckRegister(home_, *descriptor));
    bool unsound = false;
    const absl::Status status = Join(*descriptor, &unsound);
    if (!unsound) return status;
  }
  if (!options_.create) {
    return absl::NotFoundError(absl::StrCat(
        "join region of ", home_.path(),
        ": there is none that is whole; open it with EnvOptions::create"));
  }
  Origin origin = Origin::kNew;
  if (descriptor.has_value()) {
    origin = same_boot ? Origin::kLost : Origin::kReboot;
  } else if (os::InfoAt(home_, kDescriptorName).ok()) {
    origin = Origin::kLost;  // the descriptor exists but is not sound
  }
  return Create(descriptor, origin);
}

absl::Status Region::Create(const std::optional<FixedHeader>& old,
                            Origin origin) {
  MPOOL_ASSIGN_OR_RETURN(const bool was_there, RemoveMemory(home_, old));
  if (was_there && origin == Origin::kNew) origin = Origin::kLost;
  MPOOL_ASSIGN_OR_RETURN(const os::FileInfo info, home_.Info());
  MPOOL_ASSIGN_OR_RETURN(const auto boot_id, os::BootId());
  const auto creation_id = os::RandomId();
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
  fixed.home_filesystem = os::FileSystemId(home_);
  const std::string segment =
      os::MappingName(options_.backing, info.identity, CreationOf(fixed),
                      options_.sysv_key);
  segment.copy(fixed.segment, sizeof(fixed.segment) - 1);
  Seal(&fixed);
  auto undo = absl::MakeCleanup([&] {
    static_cast<void>(os::RemoveMapping(options_.backing, home_, segment));
    // Keep the files, so that the next creator sees that a region was lost.
    if (origin != Origin::kNew) return;
    // The lock file is last, as in RegionRemover::Finish.
    for (const char* name :
         {kNewDescriptorName, kDescriptorName, kRegisterName}) {
      static_cast<void>(os::UnlinkAt(home_, name));
    }
  });
  MPOOL_RETURN_IF_ERROR(WriteDescriptor(home_, fixed));
  // Check the claim after the descriptor is written, because AttachUnnamed
  // checks for a descriptor after its claim. If both run at once, at least one
  // of the two processes detects the other.
  MPOOL_ASSIGN_OR_RETURN(const bool claimed, os::IsDirectoryClaimed(home_));
  if (claimed) return InUseUnnamed("open", home_);
  MPOOL_ASSIGN_OR_RETURN(
      std::unique_ptr<os::Mapping> mapping,
      os::CreateMapping(options_.backing, home_, segment,
                        {.size_bytes = options_.size_bytes,
                         .reserved_bytes = options_.reserved_bytes,
                         .tail_offset = fixed.heap_limit,
                         .tail_bytes = options_.tail_bytes,
                         .permissions = options_.mode}));
  MPOOL_STEP("region.create.sized");
  Use(std::move(mapping), fixed);
  attached_ = Attached::kCreated;
  // no step: no other process can see the region yet.
  header_->origin.store(static_cast<uint32_t>(origin));
  MPOOL_RETURN_IF_ERROR(FormatRegion(fixed));
  std::move(undo).Cancel();
  return absl::OkStatus();
}

absl::Status Region::FormatRegion(const FixedHeader& fixed) {
  header_->fixed[0] = fixed;
  header_->fixed[1] = fixed;
  header_->size_bytes.store(options_.size_bytes, std::memory_order_relaxed);
  MPOOL_RETURN_IF_ERROR(PrepareMemory(0, options_.size_bytes));
  heap_.Format(sizeof(RegionHeader), options_.size_bytes);
  BeginGeneration();
  MPOOL_RETURN_IF_ERROR(ClaimProcessSlot(/*may_succeed=*/false));
  MPOOL_STEP("region.create.format");
  MPOOL_RETURN_IF_ERROR(tenant_->Format(process_thread()));
  if (!os::RegisterGlobalBarrier()) header_->put_needs_fence.store(1);
  MPOOL_STEP("region.create.whole");
  header_->magic.store(kMagic, std::memory_order_release);
  MPOOL_STEP("region.create.done");
  return absl::OkStatus();
}

// `unsound` is not null if no other process is attached: the region is adopted.
// *unsound becomes true if the caller can create a new region instead.
absl::Status Region::Join(const FixedHeader& descriptor, bool* unsound) {
  const bool alone = unsound != nullptr;
  MPOOL_RETURN_IF_ERROR(
      CheckLayout(descriptor, options_.signature, home_.path()));
  const Backing backing = static_cast<Backing>(descriptor.backing);
  auto refuse = [&](std::string_view why) {
    if (alone) *unsound = true;
    return NotTheSame(home_, *lock_file_, why);
  };
  MPOOL_ASSIGN_OR_RETURN(const std::string_view why_not,
                         CheckDescriptor(home_, descriptor));
  if (!why_not.empty()) return refuse(why_not);
  const absl::StatusOr<uint64_t> size =
      os::MappingSize(backing, home_, descriptor.segment);
  if (absl::IsNotFound(size.status())) return refuse("its memory is gone");
  MPOOL_RETURN_IF_ERROR(size.status());
  if (*size < sizeof(RegionHeader)) return refuse(kCutShort);
  MPOOL_ASSIGN_OR_RETURN(
      std::unique_ptr<os::Mapping> mapping,
      os::JoinMapping(backing, home_, descriptor.segment,
                      {.reserved_bytes = descriptor.reserved_bytes}));
  const auto& header = *reinterpret_cast<RegionHeader*>(mapping->base());
  MPOOL_ASSIGN_OR_RETURN(const std::string_view why,
                         CheckHeader(header, home_, descriptor));
  // A creator holds the gate until the region is whole. This process holds the
  // gate, so that creator is dead, and the kernel will soon drop its life lock.
  const bool is_adopted_in_part =
      why.empty() && header.adopting.load(std::memory_order_acquire) != 0;
  if (!alone && (why == kUnfinished || is_adopted_in_part)) {
    if (AwaitNobody()) return AttachShared();
    if (is_adopted_in_part) return refuse("its adoption was cut short");
  }
  if (why == kDamaged && alone) return CannotAdopt(os::Abs(why));
  if (!why.empty()) return refuse(why);
  const FixedHeader fixed = *SoundCopy(header);
  MPOOL_RETURN_IF_ERROR(CheckLayout(fixed, options_.signature, home_.path()));
  Use(std::move(mapping), fixed);
  attached_ = alone ? Attached::kAdopted : Attached::kJoined;
  if (descriptor.moved_from != 0) moved_from_ = descriptor.moved_from;
  MPOOL_RETURN_IF_ERROR(CheckPermissions());
  MPOOL_RETURN_IF_ERROR(PrepareMemory(0, header_->size_bytes.load()));
  Reachable reached(heap_);
  MPOOL_RETURN_IF_ERROR(CheckTables(alone, &reached));
  const bool needs_fence = !os::RegisterGlobalBarrier();
  if (needs_fence && !alone && header_->put_needs_fence.load() == 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        "join region of ", home_.path(),
        ": the kernel refuses membarrier here, and the processes inside "
        "count on it; run this process in the same sandbox as they"));
  }
  if (needs_fence || alone) header_->put_needs_fence.store(needs_fence);
  MPOOL_STEP("region.join.fence");
  BeginGeneration();
  MPOOL_RETURN_IF_ERROR(ClaimProcessSlot(/*may_succeed=*/true));
  if (alone) AdoptIdle(&reached);
  return alone ? EndMove(home_, descriptor) : absl::OkStatus();
}

// Returns FailedPrecondition if the memory has permission bits that it did not
// have at creation.
absl::Status Region::CheckPermissions() const {
  if ((mapping_->permissions() & ~fixed_.mode) == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrFormat(
      "join region of %s: its memory %s has permission bits %#o, and was made "
      "with %#o: others may have written to it; take the bits away again, or "
      "discard it with 'mpool remove --force'",
      home_.path(), fixed_.segment, mapping_->permissions(), fixed_.mode));
}

// Waits until no slot's byte is locked. False if kDying passes first or a probe
// fails.
bool Region::AwaitNobody() const {
  const os::Deadline deadline(kDying);
  while (true) {
    const auto holder = lock_file_->FindHeld(1, kMaxProcesses);
    if (!holder.ok()) return false;
    if (!holder->has_value()) return true;
    if (deadline.passed()) return false;
    os::Sleep(absl::Milliseconds(1));
  }
}

absl::StatusOr<RegionRemover> RegionRemover::Begin(os::File home) {
  RegionRemover remover;
  remover.home_ = std::make_unique<os::File>(std::move(home));
  MPOOL_RETURN_IF_ERROR(os::CheckDirectory(*remover.home_));
  MPOOL_ASSIGN_OR_RETURN(const bool claimed,
                         os::IsDirectoryClaimed(*remover.home_));
  if (claimed) return InUseUnnamed("remove", *remover.home_);
  // A region still has pages if its lock file was lost.
  const bool described = os::InfoAt(*remover.home_, kDescriptorName).ok() ||
                         os::HasStrayMappings(*remover.home_);
  const absl::StatusOr<os::LockFile> lock_file =
      os::LockFile::Open(*remover.home_, kRegisterName, described, 0600);
  if (absl::IsNotFound(lock_file.status())) return remover;
  MPOOL_RETURN_IF_ERROR(lock_file.status());
  absl::StatusOr<os::ByteLock> gate = lock_file->Lock(0);
  // Another remover removed the lock file.
  if (absl::IsNotFound(gate.status())) return remover;
  MPOOL_RETURN_IF_ERROR(gate.status());
  remover.gate_ = *std::move(gate);
  MPOOL_ASSIGN_OR_RETURN(const std::optional<uint64_t> holder,
                         lock_file->FindHeld(1, kMaxProcesses));
  if (holder.has_value()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "remove region of ", remover.home_->path(), ": process slot ", *holder,
        " is in use; close every program that has it open"));
  }
  MPOOL_ASSIGN_OR_RETURN(remover.descriptor_, ReadDescriptor(*remover.home_));
  if (remover.descriptor_.has_value()) {
    MPOOL_RETURN_IF_ERROR(
        FollowHome(*remover.home_, &*remover.descriptor_));
    MPOOL_RETURN_IF_ERROR(
        CheckRegister(*remover.home_, *remover.descriptor_));
  }
  return remover;
}

absl::Status RegionRemover::Finish() {
  if (!gate_.held()) return absl::OkStatus();
  MPOOL_STEP("region.remove.segment");
  MPOOL_RETURN_IF_ERROR(RemoveMemory(*home_, descriptor_).status());
  MPOOL_STEP("region.remove.segment_gone");
  MPOOL_RETURN_IF_ERROR(os::UnlinkAt(*home_, kNewDescriptorName));
  MPOOL_RETURN_IF_ERROR(os::UnlinkAt(*home_, kDescriptorName));
  MPOOL_STEP("region.remove.descriptor_gone");
  // A process that waits for byte 0 of this file finds that the name is gone
  // and starts over with a new file.
  MPOOL_RETURN_IF_ERROR(os::UnlinkAt(*home_, kRegisterName));
  gate_.Drop();
  return absl::OkStatus();
}

absl::StatusOr<Inspection> InspectRegion(const os::File& dir,
                                         uint32_t signature) {
  MPOOL_RETURN_IF_ERROR(os::CheckDirectory(dir));
  MPOOL_ASSIGN_OR_RETURN(const std::optional<FixedHeader> descriptor,
                         ReadDescriptor(dir));
  if (!descriptor.has_value()) {
    return absl::NotFoundError(absl::StrCat(
        "inspect ", dir.path(),
        ": there is no environment; name the directory that was given to "
        "DbEnv::Open"));
  }
  MPOOL_RETURN_IF_ERROR(CheckLayout(*descriptor, signature, dir.path()));
  const Backing backing = static_cast<Backing>(descriptor->backing);
  auto damaged = [&](std::string_view why) -> absl::Status {
    const auto locks = os::LockFile::Open(dir, kRegisterName, false, 0600);
    const auto gate = locks.ok() ? locks->FindHeld(0, 1) : locks.status();
    if (gate.ok() && gate->has_value()) {
      return absl::UnavailableError(absl::StrCat(
          "inspect ", dir.path(), ": its region is being made or removed; "
          "look again"));
    }
    return absl::DataLossError(absl::StrCat(
        "inspect ", dir.path(), ": its region cannot be used: ", os::Abs(why),
        "; DbEnv::Open makes a new one once nobody uses it"));
  };
  MPOOL_ASSIGN_OR_RETURN(const std::string_view why_not,
                         CheckDescriptor(dir, *descriptor));
  if (!why_not.empty() && !HasMoved(dir, *descriptor).value_or(false)) {
    return damaged(why_not);
  }
  const absl::StatusOr<uint64_t> size =
      os::MappingSize(backing, dir, descriptor->segment);
  if (absl::IsNotFound(size.status())) return damaged("its memory is gone");
  MPOOL_RETURN_IF_ERROR(size.status());
  if (*size < sizeof(RegionHeader)) return damaged(kCutShort);
  Inspection inspection;
  inspection.fixed = *descriptor;
  MPOOL_ASSIGN_OR_RETURN(
      inspection.mapping,
      os::JoinMapping(backing, dir, descriptor->segment,
                      {.reserved_bytes = descriptor->reserved_bytes,
                       .read_only = true}));
  const auto& header =
      *reinterpret_cast<RegionHeader*>(inspection.mapping->base());
  MPOOL_ASSIGN_OR_RETURN(const std::string_view why,
                         CheckHeader(header, dir, *descriptor));
  if (!why.empty()) return damaged(why);
  return inspection;
}

}  // namespace mpool::region
