// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tests/torture/hands.h"

#include <unistd.h>

#include <algorithm>
#include <iterator>

#include "absl/strings/str_cat.h"

namespace mpool::torture {
namespace {

constexpr PageNo kHot = 6;
// Pages that a scanner holds. The cache has room for as many for each worker.
constexpr PageNo kHeldByScanner = 3;

GetOptions Within(absl::Duration wait) {
  GetOptions options;
  options.wait = wait;
  return options;
}

}  // namespace

Hands::Hands(const World& world, const Handles& handles, uint64_t seed,
             size_t seat, size_t index)
    : world_(world),
      handles_(handles),
      random_(Mix(seed, index)),
      held_(world.scene().held(seat * kSeatThreads + index)) {
  TakeNote(world.board()->seats[seat].notes[index]);
}

bool Hands::GoesOn() {
  BoardMemory& board = *world_.board().operator->();
  while (board.pause.load() != 0 && board.leave.load() == 0) {
    OwnNote().is_working.store(0);
    ::usleep(500);
  }
  OwnNote().is_working.store(1);
  return board.leave.load() == 0;
}

// True if the call succeeded. A page of A that died with its writer is no
// error.
bool Hands::Passes(const absl::Status& status, uint32_t file, PageNo page) {
  if (status.ok()) return true;
  if (absl::IsDeadlineExceeded(status)) return false;
  if (absl::IsDataLoss(status) && file == kA &&
      world_.scene().MayBeLost(file, page)) {
    return false;
  }
  ReportAndEnd(world_.board(), status,
             absl::StrCat("page ", page, " of file ", file));
}

void Hands::Check(std::span<const std::byte> data, uint32_t file, PageNo page) {
  uint64_t version = 0;
  if (!CheckPage(world_, data, file, page, &version)) ::_exit(kFoundWrong);
}

PageNo Hands::AnyPage(uint32_t file) {
  return Any(3) == 0 ? Any(kHot) : Any(PageCount(file));
}

void Hands::Read(uint32_t file, PageNo page) {
  absl::StatusOr<ReadPage> got =
      Call([&] { return this->file(file).Get(page); });
  if (!Passes(got.status(), file, page)) return;
  Check(got->data(), file, page);
  Call([&] { got->Put(); });
}

uint64_t Hands::NextVersion(uint32_t file, PageNo page) const {
  return world_.table().at(file, page).started.load() + 1;
}

// Checks that the pages and their contents have not changed, and puts them.
void Hands::GiveBack(Held& pages, uint32_t file) {
  for (auto& [number, page] : pages) {
    Check(page.data(), file, number);
    Call([&] { page.Put(); });
  }
}

void Hands::Change(WritePage& page, uint32_t file, PageNo number,
                   uint64_t version) {
  Check(page.data(), file, number);
  world_.table().at(file, number).started.store(version);
  pooltest::Fill(page.data(), file, number, version);
}

void Hands::Put(WritePage& page, uint32_t file) {
  const PageNo number = page.number();
  const uint64_t version = world_.table().at(file, number).started.load();
  Call([&] { page.Put(); });
  world_.table().Returned(file, number, version);
}

void Hands::Update(uint32_t file, PageNo page) {
  held_.store(Scene::HeldWord(file, page));
  const GetOptions options =
      Any(4) == 0 ? Within(absl::Microseconds(Any(300))) : GetOptions();
  absl::StatusOr<WritePage> got =
      Call([&] { return this->file(file).GetForUpdate(page, options); });
  if (absl::IsDataLoss(got.status()) && !Passes(got.status(), file, page)) {
    // Recreate the page. If another worker has recreated it first, its version
    // is known.
    GetOptions create;
    create.create = true;
    got = Call([&] { return this->file(file).GetForUpdate(page, create); });
    if (Passes(got.status(), file, page)) {
      const uint64_t version = NextVersion(file, page);
      world_.table().at(file, page).started.store(version);
      pooltest::Fill(got->data(), file, page, version);
      Put(*got, file);
    }
  } else if (Passes(got.status(), file, page)) {
    if (Any(8) == 0) {
      Check(got->data(), file, page);
      Call([&] { got->Discard(); });
    } else {
      Change(*got, file, page, NextVersion(file, page));
      Put(*got, file);
    }
  }
  held_.store(0);
}

void Hands::WriteSome() {
  for (int i = 0; i < 3; ++i) {
    const auto file = static_cast<uint32_t>(Any(pooltest::kFileCount));
    const PageNo page = AnyPage(file);
    Update(file, page);
    if (Any(2) == 0) Update(file, page);
  }
}

void Hands::ReadSome() {
  for (int i = 0; i < 8; ++i) {
    const auto file = static_cast<uint32_t>(Any(pooltest::kFileCount));
    Read(file, AnyPage(file));
  }
  ReadGroup();
}

// A holder of all pages of a group sees one version, because a committer puts
// the pages in the order in which a reader gets them.
void Hands::ReadGroup() {
  const PageNo first = Any(kGroups) * kGroupPages;
  Held pages;
  uint64_t versions[kGroupPages] = {};
  for (PageNo i = 0; i < kGroupPages; ++i) {
    absl::StatusOr<ReadPage> got =
        Call([&] { return file(kGrouped).Get(first + i); });
    Must(got.status(), "read a group");
    if (!CheckPage(world_, got->data(), kGrouped, first + i, &versions[i])) {
      ::_exit(kFoundWrong);
    }
    if (versions[i] != versions[0]) {
      world_.board()->findings.wrong_pages.fetch_add(1);
      Must(absl::DataLossError(
               absl::StrCat("versions ", versions[0], " and ", versions[i])),
           absl::StrCat("group of page ", first));
    }
    pages[first + i] = *std::move(got);
  }
  GiveBack(pages, kGrouped);
}

WritePage& Hands::Add(UpdateGroup& group, uint32_t index, PageNo page) {
  absl::StatusOr<WritePage*> got =
      Call([&] { return group.Add(file(index), page); });
  Must(got.status(), "add to a group");
  return **got;
}

void Hands::UpdateGroupOfPages() {
  const PageNo first = Any(kGroups) * kGroupPages;
  const PageNo end = first + kGroupPages;
  UpdateGroup group(*handles_.env);
  std::vector<WritePage*> pages;
  uint64_t version = 0;
  for (PageNo page = first; page < end; ++page) {
    pages.push_back(&Add(group, kGrouped, page));
    version = std::max(version, NextVersion(kGrouped, page));
  }
  for (PageNo page = first; page < end; ++page) {
    Change(*pages[page - first], kGrouped, page, version);
  }
  const PageNo other = Any(PageCount(kB));
  const uint64_t other_version = UpdateOtherIn(group, other);
  if (Any(4) == 0) {
    Call([&] { group.Rollback(); });
    return;
  }
  Must(Call([&] { return group.Commit(); }), "commit");
  for (PageNo page = first; page < end; ++page) {
    world_.table().Returned(kGrouped, page, version);
  }
  world_.table().Returned(kB, other, other_version);
}

// Updates a page of another file, and sometimes adds a new page with contents
// that are not checked. Returns the first page's version after a commit.
uint64_t Hands::UpdateOtherIn(UpdateGroup& group, PageNo page) {
  WritePage& other = Add(group, kB, page);
  const uint64_t version = NextVersion(kB, page);
  Change(other, kB, page, version);
  if (Any(8) == 0 && file(kB).page_count() < kMostPages) {
    absl::StatusOr<WritePage*> got =
        Call([&] { return group.AddNew(file(kB)); });
    Must(got.status(), "add a new page to a group");
    const PageNo added = (*got)->number();
    Change(**got, kB, added, NextVersion(kB, added));
  }
  return version;
}

void Hands::HoldAndScan() {
  const uint32_t index = Any(4) == 0 ? kB : kA;
  Held held;
  const PageNo count = file(index).page_count();
  for (PageNo page = 0; page < count; ++page) {
    if (page >= kHeldByScanner || Any(2) == 0) {
      Read(index, page);
      continue;
    }
    absl::StatusOr<ReadPage> got = Call([&] { return file(index).Get(page); });
    if (Passes(got.status(), index, page)) held[page] = *std::move(got);
  }
  GiveBack(held, index);
  if (Any(4) == 0) {
    for (PageNo page = 0; page < PageCount(kC); ++page) Read(kC, page);
  }
}

void Hands::PinSome() {
  GetOptions pin;
  pin.latch = Latch::kNone;
  std::vector<ReadPage> pins;
  std::vector<PageNo> pinned;
  const auto index = static_cast<uint32_t>(Any(pooltest::kFileCount));
  for (int i = 0; i < 3; ++i) {
    const PageNo page = AnyPage(index);
    absl::StatusOr<ReadPage> got =
        Call([&] { return file(index).Get(page, pin); });
    if (!Passes(got.status(), index, page)) continue;
    pins.push_back(*std::move(got));
    pinned.push_back(page);
  }
  if (Any(4) == 0) ::usleep(static_cast<useconds_t>(Any(500)));
  // A writer may change the page, but the page must stay in its frame.
  for (size_t i = 0; i < pins.size(); ++i) {
    const PageNo now = Call([&] { return pins[i].number(); });
    if (now != pinned[i]) {
      world_.board()->findings.wrong_pages.fetch_add(1);
      Must(absl::DataLossError(absl::StrCat("page ", now)),
           absl::StrCat("pinned page ", pinned[i], " of file ", index));
    }
    Call([&] { pins[i].Put(); });
  }
}

void Hands::SyncSome() {
  WriteSome();
  const auto index = static_cast<uint32_t>(Any(kFiles + 1));
  const absl::Status status = Call([&] {
    return index == kFiles ? handles_.env->Sync() : file(index).Sync();
  });
  // A page of A may be lost, and no worker has recreated it yet.
  if (absl::IsDataLoss(status) && (index == kA || index == kFiles)) return;
  Must(pooltest::ExceptDeathInFsync(status), absl::StrCat("sync file ", index));
}

void Hands::AddPage() {
  const auto index = static_cast<uint32_t>(Any(pooltest::kFileCount));
  if (file(index).page_count() >= kMostPages) {
    Update(index, kMostPages - 1 - Any(20));
    return;
  }
  absl::StatusOr<WritePage> got = Call([&] { return file(index).New(); });
  Must(got.status(), "new page");
  const PageNo page = Call([&] { return got->number(); });
  held_.store(Scene::HeldWord(index, page));
  Change(*got, index, page, NextVersion(index, page));
  Put(*got, index);
  held_.store(0);
}

void Hands::LookForDead() {
  Must(Call([&] { return handles_.env->FailCheck(); }).status(), "fail check");
  Call([&] { return handles_.env->Stats(); });
  ReadSome();
}

// Never shrinks below the number of pages that the others hold at once. The
// memory of held pages is returned later.
void Hands::ResizeAndScan() {
  const uint64_t more = Any(2) == 0 ? 0 : Any(4 << 16) / 512 * 512;
  const absl::Status status = Call(
      [&] { return handles_.env->Resize(pooltest::kCacheBytes + more); });
  if (!absl::IsUnavailable(status)) Must(status, "resize");
  ReadSome();
}

void Hands::Do(Role role) {
  switch (role) {
    case Role::kReader:
      return ReadSome();
    case Role::kWriter:
      return WriteSome();
    case Role::kGrouper:
      return UpdateGroupOfPages();
    case Role::kScanner:
      return HoldAndScan();
    case Role::kPinner:
      return PinSome();
    case Role::kSyncer:
      return SyncSome();
    case Role::kMaker:
      return AddPage();
    case Role::kChecker:
      return LookForDead();
    case Role::kResizer:
      return ResizeAndScan();
    default: {
      static constexpr Role kSome[] = {Role::kReader, Role::kWriter,
                                       Role::kGrouper, Role::kPinner,
                                       Role::kMaker};
      return Do(kSome[Any(std::size(kSome))]);
    }
  }
}

}  // namespace mpool::torture
