// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// sysv.cc - Backing::kSysV and kSysVPrivate, System V shared memory.
//
// A join finds a segment by its key, which the segment's name contains. A key
// has 32 bits, and another program may use the same key. So the segment carries
// its name behind its last byte. A segment without the expected name belongs to
// another program or home: mpool neither joins nor removes it.
//
// A segment cannot grow. It has its largest size from the start, and only the
// requested part of it is backed. A kSysVPrivate segment has neither name nor
// key, and ends with its last process.
//
// Crash: a creator that dies before it writes the name leaves a half-made
//        segment. Its key identifies it, and the odd bytes of its size, which
//        follow from the home. Key and size stay when the home gets another
//        device number. Then only the descriptor leads to the segment. An
//        agreed key must be the key in the descriptor. Of a derived key only
//        the upper half is compared. A creator of kSysVPrivate may die between
//        the two calls that make and mark the segment. Then the size identifies
//        it.

#include <errno.h>
#include <sys/shm.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "os/backing/address_space.h"
#include "os/backing/segment_name.h"
#include "os/backing/sysv_segment.h"
#include "os/backing/table.h"
#include "os/round.h"
#include "os/status.h"
#include "os/syscalls.h"
#include "os/trust.h"

namespace mpool::os {
namespace {

using sysv::AllSegments;
using sysv::Attach;
using sysv::Discard;
using sysv::Failed;
using sysv::Listed;
using sysv::Look;
using sysv::MovedTo;
using sysv::OddBytes;
using sysv::Segment;

// Returns the error of a failed shmget. EINVAL means that `bytes` is above
// kernel.shmmax.
absl::Status NoNewSegment(int error, std::string_view name, uint64_t bytes) {
  const absl::Status refused = Failed(
      error, "create segment", name,
      absl::StrCat("it has room for ", bytes,
                   " bytes; raise kernel.shmmax, shmall or shmmni, ask for a "
                   "smaller cache, or use kPosixShm"));
  if (error != EINVAL) return refused;
  return absl::ResourceExhaustedError(refused.message());
}

absl::Status IsNotThere(std::string_view name) {
  return Failed(ENOENT, "find segment", name);
}

// True if the creator is trusted in `dir` (T3 of trust.h), or the kernel does
// not list the segment. The kernel lists also segments that this process may
// not read.
bool IsOurs(const File& dir, int id) {
  const absl::StatusOr<FileInfo> home = dir.Info();
  for (const Listed& one : AllSegments()) {
    if (one.id != id) continue;
    return home.ok() && IsTrusted(*home, one.user, one.group);
  }
  return true;
}

// Returns the segment with the key of `name`, also if it is of another program.
// Returns NotFound if this process may not read the segment and its creator is
// not trusted: that user took the key after the segment of mpool was removed.
absl::StatusOr<Segment> FindByKey(const File& dir, std::string_view name) {
  const int id = Sys().shmget(KeyIn(name), 0, 0);
  if (id < 0 && errno == ENOENT) return IsNotThere(name);
  if (id < 0) return Failed(errno, "find segment", name);
  absl::StatusOr<Segment> segment = Look(id, name);
  if (!segment.ok() && !IsOurs(dir, id)) return IsNotThere(name);
  return segment;
}

absl::StatusOr<Segment> Find(const File& dir, std::string_view name) {
  absl::StatusOr<Segment> segment = FindByKey(dir, name);
  if (segment.ok() && segment->name != name) return IsNotThere(name);
  return segment;
}

// Like Find, but returns FailedPrecondition if the creator is not trusted. The
// creator is checked, because the owner of a segment can be changed and the
// creator cannot.
absl::StatusOr<Segment> FindOwn(const File& dir, std::string_view name) {
  MPOOL_ASSIGN_OR_RETURN(Segment segment, Find(dir, name));
  MPOOL_ASSIGN_OR_RETURN(const FileInfo home, dir.Info());
  const ipc_perm& made_by = segment.state.shm_perm;
  if (IsTrusted(home, made_by.cuid, made_by.cgid)) return segment;
  return NotTrusted(home, absl::StrCat("System V ", Abs(name)), made_by.cuid,
                    made_by.cgid);
}

// Returns the creator's error if another segment has the key. A key that
// follows from the creation differs at the next attempt.
absl::Status KeyIsTaken(std::string_view name) {
  const std::string_view prefix = PrefixIn(name);
  if (KeyOf(prefix, CreationIn(name)) == static_cast<uint32_t>(KeyIn(name))) {
    return Failed(EEXIST, "create segment", name,
                  "another segment has that key; open again for another");
  }
  const absl::StatusOr<Segment> other =
      Look(Sys().shmget(KeyIn(name), 0, 0), name);
  std::string who = "a segment that this user may not look at";
  if (other.ok() && !PrefixIn(other->name).empty()) {
    who = absl::StrCat("the environment of another home (", other->name, ")");
  } else if (other.ok()) {
    who = absl::StrCat("segment ", other->id, ", which process ",
                       other->state.shm_cpid, " of another program made,");
  }
  return Failed(EEXIST, "create segment", name,
                absl::StrCat(who, " has that key; choose another "
                                  "EnvOptions::sysv_key, or remove what has "
                                  "it if nobody needs it"));
}

class SysVMapping : public Mapping {
 public:
  SysVMapping(std::byte* base, const MappingOptions& options,
              const Segment& segment)
      : id_(segment.id),
        name_bytes_(segment.state.shm_perm.__key == IPC_PRIVATE ? 0
                                                                : kSystemPage),
        read_only_(options.read_only) {
    base_ = base;
    reserved_bytes_ = options.reserved_bytes;
    permissions_ = segment.state.shm_perm.mode & 0777;
  }
  ~SysVMapping() override { Sys().shmdt(base_); }

  absl::Status Back(uint64_t offset, uint64_t bytes) override {
    MPOOL_RETURN_IF_ERROR(CheckRange(offset, bytes, read_only_));
    return Populate(offset, bytes);
  }

  absl::StatusOr<uint64_t> BackedBytes() const override {
    for (const Listed& one : AllSegments()) {
      if (one.id == id_) return one.resident - name_bytes_;
    }
    return absl::NotFoundError("measure region: its segment is gone");
  }

  // SHM_LOCK applies to the segment, not to the process, so one call is enough.
  absl::Status LockMemory(uint64_t, uint64_t) override {
    shmid_ds state = {};
    if (Sys().shmctl(id_, IPC_STAT, &state) == 0 &&
        (state.shm_perm.mode & SHM_LOCKED) != 0) {
      return absl::OkStatus();
    }
    if (Sys().shmctl(id_, SHM_LOCK, nullptr) == 0) return absl::OkStatus();
    const uint32_t user = Sys().geteuid();
    if (errno == EPERM && user != state.shm_perm.uid &&
        user != state.shm_perm.cuid) {
      return absl::PermissionDeniedError(absl::StrCat(
          "lock memory of System V segment ", id_, ": only user ",
          state.shm_perm.cuid, ", who made it, may; ask for "
          "EnvOptions::lock_memory there"));
    }
    return CannotLock(errno, state.shm_segsz);
  }

 private:
  const int id_;
  const uint64_t name_bytes_;
  const bool read_only_;
};

absl::StatusOr<std::unique_ptr<Mapping>> MapSysV(
    const Segment& segment, std::string_view name,
    const MappingOptions& options) {
  MPOOL_ASSIGN_OR_RETURN(
      std::byte* const base,
      Attach(segment.id, options.read_only ? SHM_RDONLY : 0,
             options.reserved_bytes, name));
  LeaveOutOfDumps(base, options.reserved_bytes);
  return std::make_unique<SysVMapping>(base, options, segment);
}

absl::StatusOr<Segment> MakeSegment(key_t key, std::string_view prefix,
                                    std::string_view name,
                                    const MappingOptions& options) {
  const uint64_t bytes = RoundUp(options.reserved_bytes) + OddBytes(prefix);
  Segment segment;
  segment.id = Sys().shmget(
      key, bytes,
      IPC_CREAT | IPC_EXCL | SHM_NORESERVE | (options.permissions & 0777));
  if (segment.id < 0 && errno == EEXIST) return KeyIsTaken(name);
  if (segment.id < 0) return NoNewSegment(errno, name, bytes);
  segment.state.shm_perm.__key = key;
  segment.state.shm_perm.mode =
      static_cast<decltype(segment.state.shm_perm.mode)>(options.permissions);
  return segment;
}

absl::Status FillNew(Mapping& mapping, std::string_view name,
                     const MappingOptions& options) {
  char* place = reinterpret_cast<char*>(mapping.base()) +
                RoundUp(options.reserved_bytes);
  std::memcpy(place + 1, name.data() + 1, name.size() - 1);
  // Stored last, so that the name is either complete or empty.
  std::atomic_ref<char>(*place).store(name.front(), std::memory_order_release);
  return mapping.BackNew(options);
}

MappingOr Create(const File&, std::string_view name,
                 const MappingOptions& options) {
  MPOOL_ASSIGN_OR_RETURN(
      const Segment segment,
      MakeSegment(KeyIn(name), PrefixIn(name), name, options));
  MappingOr mapping = MapSysV(segment, name, options);
  absl::Status status = mapping.status();
  if (status.ok()) status = FillNew(**mapping, name, options);
  if (status.ok()) return mapping;
  // The removal's error is ignored, because the first error says more.
  Discard(segment).IgnoreError();
  return status;
}

// Marks the segment at once, so that it ends with the last process that has it
// attached.
MappingOr CreatePrivate(const File& dir, std::string_view,
                        const MappingOptions& options) {
  constexpr std::string_view kName = "IPC_PRIVATE";
  MPOOL_ASSIGN_OR_RETURN(const FileInfo home, dir.Info());
  const std::string prefix = NamePrefix(home.identity);
  MPOOL_ASSIGN_OR_RETURN(const Segment segment,
                         MakeSegment(IPC_PRIVATE, prefix, kName, options));
  MappingOr mapping = MapSysV(segment, kName, options);
  const absl::Status marked = Discard(segment);
  // Tries again, because no name and no key lead to the segment.
  if (!marked.ok()) Discard(segment).IgnoreError();
  MPOOL_RETURN_IF_ERROR(mapping.status());
  MPOOL_RETURN_IF_ERROR(marked);
  MPOOL_RETURN_IF_ERROR((*mapping)->BackNew(options));
  return mapping;
}

MappingOr Join(const File& dir, std::string_view name,
               const MappingOptions& options) {
  MPOOL_ASSIGN_OR_RETURN(const Segment segment, FindOwn(dir, name));
  if (segment.memory_bytes() != RoundUp(options.reserved_bytes)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "join region: System V ", Abs(name), " has ", segment.memory_bytes(),
        " bytes and not ", options.reserved_bytes,
        "; discard it with 'mpool remove --force'"));
  }
  if (segment.IsMarked()) return IsNotThere(name);
  return MapSysV(segment, name, options);
}

absl::Status Remove(const File& dir, std::string_view name) {
  const absl::StatusOr<Segment> segment = FindByKey(dir, name);
  if (absl::IsNotFound(segment.status())) return absl::OkStatus();
  MPOOL_RETURN_IF_ERROR(segment.status());
  const bool ours =
      IsOurs(dir, segment->id) &&
      (segment->name == name || segment->IsHalfMade(PrefixIn(name)));
  return ours ? Discard(*segment) : absl::OkStatus();
}

absl::Status Rename(const File& dir, std::string_view from,
                    std::string_view to) {
  if (FindOwn(dir, to).ok()) return absl::OkStatus();
  MPOOL_ASSIGN_OR_RETURN(const Segment segment, FindOwn(dir, from));
  MPOOL_ASSIGN_OR_RETURN(std::byte* const base,
                         Attach(segment.id, 0, segment.memory_bytes(), from));
  MovedTo(base, segment.memory_bytes()).store(DeviceIn(to));
  Sys().shmdt(base);
  return absl::OkStatus();
}

absl::StatusOr<bool> IsInUse(const File& dir, std::string_view name) {
  MPOOL_ASSIGN_OR_RETURN(const Segment segment, FindOwn(dir, name));
  return segment.state.shm_nattch != 0;
}

absl::StatusOr<uint64_t> Size(const File& dir, std::string_view name) {
  MPOOL_ASSIGN_OR_RETURN(const Segment segment, FindOwn(dir, name));
  return segment.memory_bytes();
}

absl::StatusOr<uint32_t> CountStrays(const File& dir, std::string_view prefix,
                                     Strays strays) {
  uint32_t count = 0;
  const absl::StatusOr<FileInfo> home = dir.Info();
  for (const Listed& one : AllSegments()) {
    if (one.size % kSystemPage != OddBytes(prefix)) continue;
    if (!home.ok() || !IsTrusted(*home, one.user, one.group)) continue;
    const absl::StatusOr<Segment> segment = Look(one.id, prefix);
    // A marked segment is removed already. It ends with its last process.
    if (!segment.ok() || segment->IsMarked()) continue;
    const bool ours = PrefixIn(segment->name) == prefix;
    const bool key_fits =
        one.key == IPC_PRIVATE ||
        static_cast<uint32_t>(one.key) >> 16 == NameHash(prefix) >> 16;
    if (!ours && !(key_fits && segment->IsHalfMade(prefix))) continue;
    if (strays == Strays::kRemove && !Discard(*segment).ok()) continue;
    ++count;
  }
  return count;
}

// The segments of kSysVPrivate are among them. Their names are empty.
void List(std::vector<FoundSegment>* found) {
  for (const Listed& one : AllSegments()) {
    const absl::StatusOr<Segment> segment =
        Look(one.id, absl::StrCat("segment ", one.id));
    if (!segment.ok()) continue;
    const std::optional<NameParts> parts = PartsOf(segment->name);
    if (!parts.has_value() && !segment->name.empty()) continue;
    // It is removed already and ends with its last process.
    if (parts.has_value() && segment->IsMarked()) continue;
    FoundSegment entry;
    entry.backing =
        parts.has_value() ? Backing::kSysV : Backing::kSysVPrivate;
    entry.name = segment->name;
    entry.id = one.id;
    entry.parts = parts.value_or(NameParts{});
    entry.size_bytes = segment->memory_bytes();
    entry.used_bytes = one.resident;
    entry.user = one.user;
    found->push_back(std::move(entry));
  }
}

absl::StatusOr<size_t> Read(const FoundSegment& found, uint64_t offset,
                            std::span<std::byte> out) {
  if (offset >= found.size_bytes) return size_t{0};
  const size_t bytes = static_cast<size_t>(
      std::min<uint64_t>(out.size(), found.size_bytes - offset));
  MPOOL_ASSIGN_OR_RETURN(
      const std::byte* const base,
      Attach(found.id, SHM_RDONLY, found.size_bytes, found.name));
  std::memcpy(out.data(), base + offset, bytes);
  Sys().shmdt(base);
  return bytes;
}

absl::StatusOr<bool> IsHeld(const FoundSegment& found) {
  MPOOL_ASSIGN_OR_RETURN(const Segment segment, Look(found.id, found.name));
  return segment.state.shm_nattch != 0;
}

absl::Status DiscardFound(const FoundSegment& found) {
  MPOOL_ASSIGN_OR_RETURN(const Segment segment, Look(found.id, found.name));
  if (segment.name != found.name || segment.state.shm_nattch != 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        "remove segment ", found.id, ": it changed; list the segments again"));
  }
  return Discard(segment);
}

}  // namespace

constinit const BackingOps kSysVOps = {.create = Create,
                                       .join = Join,
                                       .remove = Remove,
                                       .rename = Rename,
                                       .size = Size,
                                       .is_in_use = IsInUse,
                                       .name = SysVName,
                                       .strays = CountStrays,
                                       .list = List,
                                       .read = Read,
                                       .is_held = IsHeld,
                                       .discard = DiscardFound};
// Strays of this kind are among those of kSysVOps.
constinit const BackingOps kSysVPrivateOps = {.create = CreatePrivate,
                                              .read = Read,
                                              .is_held = IsHeld,
                                              .discard = DiscardFound};

}  // namespace mpool::os
