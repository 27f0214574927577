// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/replay/progress.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace mpool::tools {
namespace {

constexpr uint64_t kBarCells = 30;
constexpr const char* kClearLine = "\r\033[K";

}  // namespace

std::string ProgressLine(const std::string& label, uint64_t done,
                         uint64_t total, bool color) {
  const uint64_t reached = total == 0 ? 0 : std::min(done, total);
  const uint64_t whole = std::max<uint64_t>(total, 1);
  const uint64_t cells = kBarCells * reached / whole;
  return absl::StrCat(label, "  [", color ? "\033[32m" : "",
                      std::string(cells, '#'), color ? "\033[0m" : "",
                      std::string(kBarCells - cells, '-'), "] ",
                      100 * reached / whole, " %");
}

void Progress::Show(const std::string& label, uint64_t done, uint64_t total) {
  if (!terminal_.show_progress) return;
  out_ << kClearLine << ProgressLine(label, done, total, terminal_.color)
       << std::flush;
  shown_ = true;
}

void Progress::Clear() {
  if (shown_) out_ << kClearLine << std::flush;
  shown_ = false;
}

}  // namespace mpool::tools
