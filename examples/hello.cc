// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// hello.cc - the program of the README: writes one page and reads it back.
// Run it twice on one directory: the second run makes the next page.

// [readme begins]
#include <cstring>
#include <iostream>

#include "mpool/mpool.h"

absl::Status Hello(const char* home) {
  auto env = mpool::DbEnv::Open(home);  // joins the cache of that directory,
  if (!env.ok()) return env.status();   // or makes it if it has none
  auto file = (*env)->OpenFile("hello.db", {.create = true});
  if (!file.ok()) return file.status();

  auto page = (*file)->New();  // 4096 zero bytes, held by this thread alone
  if (!page.ok()) return page.status();
  const mpool::PageNo number = page->number();
  std::memcpy(page->data().data(), "hello", 5);
  page->Put();  // every process that has the file open sees it
  if (absl::Status s = (*file)->Sync(); !s.ok()) return s;  // it is on disk

  auto again = (*file)->Get(number);  // a hit; put back when `again` dies
  if (!again.ok()) return again.status();
  std::cout << "page " << again->number() << " says "
            << reinterpret_cast<const char*>(again->data().data()) << '\n';
  return absl::OkStatus();
}

int main(int argc, char** argv) {
  const absl::Status status = Hello(argc > 1 ? argv[1] : ".");
  if (!status.ok()) std::cerr << status << '\n';
  return status.ok() ? 0 : 1;
}
// [readme ends]
