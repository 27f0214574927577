// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// outcome.h - the result of a verb for the command line.

#ifndef MPOOL_TOOLS_VERBS_OUTCOME_H_
#define MPOOL_TOOLS_VERBS_OUTCOME_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tools/report/table.h"

namespace mpool::tools {

enum class ExitCode {
  kOk = 0,
  kFinding = 1,        // a run that found an error, an environment in trouble
  kUsage = 2,          // a wrong command line
  kCannotOpen = 3,     // a trace, home or environment that cannot be opened
  kInterrupted = 130,  // SIGINT, SIGTERM or SIGHUP ended a replay
};

// The rows, messages and exit code of one run.
struct Outcome {
  ExitCode exit_code = ExitCode::kOk;
  Table table;
  Table more;  // printed after `table`, only as text; may be empty
  Format format = Format::kText;
  std::vector<std::string> messages;  // for standard error

  static Outcome Fail(ExitCode code, const absl::Status& status) {
    Outcome outcome;
    outcome.exit_code = code;
    outcome.messages.push_back(std::string(status.message()));
    return outcome;
  }
};

}  // namespace mpool::tools

#endif  // MPOOL_TOOLS_VERBS_OUTCOME_H_
