// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// main.cc - mpool_bench [--quick] [--json FILE] [--only SUBSTRING]
//
// The measurements run in a child. The parent only waits for the child and
// removes its files and shared memory, so that a crash or a ^C leaves none.

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/measurements.h"
#include "bench/subject.h"

namespace mpool::bench {
namespace {

constexpr char kUsage[] =
    "usage: mpool_bench [--quick] [--json FILE] [--only SUBSTRING]\n"
    "  --quick            the most important measurements, shorter\n"
    "  --json FILE        writes the medians and ratios as one JSON object\n"
    "  --only SUBSTRING   only measurements with this in their name\n";

struct Arguments {
  bool quick = false;
  std::string json;
  std::string only;
};

bool Parse(const std::vector<std::string>& words, Arguments* out) {
  for (size_t i = 0; i < words.size(); ++i) {
    const bool has_value = i + 1 < words.size();
    if (words[i] == "--quick") {
      out->quick = true;
    } else if (words[i] == "--json" && has_value) {
      out->json = words[++i];
    } else if (words[i] == "--only" && has_value) {
      out->only = words[++i];
    } else {
      return false;
    }
  }
  return true;
}

std::vector<Measurement> Chosen(const Arguments& arguments) {
  std::vector<Measurement> chosen;
  for (Measurement& one : AllMeasurements()) {
    const bool wanted = one.name.find(arguments.only) != std::string::npos &&
                        (one.in_quick || !arguments.quick);
    if (wanted) chosen.push_back(std::move(one));
  }
  return chosen;
}

void Complain(const absl::Status& status) {
  std::fprintf(stderr, "mpool_bench: %s\n", status.ToString().c_str());
}

int MeasureAll(const Arguments& arguments, const Scratch& scratch,
               const std::vector<Measurement>& chosen) {
  Report report;
  report.AddFact("mode", arguments.quick ? "quick" : "full");
  const std::string libdb = LibdbVersion();
  report.AddFact("libdb",
                 libdb.empty() ? "not built in: no rows of it" : libdb);
  const Context context{arguments.quick, scratch, report};
  int failures = 0;
  for (const Measurement& one : chosen) {
    const absl::Status status = one.run(context);
    if (status.ok()) continue;
    Complain(status);
    ++failures;
  }
  if (!arguments.json.empty()) {
    const absl::Status status = report.WriteJson(arguments.json);
    if (!status.ok()) {
      Complain(status);
      ++failures;
    }
  }
  return failures == 0 ? 0 : 1;
}

pid_t worker = 0;

void PassOn(int signal_number) { kill(worker, signal_number); }

// Waits for the worker and for its orphaned children.
int WaitForAll() {
  int code = 1;
  while (true) {
    int status = 0;
    const pid_t pid = waitpid(-1, &status, 0);
    if (pid < 0 && errno == EINTR) continue;
    if (pid < 0) return code;
    if (pid != worker) continue;
    code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
}

int Run(const Arguments& arguments, const std::vector<Measurement>& chosen) {
  const absl::StatusOr<Scratch> scratch = Scratch::Create();
  if (!scratch.ok()) {
    Complain(scratch.status());
    return 1;
  }
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  const pid_t parent = getpid();
  worker = fork();
  if (worker == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    const int code = MeasureAll(arguments, *scratch, chosen);
    std::fflush(nullptr);
    _exit(code);
  }
  if (worker > 0) {
    for (const int signal_number : {SIGINT, SIGTERM, SIGHUP}) {
      signal(signal_number, PassOn);
    }
  }
  int code = worker > 0 ? WaitForAll() : 1;
  const absl::Status removed = scratch->Remove();
  if (!removed.ok()) {
    Complain(removed);
    code = 1;
  }
  return code;
}

int Main(const std::vector<std::string>& words) {
  Arguments arguments;
  if (!Parse(words, &arguments)) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  const std::vector<Measurement> chosen = Chosen(arguments);
  if (!chosen.empty()) return Run(arguments, chosen);
  std::fprintf(
      stderr, "mpool_bench: no measurement has \"%s\" in its name%s:\n",
      arguments.only.c_str(), arguments.quick ? " and belongs to --quick" : "");
  for (const Measurement& one : AllMeasurements()) {
    std::fprintf(stderr, "  %s\n", one.name.c_str());
  }
  return 2;
}

}  // namespace
}  // namespace mpool::bench

int main(int argc, char** argv) {
  return mpool::bench::Main({argv + 1, argv + argc});
}
