// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// writer.cc - puts each line of its input on a page of HOME/board.db. The
// program `watch` reads the page from the same memory. The two programs share
// only the name of a directory.
//
//   mkdir /tmp/board
//   watch /tmp/board          # in one terminal
//   writer /tmp/board         # in another, or in several; type lines
//
// Kill any of these programs in any way: the others continue.
// `mpool remove /tmp/board` removes the cache when no process uses it.

#include <algorithm>
#include <cstring>
#include <iostream>
#include <string>

#include "mpool/mpool.h"

namespace {

absl::Status Write(const char* home) {
  auto env = mpool::DbEnv::Open(home);
  if (!env.ok()) return env.status();
  auto file = (*env)->OpenFile("board.db", {.create = true});
  if (!file.ok()) return file.status();
  for (std::string line; std::getline(std::cin, line);) {
    // Two writers get two pages. A Get just before this call holds the page
    // returns zeros; a later Get waits for the put.
    auto page = (*file)->New();
    if (!page.ok()) return page.status();
    line.resize(std::min(line.size(), page->data().size() - 1));
    std::memcpy(page->data().data(), line.data(), line.size());
    const mpool::PageNo number = page->number();
    page->Put();
    std::cout << "page " << number << std::endl;
  }
  // Needed only against power loss: `watch` sees the pages without it.
  return (*file)->Sync();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: writer HOME < LINES\n";
    return 2;
  }
  const absl::Status status = Write(argv[1]);
  if (!status.ok()) std::cerr << "writer: " << status << '\n';
  return status.ok() ? 0 : 1;
}
