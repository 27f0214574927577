// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "db/environment.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "db/home.h"
#include "db/options.h"
#include "mpool/observe/holders.h"
#include "os/assert.h"
#include "os/backing/table.h"
#include "os/directory.h"
#include "os/filesystem.h"
#include "os/filesystem_kind.h"
#include "os/lost_fd.h"
#include "os/status.h"

namespace mpool::internal {
namespace {

// How long Close waits for an fsync of another process.
constexpr absl::Duration kLeaveWait = absl::Seconds(60);

// Returns the first few items, and the number of the others.
std::string Some(const std::vector<std::string>& all) {
  constexpr size_t kShown = 10;
  const size_t shown = std::min(all.size(), kShown);
  std::string text = absl::StrJoin(all.begin(),
                                   all.begin() + static_cast<long>(shown),
                                   ", ");
  if (shown < all.size()) {
    absl::StrAppend(&text, " and ", all.size() - shown, " more");
  }
  return text;
}

}  // namespace

Environment::Environment(std::string home, const os::FileIdentity& identity,
                         const EnvOptions& options)
    : home_(std::move(home)),
      identity_(identity),
      options_(options),
      events_(home_, options.on_event) {}

Environment::~Environment() = default;

absl::StatusOr<std::shared_ptr<Environment>> Environment::Attach(
    os::File dir, const os::FileIdentity& identity,
    const EnvOptions& options) {
  MPOOL_ASSERT(dir.path().starts_with('/'));
  std::shared_ptr<Environment> made(
      new Environment(dir.path(), identity, options));
  MPOOL_RETURN_IF_ERROR(made->AttachRegion(std::move(dir)));
  MPOOL_ASSERT(made->region_->generation().HasEntered());
  return made;
}

void Environment::ReportRepair(const RepairReport& report, Pool& pool) {
  std::string panic;
  if (report.panicked)
    panic = std::string(pool.panic().CheckAsOther().message());
  events_.ReportRepair(report, panic);
}

absl::Status Environment::AttachRegion(os::File dir) {
  MPOOL_ASSERT(region_ == nullptr && pool_ == nullptr);
  auto on_failure = [this](const absl::Status& status) {
    events_.Report(Event::Kind::kWriteFailed, status.ToString());
  };
  auto on_forgotten = [this](const Forgotten& file) {
    events_.ReportForgotten(file);
  };
  const WriteCallbacks callbacks = {options_.log_flush, std::move(on_failure)};
  if (options_.on_mismatch == Mismatch::kRecreateIfClean && !options_.recover &&
      options_.create &&
      os::ReachOf(options_.backing) == os::Reach::kAnyProcess) {
    const absl::Status removed = RemoveIfOtherOptions(
        dir, options_,
        {.callbacks = callbacks,
         .on_repair = [this](const RepairReport& report, Pool& pool) {
           ReportRepair(report, pool);
         },
         .on_forgotten = on_forgotten});
    if (absl::IsDeadlineExceeded(removed)) return removed;
    kept_because_ = std::string(removed.message());
  }
  MPOOL_ASSIGN_OR_RETURN(
      region_,
      region::Region::Prepare(std::move(dir), RegionOptionsFor(options_)));
  pool_ = std::make_unique<Pool>(*region_, callbacks, on_forgotten);
  region_->repairer().set_on_repair([this](const RepairReport& report) {
    ReportRepair(report, *pool_);
  });
  MPOOL_RETURN_IF_ERROR(region_->Attach(pool_->client()));
  const absl::Status ready = Enter();
  if (ready.ok()) return ready;
  pool_->Stop();
  bool is_last = false;
  absl::StatusOr<os::ByteLock> gate =
      region_->BeginLeave(&is_last, options_.wait);
  // Without the gate the slot stays in use as after a death, and other
  // processes repair it. No thread has used the region.
  if (gate.ok()) region_->Leave(*std::move(gate));
  return ready;
}

// Makes the attached region usable. After an error the caller leaves it.
absl::Status Environment::Enter() {
  MPOOL_ASSERT(region_->generation().HasEntered());
  if (region_->attached() == region::Attached::kCreated) {
    events_.ReportOrigin(
        static_cast<Origin>(region_->memory().header()->origin.load()));
  }
  MPOOL_RETURN_IF_ERROR(pool_->Start());
  MPOOL_RETURN_IF_ERROR(RepairAtAttach(*region_, *pool_));
  MPOOL_RETURN_IF_ERROR(CheckPanic(options_));
  return CheckDifferences(options_);
}

EffectiveOptions Environment::Effective() const {
  return EffectiveOf(region_->memory(), pool_->frames());
}

// Returns or reports the differences between the options in force and those
// of an open.
absl::Status Environment::CheckDifferences(const EnvOptions& options) {
  MPOOL_ASSIGN_OR_RETURN(
      const std::string event,
      JudgeDifferences(home_, options, Effective(),
                       region_->memory().fixed().cache_bytes, kept_because_));
  if (!event.empty()) events_.Report(Event::Kind::kOptionsDiffer, event);
  return absl::OkStatus();
}

absl::Status Environment::AddOptions(const EnvOptions& options) {
  MPOOL_ASSERT(region_->generation().value() != 0);
  MPOOL_RETURN_IF_ERROR(
      pool_->PrepareMore(options.prefault, options.lock_memory));
  MPOOL_RETURN_IF_ERROR(CheckPanic(options));
  return CheckDifferences(options);
}

// Handles the panic for one handle's open. With `recover` this process keeps
// working during the panic.
absl::Status Environment::CheckPanic(const EnvOptions& options) {
  if (!options.recover) return pool_->panic().Check();
  // FailCheck runs first, because a page that is found lost later is the next
  // panic.
  MPOOL_RETURN_IF_ERROR(pool_->FailCheck().status());
  pool_->panic().Allow();
  return absl::OkStatus();
}

// Returns InvalidArgument for the environment's own files.
absl::Status Environment::CheckPath(const std::string& path) const {
  const size_t slash = path.rfind('/');
  MPOOL_ASSERT(slash != std::string::npos);
  const absl::StatusOr<std::string> parent =
      os::AbsolutePath(slash == 0 ? "/" : path.substr(0, slash));
  constexpr std::string_view kOwnPrefix = "__db.";
  if (parent.ok() && *parent == home_ &&
      std::string_view(path).substr(slash + 1).starts_with(kOwnPrefix)) {
    return absl::InvalidArgumentError(
        absl::StrCat("open file ", path,
                     ": it belongs to the environment; choose a name that "
                     "does not start with __db."));
  }
  return absl::OkStatus();
}

// Returns FailedPrecondition if the file's log could not be flushed before its
// pages.
absl::Status Environment::CheckLog(const std::string& path,
                                   const FileOptions& options) const {
  if (options.lsn_offset == -1 || options.read_only ||
      options_.log_flush != nullptr) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "open file ", path, " with FileOptions::lsn_offset: its log must be "
      "flushed before its pages; give EnvOptions::log_flush to the first "
      "DbEnv::Open of this process"));
}

// Returns the node of a page file. `full` is `path` with its links resolved; no
// link is followed after that. A relative path starts at the opened home. The
// home must still have its name, because other processes find the file by
// `full`.
absl::StatusOr<os::Node> Environment::FindPageFile(
    std::string_view path, const std::string& full,
    const std::optional<os::File>& dir) const {
  if (!dir.has_value()) return os::Node::Find(full);
  const absl::StatusOr<os::FileInfo> info = os::InfoAt(*dir, path);
  const bool is_link = info.ok() && info->is_link;
  return is_link ? os::Node::Find(full) : os::Node::FindAt(*dir, path);
}

absl::StatusOr<os::File> Environment::MakePageFile(
    std::string_view path, const std::string& full,
    const std::optional<os::File>& dir, int mode) const {
  MPOOL_ASSERT((mode & ~0777) == 0);
  MPOOL_ASSERT(dir.has_value() || full.starts_with('/'));
  const os::File::OpenOptions how = {.create = true,
                                     .no_follow = true,
                                     .regular = true,
                                     .permissions = mode};
  return dir.has_value() ? os::File::OpenAt(*dir, path, how)
                         : os::File::Open(full, how);
}

// Opens the page file into `request`. A file that this process has open is not
// opened again, because closing a second descriptor would drop the program's
// record locks on the file.
absl::Status Environment::OpenPageFile(std::string_view path,
                                       const std::string& full,
                                       const FileOptions& options,
                                       OpenRequest* request) const {
  MPOOL_ASSERT(!path.empty() && full.starts_with('/'));
  MPOOL_ASSERT(request->file == nullptr);
  std::optional<os::File> dir;
  if (path.front() != '/') {
    MPOOL_ASSIGN_OR_RETURN(dir, os::OpenSameDirectory(home_, identity_));
  }
  absl::StatusOr<os::Node> node = FindPageFile(path, full, dir);
  if (absl::IsNotFound(node.status()) && options.create) {
    if (options.page_size == 0) return FileOpener::NoPageSize(full);
    MPOOL_ASSIGN_OR_RETURN(os::File made,
                           MakePageFile(path, full, dir, options.mode));
    request->file = SharedPageFile(std::move(made));
    request->is_created = true;
    return absl::OkStatus();
  }
  MPOOL_RETURN_IF_ERROR(node.status());
  MPOOL_ASSIGN_OR_RETURN(const os::FileInfo info, node->Info());
  request->found = info.identity;
  const FileAccess access =
      options.read_only ? FileAccess::kReading : FileAccess::kWriting;
  request->file =
      pool_->handles().FindOpen(info.identity, access);
  if (request->file != nullptr) return absl::OkStatus();
  MPOOL_ASSIGN_OR_RETURN(request->file,
                         internal::OpenPageFile(*node, access));
  MPOOL_ASSIGN_OR_RETURN(const std::string pseudo,
                         os::PseudoFilesystem(*request->file));
  if (!pseudo.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("open file ", full, ": it is on ", pseudo,
                     ", which stores no bytes; name a file on a disk"));
  }
  return absl::OkStatus();
}

absl::Status Environment::Forget(std::string_view path) {
  const std::string named =
      os::PathBelow(region_->home_files().home(), path);
  // The file, or its directory, may be gone.
  const std::string full = os::AbsolutePath(named).value_or(named);
  std::optional<uint32_t> found;
  pool_->files().ForEach(
      [&](uint32_t index, const FileEntry& entry, FileWord) {
        const std::string known = pool_->files().PathOf(entry);
        if (known == full || known == named) found = index;
      });
  if (!found.has_value()) {
    return absl::NotFoundError(absl::StrCat(
        "forget ", full, ": the environment ", home_,
        " has no pages of such a file; 'mpool files' lists its files"));
  }
  if (pool_->handles().LocalHandles(*found) != 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        "forget ", full, ": this process has it open; close the file, or call "
        "MPoolFile::Discard"));
  }
  return Discard(*found, nullptr);
}

absl::Status Environment::Discard(uint32_t index, const os::File* file) {
  const absl::StatusOr<Forgotten> forgotten = pool_->Discard(index, file);
  if (forgotten.ok()) events_.ReportForgotten(*forgotten);
  events_.Deliver();
  return forgotten.status();
}

absl::Status Environment::DiscardFile(const OpenedFile& file) {
  MPOOL_ASSERT(file.file != nullptr);
  if (pool_->handles().LocalHandles(file.index) != 1) {
    return absl::FailedPreconditionError(absl::StrCat(
        "discard the pages of ", file.path,
        ": this process has another handle of the file; close it first"));
  }
  return Discard(file.index, file.file.get());
}

absl::StatusOr<OpenedFile*> Environment::OpenFile(std::string_view path,
                                                  const FileOptions& options) {
  MPOOL_RETURN_IF_ERROR(Validate(path, options));
  const std::string named =
      os::PathBelow(region_->home_files().home(), path);
  // Resolves links. A file that does not exist has no links.
  const std::string full = os::AbsolutePath(named).value_or(named);
  MPOOL_RETURN_IF_ERROR(CheckPath(full));
  MPOOL_RETURN_IF_ERROR(CheckLog(full, options));
  OpenRequest request;
  absl::Status found = OpenPageFile(path, full, options, &request);
  if (os::IsOutOfDescriptors(found)) {
    // Free the descriptors that the library keeps for other files, and retry.
    MPOOL_RETURN_IF_ERROR(pool_->TrimKept(0));
    found = OpenPageFile(path, full, options, &request);
  }
  if (absl::IsNotFound(found)) {
    return absl::NotFoundError(absl::StrCat(
        "open file ", full, ": there is no such ",
        options.create ? "directory; make it first"
                       : "file; make it with FileOptions::create"));
  }
  MPOOL_RETURN_IF_ERROR(found);
  MPOOL_ASSERT(request.file != nullptr);
  MPOOL_ASSIGN_OR_RETURN(request.path, os::AbsolutePath(full));
  request.page_bytes = options.page_size;
  request.read_only = options.read_only;
  request.lsn_offset = options.lsn_offset;
  request.odd_size = options.odd_size;
  request.atomic_update =
      options.atomic_update.value_or(options.lsn_offset == -1);
  absl::StatusOr<OpenedFile> opened = pool_->OpenFile(request);
  if (opened.ok() && opened->partial_bytes != 0) {
    events_.ReportPartialPage(opened->path, opened->partial_bytes,
                              opened->page_bytes);
  }
  events_.Deliver();
  MPOOL_RETURN_IF_ERROR(opened.status());
  if (os::ReachOf(options_.backing) == os::Reach::kOneProcess) {
    // Until the file is claimed, only this check detects a region that another
    // process has created.
    if (absl::Status other = region::CheckNoOther(region_->home_files().home());
        !other.ok()) {
      pool_->CloseFile(*opened, Pool::DirtyPages::kLeave).IgnoreError();
      return other;
    }
  }
  return new OpenedFile(*std::move(opened));
}

// Returns the guards of this process. A forked child that never attached has
// none, because the guards in the region are its parent's.
std::vector<std::string> Environment::Guards(
    std::optional<uint32_t> file) const {
  MPOOL_ASSERT(pool_ != nullptr);
  return region_->generation().value() == 0
             ? std::vector<std::string>()
             : GuardsOf(region_->members(), pool_->frames(), pool_->files(),
                        file);
}

absl::Status Environment::CheckNoGuardsOn(const OpenedFile& file) const {
  MPOOL_ASSERT(file.entry != nullptr);
  if (pool_->handles().LocalHandles(file.index) != 1) {
    return absl::OkStatus();
  }
  const std::vector<std::string> guards = Guards(file.index);
  if (guards.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("close file ", file.path, ": guards are out (",
                   Some(guards), "); put them first"));
}

// Drops the handle of a forked child that never attached, and returns true.
// Such a child has nothing to close except its copy.
bool Environment::ForgetFile(OpenedFile* file) {
  MPOOL_ASSERT(file != nullptr);
  while (!region_->generation().HasEntered()) {
    if (!pool_->handles().Forget(*file)) continue;
    delete file;
    return true;
  }
  return false;
}

absl::Status Environment::CloseFile(OpenedFile* file) {
  if (ForgetFile(file)) return absl::OkStatus();
  absl::Status status = CheckNoGuardsOn(*file);
  if (status.ok()) status = pool_->CloseFile(*file);
  events_.Deliver();
  if (status.ok()) delete file;
  return status;
}

void Environment::AbandonFile(OpenedFile* file) {
  if (ForgetFile(file)) return;
  const absl::Status held = CheckNoGuardsOn(*file);
  if (!held.ok()) {
    events_.Report(Event::Kind::kGuardsAtClose, held.ToString());
  } else if (absl::Status status = pool_->CloseFile(*file); !status.ok()) {
    // The dirty pages stay in the region.
    events_.Report(Event::Kind::kWriteFailed, status.ToString());
    pool_->CloseFile(*file, Pool::DirtyPages::kLeave).IgnoreError();
  }
  delete file;
  events_.Deliver();
}

absl::Status Environment::CheckNothingOut() {
  const std::vector<std::string> guards = Guards(std::nullopt);
  if (!guards.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "close environment ", home_, ": guards are out (", Some(guards),
        "); put them first"));
  }
  const uint32_t files = pool_->handles().open_handles();
  if (files != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("close environment ", home_, ": ", files,
                     " file handles are open; close them first"));
  }
  return absl::OkStatus();
}

LeaveResult Environment::Leave(LeaveMode mode) {
  MPOOL_ASSERT(region_ != nullptr && pool_ != nullptr);
  // A forked child that never used the environment has nothing to leave.
  if (!region_->generation().HasEntered()) {
    pool_->Stop();
    return {.status = absl::OkStatus(), .has_left = true};
  }
  // A process makes its own writes durable, even if other processes stay. This
  // also frees descriptors, which the leave may use.
  const bool at_once = mode == LeaveMode::kAtOnce;
  const absl::Duration sync_wait = at_once ? absl::ZeroDuration() : kLeaveWait;
  absl::Status written =
      options_.sync_on_last_close
          ? pool_->TrimKept(/*most=*/0, sync_wait)
          : absl::OkStatus();
  bool is_last = false;
  absl::StatusOr<os::ByteLock> gate = region_->BeginLeave(
      &is_last, at_once ? absl::ZeroDuration() : absl::InfiniteDuration());
  if (!gate.ok()) {
    return {.status = absl::Status(
                gate.status().code(),
                absl::StrCat("leave environment ", home_, ": ",
                             gate.status().message()))};
  }
  const bool ends = is_last && EndsWithLastClose();
  if (is_last) {
    written.Update(pool_->Sync(std::nullopt, absl::InfiniteDuration(),
                               options_.sync_on_last_close || ends
                                   ? Pool::Durability::kSynced
                                   : Pool::Durability::kWritten));
  }
  if (!written.ok() && mode != LeaveMode::kAnyway) {
    return {.status = std::move(written)};
  }
  // A panic stays for the owner of the log.
  const bool removes =
      ends && written.ok() && pool_->panic().CheckAsOther().ok();
  pool_->Stop();
  if (removes) return Remove(*std::move(gate));
  region_->Leave(*std::move(gate));
  return {.status = std::move(written), .has_left = true};
}

// Memory without a name ends with its last process anyway.
bool Environment::EndsWithLastClose() const {
  return options_.remove_on_last_close &&
         os::ReachOf(options_.backing) == os::Reach::kAnyProcess;
}

LeaveResult Environment::Remove(os::ByteLock gate) {
  MPOOL_ASSERT(gate.held());
  absl::Status removed = region_->LeaveAndRemove(std::move(gate));
  if (!removed.ok()) {
    removed = absl::Status(
        removed.code(),
        absl::StrCat("close environment ", home_, ": every page is on disk and "
                     "the environment is closed, but its region could not be "
                     "removed: ", removed.message(),
                     "; remove it with 'mpool remove'"));
  }
  return {.status = std::move(removed), .has_left = true};
}

absl::Status Environment::Stay(const absl::Status& why) {
  MPOOL_ASSERT(!why.ok());
  // Limits the wait for a page that another process may hold forever.
  constexpr absl::Duration kMostWait = absl::Seconds(1);
  const absl::Status written = pool_->Sync(std::nullopt, kMostWait);
  return absl::Status(
      why.code(),
      absl::StrCat(why.message(), "; the process stays attached: close before "
                   "the home is removed or the process gives up its rights",
                   written.ok() ? "" : "; pages were not written: ",
                   written.message()));
}

}  // namespace mpool::internal
