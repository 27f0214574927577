// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// stranger.cc - a separate program that opens a home. Its process shares
// nothing with the test except the environment.
//
//   mpool_stranger HOME exchange   reads page 0, puts page 1, closes
//   mpool_stranger HOME hold       changes page 0 and waits to be killed
//   mpool_stranger HOME remove     removes the region

#include <unistd.h>

#include <cstdio>
#include <string_view>

#include "tests/support/pages.h"

int main(int count, char** arguments) {
  namespace test = mpool::test;
  if (count != 3) return 2;
  if (std::string_view(arguments[2]) == "remove") {
    const absl::Status removed = mpool::DbEnv::Remove(arguments[1]);
    if (!removed.ok()) std::puts(removed.ToString().c_str());
    return removed.ok() ? 0 : 1;
  }
  auto both = test::OpenBoth(arguments[1], {});
  if (!both.ok()) {
    std::puts(both.status().ToString().c_str());
    return 1;
  }
  if (std::string_view(arguments[2]) == "hold") {
    auto page = both->file->GetForUpdate(0);
    if (!page.ok()) return 3;
    test::Fill(page->data(), "torn");
    std::puts("holds");
    std::fflush(stdout);
    while (true) ::pause();
  }
  std::puts(test::GetText(*both->file, 0).c_str());
  if (!test::PutText(*both->file, 1, "stranger").ok()) return 4;
  return both->Close().ok() ? 0 : 5;
}
