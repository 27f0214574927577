// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "os/process.h"

#include <fcntl.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "os/file.h"
#include "os/retry.h"
#include "os/status.h"
#include "os/syscalls.h"

namespace mpool::os {
namespace {

constexpr char kBootIdPath[] = "/proc/sys/kernel/random/boot_id";

// Extracts the command name between the parentheses, which may itself contain
// parentheses, and field 22. Leaves unchanged a field that the text does not
// have.
void ParseStat(const std::string& stat, ProcessIdentity& self) {
  const size_t open = stat.find('(');
  const size_t close = stat.rfind(')');
  if (open == std::string::npos || close == std::string::npos || close < open) {
    return;
  }
  const size_t length = std::min(close - open - 1, self.command.size() - 1);
  std::copy_n(stat.begin() + static_cast<ptrdiff_t>(open) + 1, length,
              self.command.begin());
  // Field 3 is the first after the name.
  constexpr size_t kStartTime = 22 - 3;
  const std::vector<std::string> fields =
      absl::StrSplit(stat.substr(close + 1), ' ', absl::SkipEmpty());
  if (fields.size() > kStartTime) {
    static_cast<void>(absl::SimpleAtoi(fields[kStartTime], &self.start_time));
  }
}

// Parses two hexadecimal digits a byte and skips dashes. Returns false if the
// text has another form.
bool ParseId(std::string_view text, std::array<uint8_t, 16>& id) {
  std::string digits;
  for (const char c : text) {
    if (c != '-') digits.push_back(c);
  }
  if (digits.size() != 2 * id.size()) return false;
  for (size_t i = 0; i < id.size(); ++i) {
    uint32_t byte = 0;
    if (!absl::SimpleHexAtoi(digits.substr(2 * i, 2), &byte)) return false;
    id[i] = static_cast<uint8_t>(byte);
  }
  return true;
}

}  // namespace

absl::StatusOr<std::string> ReadToEnd(std::string_view path) {
  MPOOL_ASSIGN_OR_RETURN(const File file,
                         File::Open(path, {.mode = File::Mode::kReadOnly}));
  std::array<char, 4096> piece;
  std::string text;
  while (true) {
    const ssize_t got = RetryEintr(
        [&] { return Sys().read(file.fd(), piece.data(), piece.size()); });
    if (got < 0) return ErrnoToStatus(errno, "read", path);
    if (got == 0) return text;
    text.append(piece.data(), static_cast<size_t>(got));
  }
}

uint64_t OwnPidNamespace() {
  struct stat space = {};
  if (RetryEintr([&] {
        return Sys().fstatat(AT_FDCWD, "/proc/self/ns/pid", &space, 0);
      }) != 0) {
    return 0;
  }
  return space.st_ino;
}

absl::StatusOr<std::string> CommandOf(int32_t pid) {
  MPOOL_ASSIGN_OR_RETURN(std::string name,
                         ReadToEnd(absl::StrCat("/proc/", pid, "/comm")));
  absl::StripTrailingAsciiWhitespace(&name);
  return name;
}

ProcessIdentity CurrentProcess() {
  ProcessIdentity self;
  self.pid = Sys().getpid();
  const absl::StatusOr<std::string> stat = ReadToEnd("/proc/self/stat");
  if (stat.ok()) ParseStat(*stat, self);
  self.pid_namespace = OwnPidNamespace();
  return self;
}

absl::StatusOr<std::array<uint8_t, 16>> BootId() {
  const absl::StatusOr<std::string> text = ReadToEnd(kBootIdPath);
  if (absl::IsNotFound(text.status())) {
    return absl::FailedPreconditionError(absl::StrCat(
        "read boot id: there is no ", kBootIdPath,
        ", which tells memory of this boot from older memory; mount /proc "
        "(mount -t proc proc /proc), also in a chroot"));
  }
  MPOOL_RETURN_IF_ERROR(text.status());
  std::array<uint8_t, 16> id = {};
  if (!ParseId(std::string(absl::StripAsciiWhitespace(*text)), id)) {
    return absl::DataLossError(absl::StrCat(
        "read boot id: ", kBootIdPath, ": is not a UUID; mount a real /proc"));
  }
  return id;
}

// getrandom returns up to 256 bytes whole or not at all. The process must not
// continue without an id, because environments with equal ids would mix their
// pages.
absl::StatusOr<std::array<uint8_t, 16>> RandomId() {
  constexpr char kDevice[] = "/dev/urandom";
  std::array<uint8_t, 16> id = {};
  const ssize_t got =
      RetryEintr([&] { return Sys().getrandom(id.data(), id.size(), 0); });
  if (got == static_cast<ssize_t>(id.size())) return id;
  const absl::StatusOr<File> device =
      File::Open(kDevice, {.mode = File::Mode::kReadOnly});
  if (device.ok() &&
      RetryEintr([&] {
        return Sys().read(device->fd(), id.data(), id.size());
      }) == static_cast<ssize_t>(id.size())) {
    return id;
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "choose a random id: neither getrandom nor ", kDevice,
      " returns bytes; allow getrandom in the sandbox (seccomp), or provide ",
      kDevice));
}

uint64_t PhysicalMemoryBytes() {
  const absl::StatusOr<std::string> text = ReadToEnd("/proc/meminfo");
  if (!text.ok()) return 0;
  for (absl::string_view line : absl::StrSplit(*text, '\n')) {
    if (!absl::ConsumePrefix(&line, "MemTotal:")) continue;
    absl::ConsumeSuffix(&line, "kB");
    uint64_t size_kib = 0;
    if (!absl::SimpleAtoi(line, &size_kib)) return 0;
    return size_kib * 1024;
  }
  return 0;
}

}  // namespace mpool::os
