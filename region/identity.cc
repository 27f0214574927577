// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "region/identity.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "os/clock.h"
#include "os/process.h"
#include "os/quote.h"
#include "os/status.h"

namespace mpool::region {

void WriteIdentity(ProcessSlot& slot) {
  const os::ProcessIdentity me = os::CurrentProcess();
  slot.pid.store(static_cast<uint32_t>(me.pid), std::memory_order_relaxed);
  slot.start_time.store(me.start_time, std::memory_order_relaxed);
  slot.pid_namespace.store(me.pid_namespace, std::memory_order_relaxed);
  uint64_t command[2] = {};
  std::memcpy(command, me.command.data(), sizeof(command));
  slot.command[0].store(command[0], std::memory_order_relaxed);
  slot.command[1].store(command[1], std::memory_order_relaxed);
  slot.clock.store(OwnClock(), std::memory_order_relaxed);
  slot.attached_ns.store(os::CoarseNs(), std::memory_order_relaxed);
}

uint64_t OwnClock() {
  const std::optional<int64_t> offset_ns = os::MonotonicOffsetNs();
  if (!offset_ns.has_value()) return 0;
  return static_cast<uint64_t>(*offset_ns) + (uint64_t{1} << 63);
}

std::optional<uint64_t> NowOf(const ProcessSlot& slot, uint64_t own) {
  const uint64_t clock = slot.clock.load(std::memory_order_relaxed);
  if (clock == 0 || own == 0) return std::nullopt;
  return os::CoarseNs() + (clock - own);
}

std::string CommandOf(const ProcessSlot& slot) {
  char command[17] = {};
  const uint64_t words[2] = {slot.command[0].load(std::memory_order_relaxed),
                             slot.command[1].load(std::memory_order_relaxed)};
  std::memcpy(command, words, sizeof(words));
  return command;
}

std::string CommandOf(const os::LockHolder& holder) {
  // A pid of another namespace names another process here.
  if (holder.pid_namespace != os::CurrentProcess().pid_namespace) {
    return "of another PID namespace";
  }
  return os::CommandOf(holder.pid).value_or("of an unknown name");
}

std::string DescribeGateHolder(const os::LockFile& locks) {
  const absl::StatusOr<std::optional<os::LockHolder>> holder =
      locks.FindHolder();
  if (!holder.ok() || !holder->has_value()) {
    return "a process that cannot be named";
  }
  return absl::StrCat("process ", (*holder)->pid, " (",
                      os::Quoted(CommandOf(**holder)), ")");
}

absl::Status GateTimeout(std::string_view what, const os::LockFile& locks,
                         absl::Duration wait) {
  return absl::DeadlineExceededError(absl::StrCat(
      os::Abs(what), DescribeGateHolder(locks),
      " has opened, closed or removed this environment for longer than ",
      absl::FormatDuration(wait),
      "; let that process continue, or end it, or wait longer"));
}

}  // namespace mpool::region
