// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include <algorithm>
#include <span>

#include "absl/strings/str_cat.h"
#include "mpool/get/hit.h"
#include "os/assert.h"
#include "os/cancel.h"
#include "os/status.h"
#include "os/step.h"

namespace mpool::internal {
namespace {

// Returns InvalidArgument for an update without a latch.
absl::Status CheckLatch(const OpenedFile& file, PageNo page,
                        const GetOptions& options) {
  if (options.latch == Latch::kShared) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "get page ", page, " of ", file.path,
      " for update with GetOptions::latch: an update always holds its page "
      "alone; leave the option out, or call Get"));
}

// Gives errors from below, which does not know the page, the page's name.
absl::Status Named(const Request& request, const absl::Status& status) {
  if (!absl::IsDeadlineExceeded(status) &&
      !absl::IsResourceExhausted(status)) {
    return status;
  }
  return os::WithPrefix(
      absl::StrCat("get page ", request.page, " of ", request.file->path,
                   request.mode == Mode::kExclusive ? " for update: " : ": "),
      status);
}

}  // namespace

void Getter::Start(const PageIndex& index) {
  MPOOL_ASSERT(frames_.IsAttached() && policy_.is_made());
  Attach(index);
  wants_hits_ = policy_->wants_hits();
  panic_word_ = panic_.word();
  MPOOL_ASSERT(panic_word_ != nullptr);
}

absl::StatusOr<ReadPage> Getter::GetFromBucket(
    const OpenedFile& file, PageNo page, const GetOptions& options) noexcept {
  MPOOL_ASSERT(page <= kMaxPageNo && last_context.context != nullptr);
  const PageKey key = PageKey::Make(file.file_key, page);
  const FrameIndex frame = hash_.Find(HashTable::Hash(key), key);
  if (frame.is_none()) return GetSlow(file, page, options, nullptr);
  return TryHit(*last_context.context, file, key, options, frame);
}

absl::StatusOr<ReadPage> Getter::GetSlow(const OpenedFile& file, PageNo page,
                                         const GetOptions& options,
                                         EntryWord* published) noexcept {
  const os::CancelOff no_cancel;
  if (published != nullptr) {
    const Entry entry{published->load(std::memory_order_relaxed)};
    MPOOL_ASSERT(!entry.frame().is_none());
    latch_.Withdraw(frames_.header(entry.frame()), published);
  }
  const Request request(file, page, ModeOf(options), options);
  const absl::StatusOr<ThreadRegistry::Caller> self = threads_.Self();
  if (!self.ok()) return Named(request, self.status());
  MPOOL_ASSIGN_OR_RETURN(const Pin pin, GetUntilGranted(**self, request));
  return ReadPage(pin);
}

ReadPage Getter::FlushHits(ThreadContext& self, BufferHeader& header,
                           EntryWord* entry) noexcept {
  const os::CancelOff no_cancel;
  MPOOL_ASSERT(entry != nullptr && self.hit_count == self.hits.size());
  policy_->ApplyHits(self);
  return ReadPage(MakePin(self, header, entry));
}

absl::StatusOr<WritePage> Getter::GetForUpdate(const OpenedFile& file,
                                               PageNo page,
                                               const GetOptions& options) {
  MPOOL_RETURN_IF_ERROR(CheckLatch(file, page, options));
  Request request(file, page, Mode::kExclusive, options);
  request.keep_image = file.atomic_update;
  return GetExclusive(request);
}

absl::StatusOr<WritePage> Getter::GetInGroup(const OpenedFile& file,
                                             PageNo page,
                                             const GetOptions& options) {
  MPOOL_RETURN_IF_ERROR(CheckLatch(file, page, options));
  Request request(file, page, Mode::kExclusive, options);
  request.keep_image = true;
  request.in_group = true;
  request.overwrite = false;
  return GetExclusive(request);
}

absl::StatusOr<WritePage> Getter::GetExclusive(const Request& request) {
  MPOOL_ASSERT(request.mode == Mode::kExclusive);
  const absl::StatusOr<ThreadRegistry::Caller> self = threads_.Self();
  if (!self.ok()) return Named(request, self.status());
  if (request.file->read_only) {
    return absl::PermissionDeniedError(absl::StrCat(
        "get page ", request.page, " of ", request.file->path,
        " for update: the file was opened with FileOptions::read_only"));
  }
  MPOOL_ASSIGN_OR_RETURN(const Pin pin, GetUntilGranted(**self, request));
  return WritePage(pin, os::Unwindings(), request.is_unread);
}

absl::StatusOr<WritePage> Getter::New(const OpenedFile& file) {
  MPOOL_ASSIGN_OR_RETURN(const ThreadRegistry::Caller self, threads_.Self());
  MPOOL_RETURN_IF_ERROR(panic_.Check());
  if (file.read_only) {
    return absl::PermissionDeniedError(
        absl::StrCat("make a page of ", file.path,
                     ": the file was opened with FileOptions::read_only"));
  }
  MPOOL_RETURN_IF_ERROR(
      files_.page_io().CutTail(self->thread, *file.entry, *file.file));
  // The frame comes first, so that a call that finds no frame makes no page.
  const absl::StatusOr<BufferHeader*> taken = supply_.Take(
      *self, file.page_class, os::Deadline(absl::InfiniteDuration()));
  if (!taken.ok()) {
    return os::WithPrefix(absl::StrCat("make a page of ", file.path, ": "),
                          taken.status());
  }
  BufferHeader* const header = *taken;
  AssertOwned(*header, self->thread.id);
  AssertPhase(*header, Phase::kLoading);
  // From here on only this caller uses the number. If the caller dies, the page
  // reads as cleared.
  MPOOL_STEP("mpool.new.number");
  const PageNo page = file.entry->page_count.fetch_add(1);
  MPOOL_STEP("mpool.new.numbered");
  Request request(file, page, Mode::kExclusive, {});
  request.create = true;
  request.is_new = true;
  request.keep_image = file.atomic_update;  // another thread may have loaded it
  request.frame = header;
  const absl::StatusOr<Pin> pin = GetUntilGranted(*self, request);
  // Another thread that knew the number has loaded the page already.
  if (request.frame != nullptr) frames_.GiveBack(self->thread, *request.frame);
  MPOOL_RETURN_IF_ERROR(pin.status());
  return WritePage(*pin, os::Unwindings(), /*is_unread=*/false);
}

absl::StatusOr<Pin> Getter::GetUntilGranted(ThreadContext& self,
                                            const Request& request) {
  absl::StatusOr<Pin> pin = TryUntilGranted(self, request);
  if (!pin.ok()) return Named(request, pin.status());
  return pin;
}

absl::StatusOr<Pin> Getter::TryUntilGranted(ThreadContext& self,
                                            const Request& request) {
  MPOOL_ASSERT(request.file->page_bytes != 0);
  const uint64_t largest = (uint64_t{1} << 63) / request.file->page_bytes - 1;
  if (request.page > std::min(kMaxPageNo, largest)) {
    return absl::InvalidArgumentError(
        absl::StrCat("get page ", request.page, " of ", request.file->path,
                     ": page numbers end at ", std::min(kMaxPageNo, largest)));
  }
  while (true) {
    MPOOL_RETURN_IF_ERROR(panic_.Check());
    const FrameIndex frame = hash_.Find(request.hash, request.key);
    std::optional<Granted> granted;
    if (frame.is_none()) {
      MPOOL_ASSIGN_OR_RETURN(granted, loader_.Load(self, request));
    } else {
      MPOOL_ASSIGN_OR_RETURN(granted,
                             TryResident(self, request, frames_.header(frame)));
    }
    if (granted.has_value()) {
      MPOOL_ASSERT(granted->header != nullptr && granted->entry != nullptr);
      return MakePin(self, *granted->header, granted->entry);
    }
  }
}

// Pins a page that is in memory. Returns nullopt if the caller must search for
// the page again. Returns FailedPrecondition if this thread holds it in a
// conflicting mode, DataLoss if the page is poisoned, and the errors of waits.
absl::StatusOr<std::optional<Granted>> Getter::TryResident(
    ThreadContext& self, const Request& request, BufferHeader& header) {
  MPOOL_ASSERT(self.thread.id != 0);
  const std::optional<Holder> own =
      ledger_.FindOwn(self.thread, frames_.IndexOf(header));
  if (own.has_value() && header.LoadKey() == request.key) {
    const bool for_update = request.mode == Mode::kExclusive;
    if (own->seen.mode() == Mode::kExclusive ||
        (for_update && own->seen.mode() == Mode::kShared)) {
      return absl::FailedPreconditionError(absl::StrCat(
          "get page ", request.page, " of ", request.file->path,
          for_update ? " for update" : "", ": this thread holds it ",
          own->seen.mode() == Mode::kExclusive ? "for update" : "to read",
          " already; put it first"));
    }
  }
  if (request.mode == Mode::kExclusive) {
    return EnterExclusive(self, request, header);
  }
  return EnterShared(self, request, header, own.has_value());
}

absl::StatusOr<std::optional<Granted>> Getter::EnterShared(
    ThreadContext& self, const Request& request, BufferHeader& header,
    bool reentrant) {
  MPOOL_ASSERT(request.mode != Mode::kExclusive);
  MPOOL_ASSIGN_OR_RETURN(EntryWord * entry, ledger_.FreeEntry(self.thread));
  MPOOL_ASSERT(entry != nullptr);
  Ledger::Publish(entry, frames_.IndexOf(header), request.mode);
  MPOOL_STEP("mpool.get.entered");
  const Enter entered = latch_.TryShared(header, request.key, reentrant);
  if (entered == Enter::kGranted) {
    if (request.access == Access::kNormal && NoteHit(self, header))
      policy_->ApplyHits(self);
    self.Count(Counter::hits);
    return Granted{&header, entry};
  }
  latch_.Withdraw(header, entry);
  if (entered == Enter::kPoisoned) return Poisoned(request, header);
  if (entered == Enter::kBusy) {
    MPOOL_RETURN_IF_ERROR(WaitForOwner(self, request, header));
  }
  return std::nullopt;
}

absl::StatusOr<std::optional<Granted>> Getter::EnterExclusive(
    ThreadContext& self, const Request& request, BufferHeader& header) {
  MPOOL_ASSERT(request.mode == Mode::kExclusive);
  const FrameIndex frame = frames_.IndexOf(header);
  MPOOL_ASSIGN_OR_RETURN(EntryWord * entry, ledger_.FreeEntry(self.thread));
  MPOOL_ASSERT(entry != nullptr);
  region::Image* image = nullptr;
  if (request.keep_image) {
    MPOOL_ASSIGN_OR_RETURN(
        image, images_.Announce(self.thread, frame, request.file->page_bytes));
  }
  Ledger::Publish(entry, frame, Mode::kExclusive);
  MPOOL_STEP("mpool.get.entered_exclusive");
  bool had_hint = false;
  const Enter entered =
      latch_.TryPending(self.thread, header, request.key, &had_hint);
  absl::Status drained;
  if (entered == Enter::kGranted) {
    drained = latch_.DrainReaders(self.thread, header, entry, had_hint,
                                  request.deadline);
  }
  if (entered == Enter::kGranted && drained.ok()) {
    AssertOwned(header, self.thread.id);
    MPOOL_ASSERT(header.Load().has(State::kX));
    if (image != nullptr) KeepImage(*image, header);
    Ledger::NoteTime(entry);
    if (request.access == Access::kNormal && NoteHit(self, header))
      policy_->ApplyHits(self);
    self.Count(Counter::hits);
    return Granted{&header, entry};
  }
  latch_.Withdraw(header, entry);
  if (image != nullptr) Images::Drop(*image);
  MPOOL_RETURN_IF_ERROR(drained);
  if (entered == Enter::kPoisoned) {
    const bool replaces = request.create || request.overwrite;
    if (!replaces || request.in_group) return Poisoned(request, header);
    return Overwrite(self, request, header);
  }
  if (entered == Enter::kBusy) {
    MPOOL_RETURN_IF_ERROR(WaitForOwner(self, request, header));
  }
  return std::nullopt;
}

// Keeps an image of the page. A page that equals its file needs none, because
// repair reads the file again. An UNSYNCED page needs one, because a failed
// fsync may make it dirty under X.
// REQUIRES: the caller has X.
void Getter::KeepImage(region::Image& image, const BufferHeader& header) {
  MPOOL_ASSERT(header.Load().has(State::kX));
  if (header.Load().has(State::kDirty | State::kWriting | State::kUnsynced)) {
    Images::Keep(image, header, frames_.IndexOf(header), frames_.bytes(header),
                 /*in_group=*/false);
  } else {
    Images::Drop(image);
  }
}

// Makes a poisoned page valid and cleared (T18). The page starts dirty, because
// the file's copy is older than the lost one. So that copy is not read again if
// this thread dies or discards the page.
absl::StatusOr<std::optional<Granted>> Getter::Overwrite(ThreadContext& self,
                                                         const Request& request,
                                                         BufferHeader& header) {
  MPOOL_ASSERT((request.create || request.overwrite) && !request.in_group);
  MPOOL_ASSIGN_OR_RETURN(EntryWord * entry, ledger_.FreeEntry(self.thread));
  Ledger::Publish(entry, frames_.IndexOf(header), Mode::kExclusive);
  Ledger::NoteTime(entry);
  State seen = header.Load();
  if (seen.phase() != Phase::kPoisoned || header.LoadKey() != request.key ||
      // no step: if this thread dies from here on, the page is lost again.
      !header.Change(&seen, seen.WithPhase(Phase::kValid)
                                .With(State::kX | State::kHint | State::kDirty)
                                .WithOwner(self.thread.id))) {
    latch_.Withdraw(header, entry);
    return std::nullopt;
  }
  AssertOwned(header, self.thread.id);
  const std::span<std::byte> bytes = frames_.bytes(header);
  std::fill(bytes.begin(), bytes.end(), std::byte{0});
  self.Count(Counter::pages_created);
  self.Count(Counter::misses);
  return Granted{&header, entry};
}

absl::Status Getter::WaitForOwner(ThreadContext& self, const Request& request,
                                  BufferHeader& header) {
  const State seen = header.Load();
  if (!seen.is_owned() || header.LoadKey() != request.key) {
    return absl::OkStatus();
  }
  if (seen.owner() == self.thread.id) {
    return absl::FailedPreconditionError(
        absl::StrCat("get page ", request.page, " of ", request.file->path,
                     ": this thread got it for update already; put it first"));
  }
  self.Count(Counter::latch_waits);
  return latch_.WaitForChange(self.thread, header, seen, 0, request.deadline);
}

absl::Status Getter::Poisoned(const Request& request,
                              const BufferHeader& header) const {
  return absl::DataLossError(absl::StrCat(
      "get page ", request.page, " of ", request.file->path, ": process ",
      header.poisoned_by.load(),
      " died while it changed it (or an exception "
      "unwound the change), and the page had changes that were not on disk; "
      "write it anew with GetForUpdate and GetOptions::create"));
}

}  // namespace mpool::internal
