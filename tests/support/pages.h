// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// pages.h - environments, files and pages with text on them.

#ifndef MPOOL_TESTS_SUPPORT_PAGES_H_
#define MPOOL_TESTS_SUPPORT_PAGES_H_

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mpool/mpool.h"

namespace mpool::test {

inline constexpr uint64_t kSmallCache = uint64_t{1} << 20;

// Returns the options of a cache of 1 MiB.
EnvOptions SmallEnv(Backing backing = Backing::kPosixShm);

// Fill repeats the text over the whole page. TextOn returns the text, "(torn)"
// if the page is inconsistent, and "" for a page of zeros.
void Fill(std::span<std::byte> page, std::string_view text);
std::string TextOn(std::span<const std::byte> page);

// Gets the page for update (made if it is past the end), fills and puts it.
absl::Status PutText(MPoolFile& file, PageNo page, std::string_view text);
// Gets the page to read. Returns an error as its text.
std::string GetText(MPoolFile& file, PageNo page);
// Returns the text of the page on disk.
std::string DiskText(const std::string& path, PageNo page,
                     uint32_t page_size = 4096);

// An environment and a file that a test opens together. The destructor closes
// the file, then the environment, and ignores the statuses.
struct Opened {
  std::unique_ptr<DbEnv> env;
  std::unique_ptr<MPoolFile> file;
  Opened() = default;
  Opened(Opened&&) = default;
  Opened& operator=(Opened&& other) noexcept;
  ~Opened() {
    file.reset();
    env.reset();
  }
  // Closes both. Returns the first error.
  absl::Status Close();
};
absl::StatusOr<Opened> OpenBoth(const std::string& home,
                                const EnvOptions& options = SmallEnv(),
                                const std::string& name = "pages.db",
                                uint32_t page_size = 4096);

}  // namespace mpool::test

#endif  // MPOOL_TESTS_SUPPORT_PAGES_H_
