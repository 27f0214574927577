// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tests/pool/crew.h"

#include <unistd.h>

#include <algorithm>
#include <stdexcept>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "os/backing/table.h"
#include "os/step.h"

namespace mpool::pooltest {
namespace {

const char* Name(uint32_t file) {
  static constexpr const char* kNames[] = {"a", "b", "c"};
  return kNames[file];
}

// The pages that DoLittle uses, so few that each size needs one extent only.
constexpr PageNo kFew = 12;
// Pages up to which a file grows.
constexpr PageNo kMost = 200;

}  // namespace

Scene::Scene(Policy policy, Backing backing)
    : policy_(policy), backing_(backing) {
  for (uint32_t file = 0; file < kFileCount; ++file) {
    MakeFile(Path(file), file, kPageBytes[file], kPageCount[file], table_);
  }
  if (os::ReachOf(backing) == os::Reach::kForkedChildren) {
    env_ = Must(DbEnv::Open(home(), env_options()), "open for children");
  }
}

Scene::~Scene() {
  Leave();
  Must(DbEnv::Remove(home(), /*force=*/true), "remove");
}

EnvOptions Scene::env_options() const {
  EnvOptions options;
  options.cache_bytes = kCacheBytes;
  options.max_cache_bytes = 2 * kCacheBytes;
  options.policy = policy_;
  options.backing = backing_;
  return options;
}

bool Scene::MayBeLost(uint32_t file, PageNo page) const {
  if (IsAtomic(file)) return false;
  for (const std::atomic<uint64_t>& held : held_->pages) {
    if (held.load() == HeldWord(file, page)) return true;
  }
  return held_->lost[file][page].load();
}

void Scene::Mourn(size_t index) const {
  const uint64_t word = held(index).load();
  // Store the mark first, because MayBeLost loads the word before the mark.
  if (word != 0) held_->lost[word >> 32][(word & 0xffffffff) - 1].store(true);
  held(index).store(0);
}

void Scene::ForgetLost() const {
  for (auto& pages : held_->lost) {
    for (std::atomic<bool>& lost : pages) lost.store(false);
  }
}

std::string Scene::CheckFiles() const {
  std::string wrong;
  for (uint32_t file = 0; file < kFileCount; ++file) {
    wrong += CheckFile(Path(file), file, kPageBytes[file], table_);
  }
  return wrong;
}

void Worker::Open() {
  env_ = Must(DbEnv::Open(scene_.home(), scene_.env_options()), "open");
  for (uint32_t file = 0; file < kFileCount; ++file) {
    FileOptions options;
    options.page_size = kPageBytes[file];
    options.atomic_update = IsAtomic(file);
    files_[file] = Must(env_->OpenFile(Name(file), options), "file");
  }
}

void Worker::Close() {
  for (auto& file : files_) {
    Must(file->Close(), "close file");
    file = nullptr;
  }
  Must(ExceptDeathInFsync(env_->Close()), "close");
  env_ = nullptr;
}

bool Worker::Passes(const absl::Status& status, uint32_t file,
                    PageNo page) const {
  if (status.ok()) return true;
  if (absl::IsDataLoss(status) && scene_.MayBeLost(file, page)) return false;
  Must(status, absl::StrCat("page ", page, " of ", Name(file)));
  return false;
}

void Worker::Check(std::span<const std::byte> data, uint32_t file,
                   PageNo page) const {
  const uint64_t version =
      Must(pooltest::Read(data, file, page), "read page");
  const Table::Page& known = scene_.table().at(file, page);
  const uint64_t put = known.put.load();
  const uint64_t started = known.started.load();
  if (put <= version && version <= started) return;
  Must(absl::InternalError(absl::StrCat(
           "version ", version, ", put ", put, ", started ", started)),
       absl::StrCat("page ", page, " of ", Name(file)));
}

void Worker::ReadOne(uint32_t file, PageNo page, Latch latch) {
  absl::StatusOr<ReadPage> got = files_[file]->Get(page, {.latch = latch});
  if (!Passes(got.status(), file, page)) return;
  // A pin without a latch may see a writer's half-done change.
  if (latch == Latch::kShared) Check(got->data(), file, page);
}

void Worker::Update(uint32_t file, PageNo page) {
  scene_.held(held_).store(Scene::HeldWord(file, page));
  absl::StatusOr<WritePage> got = files_[file]->GetForUpdate(page);
  if (Passes(got.status(), file, page)) {
    Check(got->data(), file, page);
    Table::Page& known = scene_.table().at(file, page);
    const uint64_t version = known.started.load() + 1;
    known.started.store(version);
    Fill(got->data(), file, page, version);
    got->Put();
    scene_.table().Returned(file, page, version);
  }
  scene_.held(held_).store(0);
}

// Gets pages of two files in a fixed order, so that no deadlock is possible.
void Worker::UpdateTogether(bool commit) {
  const PageNo first = Any(kPageCount[kB] - 1);
  const std::pair<uint32_t, PageNo> pages[] = {
      {kB, first}, {kB, first + 1}, {kC, Any(kPageCount[kC])}};
  std::vector<uint64_t> versions;
  UpdateGroup group(*env_);
  for (const auto& [file, page] : pages) {
    WritePage* got = Must(group.Add(*files_[file], page), "add to group");
    Check(got->data(), file, page);
    Table::Page& known = scene_.table().at(file, page);
    versions.push_back(known.started.load() + 1);
    known.started.store(versions.back());
    Fill(got->data(), file, page, versions.back());
  }
  if (!commit) {
    group.Rollback();
    return;
  }
  Must(group.Commit(), "commit");
  for (size_t i = 0; i < versions.size(); ++i) {
    scene_.table().Returned(pages[i].first, pages[i].second, versions[i]);
  }
}

void Worker::Discard(uint32_t file, PageNo page) {
  scene_.held(held_).store(Scene::HeldWord(file, page));
  absl::StatusOr<WritePage> got = files_[file]->GetForUpdate(page);
  if (Passes(got.status(), file, page)) {
    Check(got->data(), file, page);
    got->Discard();
  }
  scene_.held(held_).store(0);
}

void Worker::Unwind(uint32_t file, PageNo page) {
  scene_.held(held_).store(Scene::HeldWord(file, page));
  try {
    const WritePage got =
        Must(files_[file]->GetForUpdate(page), "update and throw");
    Check(got.data(), file, page);
    std::fill_n(got.data().begin(), got.data().size() / 2, std::byte{0x5a});
    throw std::runtime_error("in the middle of a change");
  } catch (const std::runtime_error&) {
    ReadOne(file, page);
  }
  scene_.held(held_).store(0);
}

void Worker::Add(uint32_t file) {
  if (files_[file]->page_count() >= kMost) return;
  WritePage got = Must(files_[file]->New(), "new page");
  const PageNo page = got.number();
  scene_.held(held_).store(Scene::HeldWord(file, page));
  Table::Page& known = scene_.table().at(file, page);
  const uint64_t version = known.started.load() + 1;
  known.started.store(version);
  Fill(got.data(), file, page, version);
  got.Put();
  scene_.table().Returned(file, page, version);
  scene_.held(held_).store(0);
}

void Worker::Scan(uint32_t file) {
  for (PageNo page = 0; page < kPageCount[file]; ++page) ReadOne(file, page);
}

void Worker::HoldManyAndScan() {
  {
    std::vector<ReadPage> held;
    for (PageNo page = 0; page < 10; ++page) {
      absl::StatusOr<ReadPage> got = files_[kA]->Get(page);
      if (Passes(got.status(), kA, page)) held.push_back(*std::move(got));
    }
    // Scan twice, so that any policy reaches the held pages.
    for (int round = 0; round < 2; ++round) Scan(kA);
    for (PageNo page = 0; page < 10; ++page) ReadOne(kA, page);
  }
  std::vector<ReadPage> held;
  for (PageNo page = 0; page < kLedgerEntries + 8; ++page) {
    absl::StatusOr<ReadPage> got = files_[kB]->Get(page);
    if (Passes(got.status(), kB, page)) held.push_back(*std::move(got));
  }
}

void Worker::UpdateAgainstAReader() {
  const PageNo page = 1 + Any(kFew);
  absl::StatusOr<ReadPage> reader = absl::UnknownError("");
  std::thread([&] { reader = files_[kA]->Get(page); }).join();
  if (!Passes(reader.status(), kA, page)) return;
  const absl::StatusOr<WritePage> got =
      files_[kA]->GetForUpdate(page, {.wait = absl::ZeroDuration()});
  if (absl::IsDeadlineExceeded(got.status())) return;
  Must(absl::InternalError("a reader and a writer"), "update");
}

void Worker::WorkInThread() {
  std::thread([&] {
    ReadOne(kA, Any(kPageCount[kA]));
    ReadOne(kB, Any(kPageCount[kB]));
  }).join();
}

void Worker::OpenNewFile() {
  static int count = 0;
  std::unique_ptr<MPoolFile> file = Must(
      env_->OpenFile(absl::StrCat("new-", ::getpid(), "-", ++count),
                     {.page_size = 4096, .create = true}),
      "new file");
  Must(file->Close(), "close new file");
}

// A page held by another thread may prevent the shrink from returning memory.
void Worker::Resize() {
  const uint64_t others = Any(4) * kCacheBytes / 8;
  for (const uint64_t bytes :
       {kCacheBytes + others + 512, kCacheBytes - others - 4096,
        kCacheBytes}) {
    const absl::Status status = env_->Resize(bytes);
    if (!absl::IsUnavailable(status)) Must(status, "resize");
    ReadOne(kA, Any(kPageCount[kA]));
  }
}

// Moves extents from one page size to the other and back.
void Worker::Press() {
  for (const uint32_t file : {kB, kB, kB, kA, kA, kA}) Scan(file);
}

void Worker::DoEverything() {
  Scan(kC);
  Scan(kA);
  Scan(kB);
  for (int i = 0; i < 24; ++i) {
    const uint32_t file = static_cast<uint32_t>(Any(kFileCount));
    Update(file, Any(kPageCount[file]));
    ReadOne(file, Any(kPageCount[file]));
  }
  Update(kA, 5);
  ReadOne(kA, 5);
  Discard(kB, Any(kPageCount[kB]));
  Unwind(kB, Any(kPageCount[kB]));
  Unwind(kC, Any(kPageCount[kC]));
  ReadOne(kA, Any(kPageCount[kA]), Latch::kNone);
  Add(kA);
  Add(kB);
  UpdateTogether(/*commit=*/true);
  UpdateTogether(/*commit=*/false);
  HoldManyAndScan();
  UpdateAgainstAReader();
  WorkInThread();
  OpenNewFile();
  Press();
  Resize();
  Scan(kC);
  const absl::Status synced = files_[kA]->Sync();
  if (!absl::IsDataLoss(synced)) Must(synced, "sync");
}

void Worker::DoLittle() {
  const uint32_t file = static_cast<uint32_t>(Any(2));
  switch (Any(5)) {
    case 0:
      Update(file, Any(kFew));
      break;
    case 1:
      Discard(file, Any(kFew));
      break;
    case 2:
      Unwind(kB, Any(kFew));
      break;
    case 3: {
      absl::StatusOr<ReadPage> first = files_[kA]->Get(0);
      if (Passes(first.status(), kA, 0)) ReadOne(kB, Any(kFew));
      break;
    }
    default:
      ReadOne(file, Any(kFew));
      break;
  }
}

void Worker::UseHeap() {
  Insides insides(scene_.home());
  region::Region& region = insides.region();
  region::Shalloc& heap = region.memory().heap();
  const region::Thread self =
      Must(region.members().RegisterThread(), "register");
  std::vector<uint64_t> chunks;
  auto take = [&](uint64_t size) {
    chunks.push_back(Must(heap.Allocate(self, size, 16), "allocate"));
  };
  for (int i = 0; i < 6; ++i) take(64 + Any(500));
  for (const size_t i : {1u, 3u, 2u}) {
    Must(heap.Free(self, chunks[i]), "free");
    chunks[i] = 0;
  }
  if (region.memory().header()->size_bytes.load() < (uint64_t{4} << 20)) {
    take(heap.Stats(self).largest_free_bytes + (uint64_t{32} << 10));
  }
  // Takes a whole free chunk, without a split.
  take(heap.Stats(self).largest_free_bytes - sizeof(region::Chunk));
  for (const uint64_t chunk : chunks) {
    if (chunk != 0) Must(heap.Free(self, chunk), "free");
  }
  region.members().UnregisterThread(self);
}

void Worker::MissTogether() {
  static thread_local bool is_first = false;
  static PageNo loading = 0;
  os::CallAtStep("mpool.load.keyed", [this] {
    if (!is_first) return;
    is_first = false;
    std::thread([this] { ReadOne(kA, loading); }).join();
  });
  for (loading = 0; loading < kPageCount[kA]; ++loading) {
    is_first = true;
    ReadOne(kA, loading);
  }
  is_first = false;
}

}  // namespace mpool::pooltest
