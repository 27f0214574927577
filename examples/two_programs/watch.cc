// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// watch.cc - prints the pages of HOME/board.db as `writer` puts them; see
// there. With COUNT it ends after so many.
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

absl::Status Print(mpool::MPoolFile& file, mpool::PageNo number) {
  // Waits while its writer has it; one that died has left the page cleared.
  auto page = file.Get(number);
  if (!page.ok()) return page.status();
  const char* text = reinterpret_cast<const char*>(page->data().data());
  std::cout << number << ": " << std::string(text, strnlen(text, 4096))
            << std::endl;
  return absl::OkStatus();
}

absl::Status Watch(const char* home, mpool::PageNo count) {
  auto env = mpool::DbEnv::Open(home);
  if (!env.ok()) return env.status();
  auto file = (*env)->OpenFile("board.db", {.create = true});
  if (!file.ok()) return file.status();
  for (mpool::PageNo next = 0; next < count; ++next) {
    // There is no call that waits for a page to be made.
    while ((*file)->page_count() <= next) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    if (absl::Status s = Print(**file, next); !s.ok()) return s;
  }
  // None, as long as the cache lives: they were put into the same memory.
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
