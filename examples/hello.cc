// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// hello.cc - the program of the README: writes one page and reads it back.
// A second run on the same directory creates the next page.

// [readme begins]
#include <cstring>
#include <iostream>

#include "mpool/mpool.h"

absl::Status Hello(const char* home) {
  auto env = mpool::DbEnv::Open(home);  // joins the cache of the directory,
  if (!env.ok()) return env.status();   // or creates it
  auto file = (*env)->OpenFile("hello.db", {.create = true});
  if (!file.ok()) return file.status();

  auto page = (*file)->New();  // 4096 zero bytes, held only by this thread
  if (!page.ok()) return page.status();
  const mpool::PageNo number = page->number();
  std::memcpy(page->data().data(), "hello", 5);
  page->Put();  // now all processes with the file open see it
  if (absl::Status s = (*file)->Sync(); !s.ok()) return s;  // now it is on disk

  auto again = (*file)->Get(number);  // a hit; `again` puts it at its end
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
