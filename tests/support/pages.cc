// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tests/support/pages.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "os/status.h"
#include "tests/support/temp_home.h"

namespace mpool::test {

EnvOptions SmallEnv(Backing backing) {
  EnvOptions options;
  options.cache_bytes = kSmallCache;
  options.backing = backing;
  return options;
}

// Repeats the text and a NUL, copied from the bytes already written.
void Fill(std::span<std::byte> page, std::string_view text) {
  const size_t period = text.size() + 1;
  size_t done = std::min(period, page.size());
  std::memcpy(page.data(), text.data(), std::min(text.size(), page.size()));
  if (period <= page.size()) page[text.size()] = std::byte{0};
  while (done < page.size()) {
    const size_t more = std::min(done, page.size() - done);
    std::memcpy(page.data() + done, page.data(), more);
    done += more;
  }
}

std::string TextOn(std::span<const std::byte> page) {
  const char* start = reinterpret_cast<const char*>(page.data());
  const std::string text(start, strnlen(start, page.size()));
  const size_t period = std::min(text.size() + 1, page.size());
  const bool whole =
      std::memcmp(start, start + period, page.size() - period) == 0;
  return whole ? text : "(torn)";
}

absl::Status PutText(MPoolFile& file, PageNo page, std::string_view text) {
  MPOOL_ASSIGN_OR_RETURN(WritePage got,
                         file.GetForUpdate(page, {.create = true}));
  Fill(got.data(), text);
  got.Put();
  return absl::OkStatus();
}

std::string GetText(MPoolFile& file, PageNo page) {
  const absl::StatusOr<ReadPage> got = file.Get(page);
  return got.ok() ? TextOn(got->data()) : got.status().ToString();
}

std::string DiskText(const std::string& path, PageNo page, uint32_t page_size) {
  const std::string bytes = BytesOf(path, page * page_size, page_size);
  if (bytes.size() != page_size) return "(short)";
  return TextOn(std::as_bytes(std::span(bytes.data(), bytes.size())));
}

Opened& Opened::operator=(Opened&& other) noexcept {
  file = std::move(other.file);
  env = std::move(other.env);
  return *this;
}

absl::Status Opened::Close() {
  if (file != nullptr) MPOOL_RETURN_IF_ERROR(file->Close());
  return env->Close();
}

absl::StatusOr<Opened> OpenBoth(const std::string& home,
                                const EnvOptions& options,
                                const std::string& name, uint32_t page_size) {
  Opened both;
  MPOOL_ASSIGN_OR_RETURN(both.env, DbEnv::Open(home, options));
  FileOptions file_options;
  file_options.create = true;
  file_options.page_size = page_size;
  MPOOL_ASSIGN_OR_RETURN(both.file, both.env->OpenFile(name, file_options));
  return both;
}

}  // namespace mpool::test
