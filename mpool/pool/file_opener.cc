// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "mpool/pool/file_opener.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "mpool/files/file_watch.h"
#include "mpool/files/page_format.h"
#include "mpool/types.h"
#include "os/assert.h"
#include "os/status.h"
#include "os/step.h"

namespace mpool::internal {
namespace {

using region::LatchGuard;

absl::Status CheckSize(const OpenRequest& request, const os::FileInfo& info) {
  MPOOL_ASSERT(request.page_bytes != 0);
  if (request.odd_size ||
      PartialBytes(info.size_bytes, request.page_bytes) == 0) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "open file ", request.path, ": its size ", info.size_bytes,
      " is not a multiple of the page size ", request.page_bytes,
      ". Either its pages have another size: give the page size that it was "
      "made with. Or a write at its end was cut short (a full disk, a lost "
      "power supply): open it with FileOptions::odd_size, which gives its ",
      PagesIn(info.size_bytes, request.page_bytes), " whole pages"));
}

bool HasSameLsn(const OpenRequest& request, const FileEntry& entry) {
  return entry.lsn_place.load() == LsnPlaceOf(request.lsn_offset);
}

OpenedFile MakeOpened(const OpenRequest& request, uint32_t index,
                      FileEntry& entry, const os::FileInfo& info) {
  MPOOL_ASSERT(index < kMaxFiles && request.file != nullptr);
  OpenedFile opened;
  opened.index = index;
  opened.page_bytes = request.page_bytes;
  opened.page_class = PageClass::OfSize(request.page_bytes);
  opened.file_key = PageKey::FileKey(index, GenerationOf(entry));
  opened.read_only = request.read_only;
  opened.atomic_update = request.atomic_update;
  opened.entry = &entry;
  opened.file = request.file;
  opened.path = request.path;
  opened.partial_bytes = PartialBytes(info.size_bytes, request.page_bytes);
  return opened;
}

}  // namespace

absl::Status FileOpener::NoPageSize(const std::string& path) {
  return absl::InvalidArgumentError(absl::StrCat(
      "open file ", path, ": FileOptions::page_size is 0, and the environment "
      "does not know the file; give the size of its pages"));
}

absl::Status FileOpener::FindPageSize(const region::Thread& self,
                                      OpenRequest* request) {
  MPOOL_ASSERT(request != nullptr && request->file != nullptr);
  if (request->page_bytes != 0) return absl::OkStatus();
  MPOOL_ASSIGN_OR_RETURN(os::FileInfo info, request->file->Info());
  info.identity.generation = request->file->Generation();
  LatchGuard guard(self, table_.latch());
  const std::optional<uint32_t> found =
      table_.Find(self, *request, info.identity);
  if (!found.has_value()) return NoPageSize(request->path);
  request->page_bytes = table_.At(*found)->page_bytes.load();
  const int last = static_cast<int>(request->page_bytes - sizeof(Lsn));
  if (request->lsn_offset <= last) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "open file ", request->path, ": FileOptions::lsn_offset is ",
      request->lsn_offset, ", and its pages have ", request->page_bytes,
      " bytes; the ", sizeof(Lsn), " bytes of an Lsn must lie within a page"));
}

absl::StatusOr<OpenedFile> FileOpener::Open(
    const region::Thread& self, const OpenRequest& request,
    const std::function<absl::Status()>& make_room, const Drop& drop) {
  MPOOL_ASSERT(request.file != nullptr && request.page_bytes != 0);
  MPOOL_ASSERT(make_room != nullptr && drop != nullptr);
  LatchGuard guard(self, table_.latch());
  FileClaim claimed;
  absl::StatusOr<OpenedFile> opened =
      OpenClaimed(self, request, make_room, drop, claimed);
  const FileHandles::Lock lock(handles_.mutex());
  if (opened.ok()) {
    handles_.Add(lock, request, opened->index, std::move(claimed));
  } else {
    claimed.Drop();
  }
  return opened;
}

// REQUIRES: the files latch.
absl::StatusOr<OpenedFile> FileOpener::OpenClaimed(
    const region::Thread& self, const OpenRequest& request,
    const std::function<absl::Status()>& make_room, const Drop& drop,
    FileClaim& claimed) {
  table_.AssertLatched(self);
  MPOOL_RETURN_IF_ERROR(make_room());
  MPOOL_ASSIGN_OR_RETURN(os::FileInfo info, request.file->Info());
  info.identity.generation = request.file->Generation();
  {
    // The claim comes before any other use of the file, because another
    // environment may be changing the file.
    const FileHandles::Lock lock(handles_.mutex());
    MPOOL_RETURN_IF_ERROR(handles_.Claim(lock, claimed, info.identity,
                                         request.path, request.access()));
  }
  const os::FileIdentity identity = info.identity;
  MPOOL_ASSIGN_OR_RETURN(info, request.file->Info());
  info.identity = identity;
  MPOOL_ASSIGN_OR_RETURN(const uint32_t index,
                         FindOrClaim(self, request, info, drop));
  MPOOL_ASSERT(index < kMaxFiles);
  FileEntry& entry = *table_.At(index);
  table_.SetOpen(self, entry);
  MPOOL_ASSERT(entry.page_bytes.load() == request.page_bytes);
  return MakeOpened(request, index, entry, info);
}

absl::StatusOr<uint32_t> FileOpener::FindOrClaim(const region::Thread& self,
                                                 const OpenRequest& request,
                                                 const os::FileInfo& info,
                                                 const Drop& drop) {
  table_.AssertLatched(self);
  const std::optional<uint32_t> found =
      table_.Find(self, request, info.identity);
  if (found.has_value()) {
    MPOOL_ASSERT(*found < kMaxFiles);
    // Without proof the open drops the pages, see Match.
    const os::FileIdentity known = IdentityOf(*table_.At(*found));
    const bool is_unproven =
        known == info.identity && !known.IsProvenSame(info.identity);
    // no step: a file with half of its new identity is only not recognized.
    FileTable::SetIdentity(*table_.At(*found),
                           is_unproven ? info.identity.WithoutProof()
                                       : info.identity);
    FileTable::SetHandle(*table_.At(*found),
                         os::Pack(os::HandleOf(*request.file)));
    // Another process opened the file between its creation and now.
    // no step: the empty file set the word too.
    if (request.is_created) table_.At(*found)->name_unsynced.store(1);
    MPOOL_RETURN_IF_ERROR(Match(self, request, *found, drop));
    // The file may have been renamed, and a flusher opens the file by its path.
    MPOOL_RETURN_IF_ERROR(
        table_.SetPath(self, *table_.At(*found), request.path));
    return *found;
  }
  MPOOL_RETURN_IF_ERROR(CheckSize(request, info));
  MPOOL_ASSIGN_OR_RETURN(const uint32_t index, table_.ClaimFree(self, drop));
  FileEntry& entry = *table_.At(index);
  MPOOL_ASSERT(!IsOpenAnywhere(entry));
  const absl::Status filled = table_.Fill(self, entry, request, info);
  if (!filled.ok()) {
    table_.GiveUp(self, entry);
    return filled;
  }
  return index;
}

// Returns InvalidArgument if a process has the file open with another page size
// or LSN offset.
absl::Status FileOpener::CheckAgrees(const OpenRequest& request,
                                     const FileEntry& entry) {
  const uint32_t page_bytes = entry.page_bytes.load();
  if (!IsOpenAnywhere(entry)) return absl::OkStatus();
  if (page_bytes != request.page_bytes) {
    absl::Status status = absl::InvalidArgumentError(absl::StrCat(
        "open file ", request.path, " with pages of ", request.page_bytes,
        " bytes: it is open with pages of ", page_bytes,
        "; all handles must agree"));
    status.SetPayload(kPageSizePayload, absl::Cord(absl::StrCat(page_bytes)));
    return status;
  }
  if (!HasSameLsn(request, entry)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "open file ", request.path, " with FileOptions::lsn_offset ",
        request.lsn_offset, ": it is open with ",
        LsnOffsetOf(entry.lsn_place.load()), "; all handles must agree"));
  }
  return absl::OkStatus();
}

// Returns Unavailable if the request gives the entry a new generation, but a
// write of the old one is not synced (E4).
absl::Status FileOpener::CheckRenewal(const OpenRequest& request,
                                      const FileEntry& entry) {
  const uint32_t page_bytes = entry.page_bytes.load();
  if (page_bytes == request.page_bytes || IsSynced(entry)) {
    return absl::OkStatus();
  }
  return absl::UnavailableError(absl::StrCat(
      "open file ", request.path, " with pages of ", request.page_bytes,
      " bytes: pages of ", page_bytes, " bytes were written to it and could "
      "not be synced; call Sync, which reports why, and open the file again"));
}

// Returns OK if the request fits the entry that the file already has. The entry
// then counts all pages of the file. Returns InvalidArgument or
// FailedPrecondition if it does not fit.
absl::Status FileOpener::Match(const region::Thread& self,
                               const OpenRequest& request, uint32_t index,
                               const Drop& drop) {
  table_.AssertLatched(self);
  MPOOL_ASSERT(index < kMaxFiles);
  FileEntry& entry = *table_.At(index);
  MPOOL_RETURN_IF_ERROR(CheckAgrees(request, entry));
  const uint32_t page_bytes = entry.page_bytes.load();
  const bool is_open = IsOpenAnywhere(entry);
  MPOOL_ASSIGN_OR_RETURN(const FileLook look,
                         FileWatch::Look(entry, *request.file));
  const bool same =
      page_bytes == request.page_bytes && HasSameLsn(request, entry);
  if (!is_open) MPOOL_RETURN_IF_ERROR(CheckRenewal(request, entry));
  // Without proof of the file's identity, its inode number may belong to
  // another file.
  const bool unchanged = !look.seen.Differs(look.info) &&
                         look.seen.is_settled && look.quiet &&
                         IdentityOf(entry).HasProof();
  if (!is_open && !(same && unchanged)) {
    const absl::Status dropped = drop(index);
    if (dropped.ok()) return MatchAgain(self, request, entry);
    if (look.IsChangedByOthers()) {
      return FileWatch::ChangedUnderPages(request.path, dropped);
    }
    if (!same) {
      return absl::FailedPreconditionError(absl::StrCat(
          "open file ", request.path, " with pages of ", request.page_bytes,
          " bytes and lsn_offset ", request.lsn_offset, ": the environment "
          "holds unwritten pages of ", page_bytes, " bytes and lsn_offset ",
          LsnOffsetOf(entry.lsn_place.load()), " of it (",
          dropped.message(), "); open it as before, and Sync"));
    }
  }
  RaiseTo(&entry.page_count,
          PagesIn(look.info.size_bytes, request.page_bytes));
  return absl::OkStatus();
}

// Reads the file's state again. No thread writes the file, because the pool has
// no page of it. So this state is complete and includes writes since the first
// read.
absl::Status FileOpener::MatchAgain(const region::Thread& self,
                                    const OpenRequest& request,
                                    FileEntry& entry) {
  table_.AssertLatched(self);
  MPOOL_ASSERT(!IsOpenAnywhere(entry));
  MPOOL_ASSIGN_OR_RETURN(const os::FileInfo info, request.file->Info());
  // The check is skipped for an unchanged page size, because a partial page is
  // then a write that was cut short.
  if (entry.page_bytes.load() != request.page_bytes) {
    MPOOL_RETURN_IF_ERROR(CheckSize(request, info));
  }
  if (entry.page_bytes.load() != request.page_bytes) {
    MPOOL_RETURN_IF_ERROR(CheckRenewal(request, entry));
    table_.Renew(self, entry);
  }
  entry.page_count.store(0);
  MPOOL_STEP("mpool.file.uncounted");
  entry.page_bytes.store(request.page_bytes);
  entry.lsn_place.store(LsnPlaceOf(request.lsn_offset));
  MPOOL_STEP("mpool.file.sized");
  FileWatch::SetSeen(entry, info, FileWatch::IsSettledNow(entry, info));
  RaiseTo(&entry.page_count, PagesIn(info.size_bytes, request.page_bytes));
  return absl::OkStatus();
}

uint64_t FileOpener::Close(const region::Thread& self, const OpenedFile& file,
                           uint64_t written) {
  MPOOL_ASSERT(file.entry != nullptr && file.file != nullptr);
  MPOOL_ASSERT(self.id != 0 && file.index < kMaxFiles);
  LatchGuard guard(self, table_.latch());
  const FileHandles::Lock lock(handles_.mutex());
  if (handles_.RemoveExtra(lock, file.index)) return kClosed;
  FileEntry& entry = *file.entry;
  const bool is_last = !IsOpenElsewhere(entry, self.process);
  const uint64_t opens = entry.opens.load(std::memory_order_relaxed);
  if (is_last && written != opens && written != kAnyway) return opens;
  // A change by another program from here on must be detected.
  if (is_last) FileWatch::LookAgain(entry, *file.file);
  handles_.RemoveLast(lock, file.index);
  table_.ClearOpen(self, entry);
  if (is_last) table_.SetClosed(self, entry);
  return kClosed;
}

// Opens the file in the child like Open. The last process that had the file
// open may have closed it, and other programs may have changed it since.
absl::Status FileOpener::OpenInChild(const FileHandles::Lock& lock,
                                     const region::Thread& self,
                                     uint32_t index, const Drop& drop) {
  table_.AssertLatched(self);
  OpenRequest request;
  request.file = handles_.FirstFile(lock, index);
  MPOOL_ASSERT(request.file != nullptr && index < kMaxFiles);
  const FileEntry& entry = *table_.At(index);
  request.path = table_.PathOf(entry);
  const absl::StatusOr<os::FileInfo> info = request.file->Info();
  // A file without a name cannot be opened in another environment.
  const bool has_name = !info.ok() || info->links != 0;
  // It may have been renamed since an open by path.
  const std::string now = request.file->CurrentPath().value_or(request.path);
  request.page_bytes = entry.page_bytes.load();
  request.lsn_offset = static_cast<int>(LsnOffsetOf(entry.lsn_place.load()));
  if (has_name) {
    MPOOL_RETURN_IF_ERROR(handles_.ClaimInChild(lock, index, now));
  }
  return Match(self, request, index, drop);
}

absl::Status FileOpener::MarkOpenInChild(
    const region::Thread& self,
    const std::function<absl::Status(uint32_t classes)>& check_room,
    const Drop& drop) {
  MPOOL_ASSERT(check_room != nullptr && drop != nullptr);
  LatchGuard guard(self, table_.latch());
  const FileHandles::Lock lock(handles_.mutex());
  MPOOL_RETURN_IF_ERROR(handles_.KeepHandles(lock));
  const std::vector<uint32_t> indexes = handles_.Indexes(lock);
  uint32_t classes = 0;
  for (const uint32_t index : indexes) {
    classes |= PageClass::OfSize(table_.At(index)->page_bytes.load()).bit();
  }
  MPOOL_RETURN_IF_ERROR(check_room(classes));
  absl::Status claimed;
  for (const uint32_t index : indexes) {
    claimed.Update(OpenInChild(lock, self, index, drop));
  }
  if (!claimed.ok()) {
    handles_.DropClaims(lock);
    return claimed;
  }
  for (const uint32_t index : indexes) table_.SetOpen(self, *table_.At(index));
  return absl::OkStatus();
}

}  // namespace mpool::internal
