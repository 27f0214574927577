// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// watch.cc - prints the pages of HOME/board.db as `writer` puts them; see
// writer.cc. With COUNT it ends after that many pages.
//
//   watch HOME [COUNT]

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>
#include <thread>

#include "mpool/mpool.h"

namespace {

// Prints a page. Retries for a second, because a page reads as zeros until its
// first put, and forever if its writer died before the put.
absl::Status Print(mpool::MPoolFile& file, mpool::PageNo number) {
  std::string text;
  for (int looks = 0; text.empty() && looks < 100; ++looks) {
    if (looks != 0) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    auto page = file.Get(number);
    if (!page.ok()) return page.status();
    const char* bytes = reinterpret_cast<const char*>(page->data().data());
    text.assign(bytes, strnlen(bytes, page->data().size()));
  }
  std::cout << number << ": " << text << std::endl;
  return absl::OkStatus();
}

absl::Status Watch(const char* home, mpool::PageNo count) {
  auto env = mpool::DbEnv::Open(home);
  if (!env.ok()) return env.status();
  auto file = (*env)->OpenFile("board.db", {.create = true});
  if (!file.ok()) return file.status();
  for (mpool::PageNo next = 0; next < count; ++next) {
    // Polls, because no call waits for a new page.
    while ((*file)->page_count() <= next) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    if (absl::Status s = Print(**file, next); !s.ok()) return s;
  }
  // 0 if the cache has lived since the puts, because both programs share it.
  std::cout << "read from disk: " << (*file)->Stats().pages_read << std::endl;
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2 && argc != 3) {
    std::cerr << "usage: watch HOME [COUNT]\n";
    return 2;
  }
  const mpool::PageNo count =
      argc == 3 ? std::strtoull(argv[2], nullptr, 10) : mpool::kMaxPageNo;
  const absl::Status status = Watch(argv[1], count);
  if (!status.ok()) std::cerr << "watch: " << status << '\n';
  return status.ok() ? 0 : 1;
}
