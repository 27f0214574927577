// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// main.cc - mpool_bench [--quick] [--json FILE] [--only SUBSTRING]
//           mpool_bench [--quick] [--only SUBSTRING] --benchmark_FLAG ...
//
// The measurements run in a child. The parent only waits for the child and
// removes its files and shared memory, so that a crash or a ^C leaves none.

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "bench/suite.h"
#include "bench/runner.h"

namespace mpool::bench {
namespace {

constexpr char kUsage[] =
    "usage: mpool_bench [--quick] [--json FILE] [--only SUBSTRING]\n"
    "       mpool_bench [--quick] [--only SUBSTRING] --benchmark_FLAG ...\n"
    "  --quick            the most important measurements, fewer rounds\n"
    "  --json FILE        writes the medians and ratios as one JSON object\n"
    "  --only SUBSTRING   only measurements with this in their name\n"
    "  --benchmark_FLAG   a plain run of the suites by Google Benchmark\n";

struct Measurement {
  std::string name;
  bool in_quick = false;
  std::function<absl::Status(const std::string& name, Fixture&, Report&)> run;
};

struct Request {
  bool is_quick = false;
  std::string json;
  std::string only;
  bool has_flags = false;  // of Google Benchmark
  std::vector<Suite> suites;
  std::vector<Measurement> measurements;
};

std::vector<Measurement> AllMeasurements() {
  return {{"hit.40mb.2p", false, std::bind_front(MeasureTwoProcesses, kSmall)},
          {"hit.400mb.2p", false, std::bind_front(MeasureTwoProcesses, kLarge)},
          {"memory.64mb", true, std::bind_front(MeasureMemory, 64u << 20)},
          {"memory.1gb", true, std::bind_front(MeasureMemory, 1u << 30)},
          {"repair", false, MeasureRepair}};
}

// Keeps those that the request names.
template <class T>
std::vector<T> Chosen(const Request& request, std::vector<T> all) {
  std::erase_if(all, [&](const T& one) {
    return one.name.find(request.only) == std::string::npos ||
           (request.is_quick && !one.in_quick);
  });
  return all;
}

bool Parse(const std::vector<std::string>& words, Request* out) {
  for (size_t i = 0; i < words.size(); ++i) {
    const bool has_value = i + 1 < words.size();
    if (words[i] == "--quick") {
      out->is_quick = true;
    } else if (words[i] == "--json" && has_value) {
      out->json = words[++i];
    } else if (words[i] == "--only" && has_value) {
      out->only = words[++i];
    } else {
      return false;
    }
  }
  out->suites = Chosen(*out, AllSuites());
  if (!out->has_flags) out->measurements = Chosen(*out, AllMeasurements());
  return !out->has_flags || out->json.empty();
}

// Prints the error. Returns the number of errors.
int Complain(const absl::Status& status) {
  if (status.ok()) return 0;
  std::fprintf(stderr, "mpool_bench: %s\n", status.ToString().c_str());
  return 1;
}

int MeasureAll(const Request& request, const std::string& scratch) {
  if (request.has_flags) {
    Report silent(Report::Table::kSilent);
    return Complain(Runner(request.suites, Runner::Runs::kByFlags, scratch,
                           silent).RunByFlags());
  }
  Report report(Report::Table::kPrinted);
  const std::string mode = request.is_quick ? "quick" : "full";
  report.AddValue("mode", mode, mode);
  const std::string libdb =
      LibdbVersion().empty() ? "not built in: no rows of it" : LibdbVersion();
  report.AddValue("libdb", libdb, libdb);
  int errors = 0;
  Runner runner(request.suites, Runner::Runs::kOnePass, scratch, report);
  for (const Suite& suite : request.suites) {
    errors += Complain(
        runner.RunRounds(suite, request.is_quick ? 31 : suite.rounds));
  }
  for (const Measurement& one : request.measurements) {
    Fixture fixture(scratch);
    absl::Status status = one.run(one.name, fixture, report);
    status.Update(fixture.Close());
    errors += Complain(status);
  }
  if (!request.json.empty()) errors += Complain(report.WriteJson(request.json));
  return errors == 0 ? 0 : 1;
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

int Run(const Request& request) {
  const absl::StatusOr<std::string> scratch = MakeScratch();
  if (!scratch.ok()) return Complain(scratch.status());
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  const pid_t parent = getpid();
  worker = fork();
  if (worker == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    const int code = MeasureAll(request, *scratch);
    std::fflush(nullptr);
    _exit(code);
  }
  if (worker > 0) {
    for (const int signal_number : {SIGINT, SIGTERM, SIGHUP}) {
      signal(signal_number, PassOn);
    }
  }
  const int code = worker > 0 ? WaitForAll() : 1;
  return std::max(code, Complain(RemoveScratch(*scratch)));
}

int Main(int argc, char** argv) {
  const int word_count = argc;
  benchmark::Initialize(&argc, argv, [] {
    std::fputs(kUsage, stdout);
    benchmark::PrintDefaultHelp();
  });
  Request request;
  request.has_flags = argc < word_count;
  if (!Parse({argv + 1, argv + argc}, &request)) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  if (!request.suites.empty() || !request.measurements.empty()) {
    return Run(request);
  }
  std::fprintf(stderr, "mpool_bench: no measurement has \"%s\" in its name\n",
               request.only.c_str());
  return 2;
}

}  // namespace
}  // namespace mpool::bench

int main(int argc, char** argv) {
  return mpool::bench::Main(argc, argv);
}
