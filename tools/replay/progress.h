// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// progress.h - a line on a terminal with the progress of a run.

#ifndef MPOOL_TOOLS_REPLAY_PROGRESS_H_
#define MPOOL_TOOLS_REPLAY_PROGRESS_H_

#include <cstdint>
#include <ostream>
#include <string>

namespace mpool::tools {

// The terminal that a verb may write to while it runs.
struct Terminal {
  bool show_progress = false;  // standard error is a terminal
  bool color = false;
};

// Returns the line, without the carriage return: "label  [####----]  52 %".
std::string ProgressLine(const std::string& label, uint64_t done,
                         uint64_t total, bool color);

// Shows the progress of a run in one line. Writes nothing unless the terminal
// shows progress.
class Progress {
 public:
  Progress(const Terminal& terminal, std::ostream& out)
      : terminal_(terminal), out_(out) {}
  ~Progress() { Clear(); }

  void Show(const std::string& label, uint64_t done, uint64_t total);
  void Clear();

 private:
  const Terminal terminal_;
  std::ostream& out_;
  bool shown_ = false;
};

}  // namespace mpool::tools

#endif  // MPOOL_TOOLS_REPLAY_PROGRESS_H_
