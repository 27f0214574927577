// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tests/pool/support.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "db/registry.h"
#include "os/crc32.h"
#include "os/file.h"
#include "os/status.h"
#include "tests/support/leftovers.h"

namespace mpool::pooltest {
namespace {

const pid_t kTestProgram = ::getpid();  // inherited by its children

struct Label {
  uint64_t number;
  uint64_t version;
  uint32_t file;
  uint32_t crc;  // of the rest of the page
};

}  // namespace

absl::Status ExceptDeathInFsync(const absl::Status& status) {
  return status.message().find("or its process died in it") !=
                 absl::string_view::npos
             ? absl::OkStatus()
             : status;
}

void Must(const absl::Status& status, std::string_view what) {
  if (status.ok()) return;
  std::fprintf(stderr, "process %d: %.*s: %s\n", ::getpid(),
               static_cast<int>(what.size()), what.data(),
               status.ToString().c_str());
  // The leftovers of a child belong to its program.
  if (::getpid() == kTestProgram) os::TakeLeftovers();
  std::abort();
}

void Fill(std::span<std::byte> page, uint32_t file, PageNo number,
          uint64_t version) {
  uint64_t x = (number + 1) * 0x9e3779b97f4a7c15 ^ version << 20 ^ file;
  for (size_t at = sizeof(Label); at + 8 <= page.size(); at += 8) {
    x += 0x2545f4914f6cdd1d;
    std::memcpy(page.data() + at, &x, 8);
  }
  const Label label{number, version, file, os::Crc32(page.subspan(24))};
  std::memcpy(page.data(), &label, sizeof(label));
}

absl::StatusOr<uint64_t> Read(std::span<const std::byte> page, uint32_t file,
                              PageNo number) {
  Label label;
  std::memcpy(&label, page.data(), sizeof(label));
  const uint32_t crc = os::Crc32(page.subspan(sizeof(label)));
  if (label.version == 0 && label.number == 0 && label.crc == 0) {
    const bool same =
        std::memcmp(page.data(), page.data() + 1, page.size() - 1) == 0;
    if (page[0] == std::byte{0} && same) return 0;
    return absl::DataLossError("not all zeros");
  }
  if (label.file == file && label.number == number && label.crc == crc) {
    return label.version;
  }
  return absl::DataLossError(absl::StrCat(
      "page ", number, " of file ", file, " says page ", label.number,
      " of file ", label.file, ", version ", label.version,
      label.crc == crc ? "" : ", and its bytes are torn"));
}

void Table::Returned(uint32_t file, PageNo page, uint64_t version) const {
  std::atomic<uint64_t>& put = at(file, page).put;
  uint64_t seen = put.load();
  while (seen < version && !put.compare_exchange_weak(seen, version)) {
  }
}

void MakeFile(const std::string& path, uint32_t file, uint32_t page_bytes,
              PageNo pages, const Table& table) {
  const os::File out = Must(os::File::Open(path, {.create = true}), path);
  std::vector<std::byte> bytes(page_bytes);
  for (PageNo page = 0; page < pages; ++page) {
    Fill(bytes, file, page, 1);
    Must(out.WriteAt(page * page_bytes, bytes), path);
    table.at(file, page).started.store(1);
    table.at(file, page).put.store(1);
  }
}

std::string CheckFile(const std::string& path, uint32_t file,
                      uint32_t page_bytes, const Table& table) {
  const os::File in =
      Must(os::File::Open(path, {.mode = os::File::Mode::kReadOnly}), path);
  std::vector<std::byte> bytes(page_bytes);
  std::string wrong;
  for (PageNo page = 0; page < Table::kPages; ++page) {
    std::fill(bytes.begin(), bytes.end(), std::byte{0});
    Must(in.ReadAt(page * page_bytes, bytes), path);
    const absl::StatusOr<uint64_t> version = Read(bytes, file, page);
    const uint64_t put = table.at(file, page).put.load();
    const uint64_t started = table.at(file, page).started.load();
    if (version.ok() && *version >= put && *version <= started) continue;
    absl::StrAppend(&wrong, path, " page ", page, " on disk: ",
                    version.ok() ? absl::StrCat("version ", *version)
                                 : version.status().ToString(),
                    ", put ", put, ", started ", started, "\n");
  }
  return wrong;
}

Insides::Insides(const std::string& home)
    : env_(Must(internal::Registry::OfProcess().Open(home, {}),
                "open insides")) {}

Insides::~Insides() {
  Must(internal::Registry::OfProcess().Close(&env_), "close insides");
}

bool AwaitOrDeath(const os::Shared& board, size_t word, pid_t pid) {
  while (board.word(word).load() == 0) {
    os::FutexWait(&board.word(word), 0, absl::Milliseconds(50));
    siginfo_t info = {};
    const int result = ::waitid(P_PID, static_cast<id_t>(pid), &info,
                                WEXITED | WNOHANG | WNOWAIT);
    const bool dead = result != 0 || info.si_pid != 0;
    if (dead && board.word(word).load() == 0) return false;
  }
  return true;
}

void Watchdog(unsigned seconds) { ::alarm(seconds); }

}  // namespace mpool::pooltest
