// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tests/torture/world.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "tests/support/temp_home.h"

namespace mpool::torture {
namespace {

constexpr absl::Duration kTakable = absl::Seconds(2);
constexpr unsigned kPatienceSeconds = 120;

// Checks every page. Pages that may be lost may return DataLoss.
void LookAtPages(const World& world, const Handles& handles) {
  for (uint32_t file = 0; file < kFiles; ++file) {
    const PageNo count = handles.files[file]->page_count();
    for (PageNo page = 0; page < count; ++page) {
      const absl::StatusOr<ReadPage> got = handles.files[file]->Get(page);
      if (absl::IsDataLoss(got.status()) && file == kA &&
          world.scene().MayBeLost(file, page)) {
        continue;
      }
      MustTell(world.board(), got.status(),
               absl::StrCat("get page ", page, " of file ", file));
      uint64_t version = 0;
      CheckPage(world, got->data(), file, page, &version);
      if (file != kGrouped) continue;
      Table::Page& known = world.table().at(file, page);
      known.started.store(version);
      known.put.store(version);
    }
  }
}

void LookAtGroups(const World& world) {
  for (PageNo page = 0; page < kGroups * kGroupPages; ++page) {
    const PageNo first = page / kGroupPages * kGroupPages;
    const uint64_t version = world.table().at(kGrouped, page).put.load();
    if (version == world.table().at(kGrouped, first).put.load()) continue;
    world.board()->findings.wrong_pages.fetch_add(1);
    world.board()->findings.Report(
        absl::StrCat("the group of page ", first, " is not whole\n"));
  }
}

void TakeEachPage(const World& world, const Handles& handles) {
  GetOptions options;
  options.wait = kTakable;
  for (uint32_t file = 0; file < kFiles; ++file) {
    const PageNo count = handles.files[file]->page_count();
    for (PageNo page = 0; page < count; ++page) {
      absl::StatusOr<WritePage> got =
          handles.files[file]->GetForUpdate(page, options);
      MustTell(world.board(), got.status(),
               absl::StrCat("take page ", page, " of file ", file));
      got->Discard();
    }
  }
}

// Checks that each page is in one frame, and that each frame is counted once.
void LookAtFrames(const World& world, internal::Pool& pool) {
  std::set<uint64_t> keys;
  uint64_t twice = 0;
  pool.frames().ForEachHeader([&](internal::BufferHeader& header) {
    const internal::Phase phase = header.Load().phase();
    if (phase == internal::Phase::kFree || phase == internal::Phase::kOrphan) {
      return;
    }
    if (!keys.insert(header.key.load()).second) ++twice;
  });
  const EnvStats stats = pool.Stats();
  const uint64_t held =
      stats.frames_clean + stats.frames_dirty + stats.frames_poisoned;
  if (twice == 0 && held == keys.size() &&
      held + stats.frames_free == stats.frames) {
    return;
  }
  world.board()->findings.frames.fetch_add(twice + 1);
  world.board()->findings.Report(absl::StrCat(
      stats.frames, " frames: ", stats.frames_free, " free, ", held,
      " hold pages, ", twice, " of them a page that another one holds\n"));
}

void LookAtRegion(const World& world, uint32_t live) {
  pooltest::Insides insides(world.scene().home());
  LookAtFrames(world, insides.pool());
  pooltest::Leaks leaks;
  std::string wrong = pooltest::AtRest(insides.pool(), &leaks);
  const uint32_t found = pooltest::LiveProcesses(insides.region());
  const uint32_t driver = world.scene().IsAttached() ? 1 : 0;
  if (found != live + 1 + driver) {
    ++leaks.slots;
    absl::StrAppend(&wrong, found, " processes, not ", live + 1 + driver, "\n");
  }
  Findings& findings = world.board()->findings;
  findings.frames.fetch_add(leaks.frames);
  findings.slots.fetch_add(leaks.slots);
  findings.bytes.fetch_add(leaks.bytes);
  if (!wrong.empty()) findings.Report(wrong);
}

}  // namespace

void Handles::OpenAll(const World& world) {
  auto opened = DbEnv::Open(world.scene().home(), world.scene().env_options());
  MustTell(world.board(), opened.status(), "open the environment");
  env = *std::move(opened);
  for (uint32_t file = 0; file < kFiles; ++file) {
    FileOptions options;
    options.page_size = PageBytes(file);
    options.atomic_update = file != kA;
    auto handle =
        env->OpenFile(std::string(1, static_cast<char>('a' + file)), options);
    MustTell(world.board(), handle.status(), absl::StrCat("open file ", file));
    files[file] = *std::move(handle);
  }
}

void Handles::CloseAll(const World& world) {
  for (auto& file : files) {
    MustTell(world.board(), file->Close(), "close a file");
    file = nullptr;
  }
  MustTell(world.board(), pooltest::ExceptDeathInFsync(env->Close()),
           "close the environment");
  env = nullptr;
}

bool CheckPage(const World& world, std::span<const std::byte> data,
               uint32_t file, PageNo page, uint64_t* version) {
  const absl::StatusOr<uint64_t> read = pooltest::Read(data, file, page);
  const Table::Page& known = world.table().at(file, page);
  const uint64_t put = known.put.load();
  const uint64_t started = known.started.load();
  if (read.ok() && put <= *read && *read <= started) {
    *version = *read;
    return true;
  }
  Findings& findings = world.board()->findings;
  const bool is_old = read.ok() && *read < put;
  (is_old ? findings.lost_puts : findings.wrong_pages).fetch_add(1);
  findings.Report(absl::StrCat(
      "page ", page, " of file ", file, ": ",
      read.ok() ? absl::StrCat("version ", *read) : read.status().ToString(),
      ", put ", put, ", started ", started, "\n"));
  return false;
}

void LookAtRest(const World& world, uint64_t seed, uint32_t live) {
  pooltest::Watchdog(kPatienceSeconds);
  Handles handles(world);
  MustTell(world.board(), handles.env->FailCheck().status(), "fail check");
  LookAtPages(world, handles);
  LookAtGroups(world);
  pooltest::Worker looker(world.scene(), seed, kLookerSeat * kSeatThreads);
  looker.Open();
  std::string wrong = looker.VerifyAll();
  if (wrong.empty()) wrong = looker.HoldEveryFrame();
  if (!wrong.empty()) world.board()->findings.Report(wrong);
  TakeEachPage(world, handles);
  looker.Close();
  LookAtRegion(world, live);
  handles.CloseAll(world);
  world.scene().Leave();
  world.scene().ForgetLost();
}

void LookAtTheEnd(const World& world) {
  const std::string& home = world.scene().home();
  const absl::Status removed = DbEnv::Remove(home);
  MustTell(world.board(), pooltest::ExceptDeathInFsync(removed), "remove");
  // Remove wrote the pages back before it refused.
  if (!removed.ok()) {
    MustTell(world.board(), DbEnv::Remove(home, /*force=*/true), "remove");
  }
  std::string wrong = world.scene().CheckFiles();
  wrong += pooltest::CheckFile(world.Path(kGrouped), kGrouped, kGroupedBytes,
                               world.table());
  for (const std::string& name : test::AllOf(home)) {
    if (name.starts_with("__db") || name.starts_with("/dev/shm/") ||
        name.starts_with("System V")) {
      absl::StrAppend(&wrong, name, " is left\n");
    }
  }
  if (!wrong.empty()) world.board()->findings.Report(wrong);
}

}  // namespace mpool::torture
