// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// repair.cc - the time from the death of a process that holds a page for update
// until a waiting survivor holds the page.

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "bench/measurements.h"
#include "bench/page_file.h"
#include "bench/subject.h"
#include "mpool/mpool.h"
#include "os/status.h"

namespace mpool::bench {
namespace {

constexpr uint64_t kCacheBytes = uint64_t{1} << 30;
constexpr int kDeaths = 5;

// A forked child that gets a page for update and keeps it until it is killed.
class Holder {
 public:
  // Forks the child and returns after the child holds the page.
  static absl::StatusOr<std::unique_ptr<Holder>> Fork(MPoolFile& file,
                                                      PageNo page) {
    int pipe_ends[2];
    if (pipe(pipe_ends) != 0) {
      return os::ErrnoToStatus(errno, "make pipe", "to the holder");
    }
    const pid_t parent = getpid();
    const pid_t child = fork();
    if (child == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (getppid() == parent) Hold(file, page, pipe_ends[1]);
      _exit(1);
    }
    close(pipe_ends[1]);
    char held = 0;
    const bool has_page = child > 0 && read(pipe_ends[0], &held, 1) == 1;
    close(pipe_ends[0]);
    std::unique_ptr<Holder> holder(new Holder(child));
    if (has_page) return holder;
    return absl::InternalError("repair: no child could take a page");
  }

  ~Holder() {
    if (child_ <= 0) return;
    Kill();
    while (waitpid(child_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }

  void Kill() const { kill(child_, SIGKILL); }

 private:
  explicit Holder(pid_t child) : child_(child) {}

  static void Hold(MPoolFile& file, PageNo page, int tell) {
    const absl::StatusOr<WritePage> got = file.GetForUpdate(page);
    if (!got.ok() || write(tell, "h", 1) != 1) return;
    while (true) pause();
  }

  const pid_t child_;
};

// Returns the nanoseconds from the kill to the survivor's get.
absl::StatusOr<double> TimeOneDeath(DbEnv& env, MPoolFile& file, PageNo page) {
  MPOOL_ASSIGN_OR_RETURN(const std::unique_ptr<Holder> holder,
                         Holder::Fork(file, page));
  const uint64_t waits = env.Stats().latch_waits;
  absl::Status answer;
  double answered = 0;
  std::thread survivor([&] {
    answer = file.Get(page).status();
    answered = NowNs();
  });
  while (env.Stats().latch_waits == waits)
    absl::SleepFor(absl::Milliseconds(1));
  const double killed = NowNs();
  holder->Kill();
  survivor.join();
  if (answer.ok() || absl::IsDataLoss(answer)) return answered - killed;
  return answer;
}

absl::Status Measure(const std::string& home, Report& report) {
  constexpr uint64_t kPages = kCacheBytes / kPageBytes;
  MPOOL_ASSIGN_OR_RETURN(const std::unique_ptr<DbEnv> env,
                         DbEnv::Open(home, {.cache_bytes = kCacheBytes}));
  const std::string path = home + "/pages";
  MPOOL_RETURN_IF_ERROR(MakeSparse(path, kPages));
  MPOOL_ASSIGN_OR_RETURN(const std::unique_ptr<MPoolFile> file,
                         env->OpenFile(path));
  for (PageNo page = 0; page < kPages; ++page) {
    MPOOL_RETURN_IF_ERROR(file->Get(page).status());
  }
  Figures figures{.name = "survivor", .values = {}};
  for (int i = 0; i < kDeaths; ++i) {
    MPOOL_ASSIGN_OR_RETURN(
        figures.values.emplace_back(),
        TimeOneDeath(*env, *file, static_cast<PageNo>(i) * 1000));
  }
  const double median = figures.Median() / 1e6;
  const double worst = figures.Max() / 1e6;
  report.AddValue("repair.ms_median", median,
                  absl::StrFormat("%.1f ms from SIGKILL of the holder to the "
                                  "waiter's page, 1 GiB of cache",
                                  median));
  report.AddValue("repair.ms_worst", worst,
                  absl::StrFormat("%.1f ms, worst of %d", worst, kDeaths));
  MPOOL_RETURN_IF_ERROR(file->Close());
  return env->Close();
}

}  // namespace

absl::Status MeasureRepair(const Context& context) {
  MPOOL_ASSIGN_OR_RETURN(const std::string home,
                         context.scratch.NewHome("repair"));
  absl::Status result = Measure(home, context.report);
  result.Update(context.scratch.RemoveHome(home));
  return result;
}

}  // namespace mpool::bench
