// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "db/environment.h"
#include "mpool/observe/holders.h"
#include "mpool/pool/forks.h"
#include "mpool/pool/signature.h"

#include <map>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "os/file.h"
#include "os/filesystem.h"
#include "os/fork.h"
#include "os/lost_fd.h"
#include "os/status.h"
#include "os/step.h"

namespace mpool::internal {
namespace {

// The attachments of this process, by home. A forked child inherits them and
// uses those whose memory it shares.
struct Registry {
  std::mutex mutex;
  std::map<std::pair<uint64_t, uint64_t>, std::shared_ptr<Environment>> envs;
  // Attachments without handles, until they leave the region. They keep their
  // memory mapped for guards that still hold pages of it.
  std::vector<std::shared_ptr<Environment>> abandoned;
};
// Returns the registry without setting fork handlers. The handlers use it, also
// if a fork meets the first Open.
Registry& Unwatched() {
  static Registry* homes = new Registry;
  return *homes;
}

void ForEachEvents(void (std::mutex::*act)()) {
  for (auto& [identity, env] : Unwatched().envs) {
    if (env != nullptr) (env->events_mutex().*act)();
  }
  for (auto& env : Unwatched().abandoned) (env->events_mutex().*act)();
}

Registry& Homes() {
  static Registry& homes = []() -> Registry& {
    // Fork handlers run in reverse order of registration. A fork therefore
    // locks the registry, the pools, the events and the locks that are being
    // made, in this order, which is the order of all code.
    os::LockFile::WatchForks();
    os::AtFork([] { ForEachEvents(&std::mutex::lock); },
               [] { ForEachEvents(&std::mutex::unlock); });
    WatchForks();
    os::AtFork([] { Unwatched().mutex.lock(); },
               [] { Unwatched().mutex.unlock(); });
    return Unwatched();
  }();
  return homes;
}

// Number of events that are kept until a call delivers them.
constexpr size_t kMostEvents = 1000;
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

absl::Status RepairAtAttach(region::Region& region, Pool& pool) {
  RepairReport report;
  region.repairer().RepairPredecessor(&report);
  return pool.FailCheck().status();
}

}  // namespace

Environment::Environment(std::string home, const os::FileIdentity& identity,
                         const EnvOptions& options)
    : home_(std::move(home)), identity_(identity), options_(options) {}

Environment::~Environment() = default;

absl::StatusOr<std::shared_ptr<Environment>> Environment::Open(
    std::string_view home, const EnvOptions& options) {
  MPOOL_RETURN_IF_ERROR(Validate(options));
  MPOOL_ASSIGN_OR_RETURN(os::File dir, OpenHome("open", home));
  os::SettleIdentity(dir);
  MPOOL_ASSIGN_OR_RETURN(const os::FileInfo info, dir.Info());
  std::shared_ptr<Environment> env;
  {
    Registry& homes = Homes();
    std::lock_guard<std::mutex> lock(homes.mutex);
    std::erase_if(homes.abandoned,
                  [](const auto& one) { return one->HasLeftLate(); });
    std::shared_ptr<Environment>& known =
        homes.envs[{info.identity.device, info.identity.inode}];
    // A forked child may use an inherited attachment only if it can attach.
    if (known != nullptr && known->region_->generation().value() == 0) {
      const absl::Status entered = known->pool_->FailCheck().status();
      if (!entered.ok() && known->region_->IsInheritedOnly()) {
        return absl::FailedPreconditionError(absl::StrCat(
            entered.message(), " (its memory has no name: first close, in the "
            "child, the handles of files that the parent closed)"));
      }
      if (!entered.ok()) homes.abandoned.push_back(std::move(known));
    }
    if (known == nullptr) {
      std::shared_ptr<Environment> made(
          new Environment(dir.path(), info.identity, options));
      MPOOL_RETURN_IF_ERROR(made->Attach(std::move(dir)));
      known = std::move(made);
    } else {
      MPOOL_RETURN_IF_ERROR(known->pool_->PrepareMore(options.prefault,
                                                      options.lock_memory));
      MPOOL_RETURN_IF_ERROR(known->CheckPanic(options));
    }
    ++known->handles_;
    env = known;
  }
  env->DeliverEvents();
  return env;
}

// Under the registry's mutex no environment closes.
void Environment::ReleaseDescriptors() {
  Registry& homes = Homes();
  // A close may be under way that calls log_flush, and that this call.
  const std::unique_lock<std::mutex> lock(homes.mutex, std::try_to_lock);
  if (!lock.owns_lock()) return;
  for (const auto& [home, env] : homes.envs) {
    if (env != nullptr && env->region_->generation().value() != 0) {
      env->pool_->TrimKept(/*most=*/0).IgnoreError();
    }
  }
}

absl::Status Environment::Attach(os::File dir) {
  MPOOL_ASSIGN_OR_RETURN(
      region_,
      region::Region::Prepare(std::move(dir), RegionOptionsFor(options_)));
  pool_ = std::make_unique<Pool>(*region_);
  region_->repairer().set_on_repair([this](const RepairReport& report) {
    for (const RepairReport::Process& process : report.processes) {
      Report(Event::Kind::kRepair,
             absl::StrCat("process ", process.pid,
                          " died inside ", home_, " and was repaired: ",
                          report.pins, " pins, ", report.frames, " frames, ",
                          report.latches, " latches, ", report.restored,
                          " pages set back, ", report.poisoned,
                          " pages lost"));
    }
    if (report.damaged != 0) {
      Report(Event::Kind::kRepair,
             absl::StrCat(report.damaged, " words of the tables of ", home_,
                          " were damaged, and were mended"));
    }
    if (report.panicked) {
      Report(Event::Kind::kPanic,
             std::string(pool_->panic().CheckAsOther().message()));
    }
    if (report.poisoned != 0) {
      Report(Event::Kind::kPoisoned,
             absl::StrCat(report.poisoned, " pages of ", home_,
                          " died with their writer; reads answer DataLoss"));
    }
  });
  pool_->write_back().set_log_flush(options_.log_flush);
  pool_->write_back().set_on_failure([this](const absl::Status& status) {
    Report(Event::Kind::kWriteFailed, status.ToString());
  });
  MPOOL_RETURN_IF_ERROR(region_->Attach(pool_->client()));
  if (region_->attached() == region::Attached::kCreated) ReportOrigin();
  absl::Status ready = pool_->Start();
  if (ready.ok()) ready = RepairAtAttach(*region_, *pool_);
  if (ready.ok()) ready = CheckPanic(options_);
  if (ready.ok()) return ready;
  pool_->Stop();
  bool is_last = false;
  absl::StatusOr<os::ByteLock> gate = region_->BeginLeave(&is_last);
  // Without the gate the slot stays in use as after a death, and other
  // processes repair it. No thread has used the region.
  if (gate.ok()) region_->Leave(*std::move(gate));
  return ready;
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

void Environment::ReportOrigin() {
  const auto origin =
      static_cast<Origin>(region_->memory().header()->origin.load());
  if (origin == Origin::kNew) return;
  Report(Event::Kind::kMadeAnew,
         absl::StrCat("the region of ", home_, " was made anew: ",
                      origin == Origin::kReboot
                          ? "the one before was of another boot"
                          : "its memory was gone, cut short or never finished",
                      "; changes that no Sync had made durable are lost"));
}

// Returns InvalidArgument for the environment's own files.
absl::Status Environment::CheckPath(const std::string& path) const {
  const size_t slash = path.rfind('/');
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
  std::optional<os::File> dir;
  if (path.front() != '/') {
    MPOOL_ASSIGN_OR_RETURN(dir, os::OpenSameDirectory(home_, identity_));
  }
  absl::StatusOr<os::Node> node = FindPageFile(path, full, dir);
  if (absl::IsNotFound(node.status()) && options.create) {
    MPOOL_ASSIGN_OR_RETURN(os::File made,
                           MakePageFile(path, full, dir, options.mode));
    request->file = SharedPageFile(std::move(made));
    return absl::OkStatus();
  }
  MPOOL_RETURN_IF_ERROR(node.status());
  MPOOL_ASSIGN_OR_RETURN(const os::FileInfo info, node->Info());
  request->found = info.identity;
  const FileAccess access =
      options.read_only ? FileAccess::kReading : FileAccess::kWriting;
  request->file =
      pool_->files().handles().FindOpen(info.identity, access);
  if (request->file != nullptr) return absl::OkStatus();
  MPOOL_ASSIGN_OR_RETURN(request->file,
                         internal::OpenPageFile(*node, access));
  MPOOL_ASSIGN_OR_RETURN(const std::string pseudo,
                         request->file->PseudoFilesystem());
  if (!pseudo.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("open file ", full, ": it is on ", pseudo,
                     ", which stores no bytes; name a file on a disk"));
  }
  return absl::OkStatus();
}

absl::StatusOr<OpenedFile*> Environment::OpenFile(std::string_view path,
                                                  const FileOptions& options) {
  MPOOL_RETURN_IF_ERROR(Validate(path, options));
  const std::string named = path.front() == '/'
                                ? std::string(path)
                                : absl::StrCat(home_, "/", os::Abs(path));
  // Resolves links. A file that does not exist has no links.
  const std::string full = os::AbsolutePath(named).value_or(named);
  MPOOL_RETURN_IF_ERROR(CheckPath(full));
  if (options.lsn_offset != -1 && !options.read_only &&
      !pool_->write_back().has_log_flush()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "open file ", full, " with FileOptions::lsn_offset: its log must be "
        "flushed before its pages; give EnvOptions::log_flush to the first "
        "DbEnv::Open of this process"));
  }
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
  MPOOL_ASSIGN_OR_RETURN(request.path, os::AbsolutePath(full));
  request.page_bytes = options.page_size;
  request.read_only = options.read_only;
  request.lsn_offset = options.lsn_offset;
  request.odd_size = options.odd_size;
  request.atomic_update =
      options.atomic_update.value_or(options.lsn_offset == -1);
  absl::StatusOr<OpenedFile> opened = pool_->OpenFile(request);
  if (opened.ok() && opened->partial_bytes != 0) {
    Report(Event::Kind::kPartialPage,
           absl::StrCat(opened->path, " ends with ", opened->partial_bytes,
                        " bytes of a page of ", opened->page_bytes,
                        ": a write of it was cut short; the pages before it "
                        "are whole"));
  }
  DeliverEvents();
  MPOOL_RETURN_IF_ERROR(opened.status());
  if (options_.backing == Backing::kHeap) {
    // Until the file is claimed, only this check detects a region that another
    // process has created.
    if (absl::Status other = region::CheckNoOther(region_->home_files().home());
        !other.ok()) {
      ForceClose(*opened);
      return other;
    }
  }
  return new OpenedFile(*std::move(opened));
}

// Returns the guards of this process. A forked child that never attached has
// none, because the guards in the region are its parent's.
std::vector<std::string> Environment::Guards(
    std::optional<uint32_t> file) const {
  return region_->generation().value() == 0 ? std::vector<std::string>()
                                    : GuardsOf(*region_, pool_->frames(),
                                               pool_->files(), file);
}

absl::Status Environment::CheckNoGuardsOn(const OpenedFile& file) const {
  if (pool_->files().handles().LocalHandles(file.index) != 1) {
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
  while (!region_->generation().HasEntered()) {
    if (!pool_->files().handles().Forget(*file)) continue;
    delete file;
    return true;
  }
  return false;
}

absl::Status Environment::CloseFile(OpenedFile* file) {
  if (ForgetFile(file)) return absl::OkStatus();
  absl::Status status = CheckNoGuardsOn(*file);
  if (status.ok()) status = pool_->CloseFile(*file);
  DeliverEvents();
  if (status.ok()) delete file;
  return status;
}

// Closes without writing dirty pages.
void Environment::ForceClose(const OpenedFile& file) {
  os::MutexLock lock(region_->members().process_mutex());
  pool_->opener().Close(region_->members().process_thread(), file,
                       FileOpener::kAnyway);
}

void Environment::AbandonFile(OpenedFile* file) {
  if (ForgetFile(file)) return;
  const absl::Status held = CheckNoGuardsOn(*file);
  if (!held.ok()) {
    Report(Event::Kind::kGuardsAtClose, held.ToString());
  } else if (absl::Status status = pool_->CloseFile(*file); !status.ok()) {
    // The dirty pages stay in the region.
    Report(Event::Kind::kWriteFailed, status.ToString());
    ForceClose(*file);
  }
  delete file;
  DeliverEvents();
}

absl::Status Environment::CheckNothingOut() {
  const std::vector<std::string> guards = Guards(std::nullopt);
  if (!guards.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "close environment ", home_, ": guards are out (", Some(guards),
        "); put them first"));
  }
  const uint32_t files = pool_->files().handles().open_handles();
  if (files != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("close environment ", home_, ": ", files,
                     " file handles are open; close them first"));
  }
  return absl::OkStatus();
}

// `force`: leaves even if dirty pages could not be written. They stay in the
// region, which outlives its processes unless it is on the heap.
// If *has_left is false, nothing is closed.
absl::Status Environment::Leave(bool force, bool* has_left) {
  *has_left = true;
  // A forked child that never used the environment has nothing to leave.
  if (!region_->generation().HasEntered()) {
    pool_->Stop();
    return absl::OkStatus();
  }
  *has_left = false;
  // A process makes its own writes durable, even if other processes stay. This
  // also frees descriptors, which the leave may use.
  absl::Status written =
      options_.sync_on_last_close
          ? pool_->TrimKept(/*most=*/0, kLeaveWait)
          : absl::OkStatus();
  bool is_last = false;
  absl::StatusOr<os::ByteLock> gate = region_->BeginLeave(&is_last);
  if (!gate.ok()) {
    return absl::Status(gate.status().code(),
                        absl::StrCat("leave environment ", home_, ": ",
                                     gate.status().message()));
  }
  if (is_last) {
    written.Update(pool_->WriteBackAll(options_.sync_on_last_close
                                           ? Pool::Durability::kSynced
                                           : Pool::Durability::kWritten));
  }
  if (!written.ok() && !force) return written;
  pool_->Stop();
  region_->Leave(*std::move(gate));
  *has_left = true;
  return written;
}

// Keeps the process attached, with its slot, because it cannot leave. Writes
// pages as the last process would, because other attachments are unknown.
// Returns the status to report.
absl::Status Environment::Stay(const absl::Status& why) {
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

bool Environment::HasLeftLate() {
  bool has_left = false;
  if (stays_) Leave(/*force=*/false, &has_left).IgnoreError();
  return has_left;
}

absl::Status Environment::Close() {
  Registry& homes = Homes();
  std::lock_guard<std::mutex> lock(homes.mutex);
  if (handles_ == 1) {
    MPOOL_RETURN_IF_ERROR(CheckNothingOut());
    bool has_left = false;
    MPOOL_RETURN_IF_ERROR(Leave(/*force=*/false, &has_left));
    std::erase_if(homes.envs, [this](const auto& entry) {
      return entry.second.get() == this;
    });
  }
  --handles_;
  return absl::OkStatus();
}

void Environment::Abandon(std::shared_ptr<Environment> env) {
  Registry& homes = Homes();
  std::unique_lock<std::mutex> lock(homes.mutex);
  if (--env->handles_ != 0) return;
  std::erase_if(homes.envs,
                [&](const auto& entry) { return entry.second == env; });
  homes.abandoned.push_back(env);
  lock.unlock();
  bool has_left = false;
  Event::Kind kind = Event::Kind::kGuardsAtClose;
  absl::Status status = env->CheckNothingOut();
  if (status.ok()) {
    status = env->Leave(/*force=*/true, &has_left);
    kind = has_left ? Event::Kind::kWriteFailed : Event::Kind::kLeaveFailed;
    if (!has_left) status = env->Stay(status);
    lock.lock();
    env->stays_ = !has_left;
    if (has_left) std::erase(homes.abandoned, env);
    lock.unlock();
  }
  if (!status.ok()) env->Report(kind, status.ToString());
  env->DeliverEvents();
}

void Environment::Report(Event::Kind kind, std::string message) {
  if (options_.on_event == nullptr) return;
  std::lock_guard<std::mutex> lock(events_mutex_);
  if (events_.size() == kMostEvents) return;
  events_.push_back({kind, std::move(message)});
  MPOOL_STEP("db.event.kept");
}

void Environment::DeliverEvents() {
  if (options_.on_event == nullptr) return;
  std::vector<Event> events;
  {
    std::lock_guard<std::mutex> lock(events_mutex_);
    events.swap(events_);
  }
  for (const Event& event : events) options_.on_event(event);
}

absl::StatusOr<Look> LookAt(std::string_view home) {
  Look look;
  MPOOL_ASSIGN_OR_RETURN(look.dir, OpenHome("inspect", home));
  MPOOL_ASSIGN_OR_RETURN(
      region::Inspection inspection,
      region::InspectRegion(look.dir, LayoutSignature()));
  look.region = std::make_unique<region::Region>(
      std::move(inspection.mapping), inspection.fixed);
  look.frames = std::make_unique<FrameTable>(*look.region);
  region::Reachable reached(look.region->memory().heap());
  const absl::Status sound = look.frames->Check(&reached);
  if (!sound.ok()) {
    return absl::DataLossError(absl::StrCat(
        "inspect ", look.dir.path(), ": ", sound.message(),
        "; DbEnv::Open refuses it, and 'mpool remove --force' discards it"));
  }
  look.files = std::make_unique<FileTable>(*look.region, *look.frames);
  return look;
}

absl::Status RemoveHome(std::string_view home, bool force) {
  MPOOL_ASSIGN_OR_RETURN(os::File dir, OpenHome("remove", home));
  os::SettleIdentity(dir);
  const std::string path = dir.path();
  MPOOL_ASSIGN_OR_RETURN(os::File again, os::File::OpenDirectory(dir));
  MPOOL_ASSIGN_OR_RETURN(region::RegionRemover remover,
                         region::RegionRemover::Begin(std::move(again)));
  if (remover.descriptor().has_value() && !force) {
    region::RegionOptions options = RegionOptionsFor({});
    options.create = false;
    MPOOL_ASSIGN_OR_RETURN(std::unique_ptr<region::Region> region,
                           region::Region::Prepare(std::move(dir), options));
    Pool pool(*region);
    const absl::Status attached =
        region->Attach(pool.client(), &remover.gate());
    // A region that is not whole has no pages to write back.
    if (!absl::IsNotFound(attached)) {
      MPOOL_RETURN_IF_ERROR(attached);
      absl::Status status = pool.Start();
      if (status.ok()) status = RepairAtAttach(*region, pool);
      if (status.ok()) status = pool.WriteBackAll(Pool::Durability::kSynced);
      const uint64_t dirty = pool.Stats().frames_dirty;
      pool.Stop();
      region->Leave(os::ByteLock());
      if (!status.ok()) {
        return absl::FailedPreconditionError(absl::StrCat(
            "remove ", path, ": its pages are not all on disk, ", dirty,
            " of them dirty (", status.ToString(),
            "); mend that, or discard them with force"));
      }
    }
  }
  return remover.Finish();
}

}  // namespace mpool::internal
