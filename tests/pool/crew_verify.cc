// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// crew_verify.cc - the checks of the processes that continue after a death.

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "tests/pool/crew.h"

namespace mpool::pooltest {
namespace {

std::string Wrong(uint32_t file, PageNo page, const absl::Status& status,
                  std::string_view doing) {
  return absl::StrCat("page ", page, " of file ", file, ", ",
                      std::string(doing), ": ", status.ToString(), "\n");
}

}  // namespace

std::string Worker::Verify(uint32_t file, PageNo page) {
  const absl::StatusOr<ReadPage> got = files_[file]->Get(page);
  if (!got.ok()) return Heal(file, page, got.status());
  const absl::StatusOr<uint64_t> version =
      pooltest::Read(got->data(), file, page);
  if (!version.ok()) return Wrong(file, page, version.status(), "read");
  Table::Page& known = scene_.table().at(file, page);
  if (*version < known.put.load() || *version > known.started.load()) {
    return absl::StrCat("page ", page, " of file ", file, " has version ",
                        *version, ", put ", known.put.load(), ", started ",
                        known.started.load(), "\n");
  }
  known.put.store(*version);
  known.started.store(*version);
  return "";
}

// A page died with its writer. Each call returns the error until the page is
// recreated.
std::string Worker::Heal(uint32_t file, PageNo page,
                         const absl::Status& lost) {
  if (!absl::IsDataLoss(lost) || !scene_.MayBeLost(file, page)) {
    return Wrong(file, page, lost, "get");
  }
  MPoolFile& handle = *files_[file];
  absl::Status status = handle.GetForUpdate(page).status();
  if (!absl::IsDataLoss(status)) {
    return Wrong(file, page, status, "get a lost page for update");
  }
  status = handle.Sync();
  if (!absl::IsDataLoss(status)) {
    return Wrong(file, page, status, "sync a lost page");
  }
  absl::StatusOr<WritePage> anew = handle.GetForUpdate(page, {.create = true});
  if (!anew.ok()) return Wrong(file, page, anew.status(), "make anew");
  const absl::StatusOr<uint64_t> version =
      pooltest::Read(anew->data(), file, page);
  if (!version.ok() || *version != 0) {
    return Wrong(file, page, version.status(), "is not cleared");
  }
  Table::Page& known = scene_.table().at(file, page);
  const uint64_t next = known.started.load() + 1;
  known.started.store(next);
  Fill(anew->data(), file, page, next);
  anew->Put();
  known.put.store(next);
  return "";
}

std::string Worker::VerifyAll() {
  std::string wrong;
  // C first, so that C gets its extent before A fills the cache.
  for (const uint32_t file : {kC, kA, kB}) {
    const PageNo count = files_[file]->page_count();
    for (PageNo page = 0; page < count && wrong.size() < 500; ++page) {
      wrong += Verify(file, page);
    }
  }
  if (!wrong.empty()) return wrong;
  for (uint32_t file = 0; file < kFileCount; ++file) {
    for (int i = 0; i < 5; ++i) Update(file, Any(kPageCount[file]));
    Add(file);
  }
  const absl::Status synced = ExceptDeathInFsync(env_->Sync());
  return synced.ok() ? "" : absl::StrCat("sync: ", synced.ToString(), "\n");
}

std::string Worker::HoldEveryFrame() {
  Insides insides(scene_.home());
  std::string wrong;
  for (uint32_t file = 0; file < kFileCount; ++file) {
    PageNo frames = 0;
    insides.pool().frames().ForEachHeader([&](internal::BufferHeader& header) {
      if (header.page_class() == internal::PageClass::OfSize(kPageBytes[file]))
        ++frames;
    });
    frames = std::min(frames, files_[file]->page_count());
    std::vector<ReadPage> held;
    for (PageNo page = 0; page < frames; ++page) {
      absl::StatusOr<ReadPage> got = files_[file]->Get(page);
      if (!got.ok()) {
        wrong += Wrong(file, page, got.status(), "hold every frame");
        break;
      }
      held.push_back(*std::move(got));
    }
  }
  return wrong;
}

}  // namespace mpool::pooltest
