// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/replay/replay_control.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "os/futex.h"

namespace mpool::tools {
namespace {

constexpr uint64_t kWrongPagesShown = 5;

// Prints by one write, so that lines of several processes do not mix.
void PrintLine(const std::string& line) {
  if (write(STDERR_FILENO, line.data(), line.size()) < 0) return;
}

}  // namespace

void ReplayControl::SetPhase(uint32_t next) {
  phase.store(next);
  os::FutexWakeAll(&phase);
}

uint32_t ReplayControl::WaitForPhase() const {
  while (true) {
    const uint32_t now = phase.load();
    if (now != kWait) return now;
    os::FutexWait(&phase, kWait, absl::Seconds(1));
  }
}

void ReplayControl::Announce(std::atomic<uint32_t>& count) {
  count.fetch_add(1);
  changes.fetch_add(1);
  os::FutexWakeAll(&changes);
}

void ReplayControl::ReportFailure(const absl::Status& status) {
  uint32_t none = 0;
  if (failed.compare_exchange_strong(none, 1)) {
    const auto message = status.ToString();
    const size_t size = std::min(message.size(), failure_text.size() - 1);
    std::memcpy(failure_text.data(), message.data(), size);
    failed.store(2);
  }
  SetPhase(kStop);
  changes.fetch_add(1);
  os::FutexWakeAll(&changes);
}

std::string ReplayControl::Failure() const {
  switch (failed.load()) {
    case 0:
      return "";
    case 2:
      return failure_text.data();
    default:
      return "a process died while it reported a failure";
  }
}

void ReplayControl::ReportWrongPage(std::string_view file, uint64_t page,
                                    std::string_view why) {
  if (wrong_pages.fetch_add(1) < kWrongPagesShown) {
    PrintLine(absl::StrCat("mpool: wrong page ", page, " of ", os::Abs(file),
                           ": ", os::Abs(why), "\n"));
  }
}

}  // namespace mpool::tools
