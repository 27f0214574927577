// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// memory.cc - the memory of the cache in addition to its pages, measured by the
// kernel.

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/suite.h"
#include "db/environment.h"
#include "db/registry.h"
#include "mpool/mpool.h"
#include "os/file.h"
#include "os/status.h"

namespace mpool::bench {
namespace {

constexpr uint32_t kThreads = 4;  // and the number of files

// Loads every page of the file.
absl::Status ReadAll(MPoolFile& file) {
  for (PageNo page = 0; page < file.page_count(); ++page) {
    MPOOL_RETURN_IF_ERROR(file.Get(page).status());
  }
  return absl::OkStatus();
}

// Returns the state of the home's shared memory segment.
absl::StatusOr<os::FileInfo> SegmentInfo(const std::string& home,
                                         const EnvOptions& options) {
  MPOOL_ASSIGN_OR_RETURN(std::shared_ptr<internal::Environment> env,
                         internal::Registry::OfProcess().Open(home, options));
  const std::string name = env->pool().region().memory().fixed().segment;
  MPOOL_RETURN_IF_ERROR(internal::Registry::OfProcess().Close(&env));
  MPOOL_ASSIGN_OR_RETURN(
      const os::File segment,
      os::File::OpenShm(name, {.mode = os::File::Mode::kReadOnly}));
  return segment.Info();
}

// Reads all files, each in its own thread at the same time.
absl::Status ReadAllInThreads(
    const std::vector<std::unique_ptr<MPoolFile>>& files) {
  std::vector<absl::Status> results(files.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < files.size(); ++i) {
    threads.emplace_back([&, i] { results[i] = ReadAll(*files[i]); });
  }
  for (std::thread& thread : threads) thread.join();
  absl::Status result;
  for (const absl::Status& one : results) result.Update(one);
  return result;
}

}  // namespace

absl::Status MeasureMemory(uint64_t cache_bytes, const std::string& name,
                           Fixture& fixture, Report& report) {
  MPOOL_ASSIGN_OR_RETURN(const std::string home, fixture.NewHome());
  const EnvOptions options{.cache_bytes = cache_bytes};
  MPOOL_ASSIGN_OR_RETURN(const std::unique_ptr<DbEnv> env,
                         DbEnv::Open(home, options));
  std::vector<std::unique_ptr<MPoolFile>> files;
  for (uint32_t i = 0; i < kThreads; ++i) {
    const std::string path = absl::StrCat(home, "/file-", i);
    MPOOL_RETURN_IF_ERROR(
        MakeSparse(path, cache_bytes / kPageBytes / kThreads));
    MPOOL_ASSIGN_OR_RETURN(files.emplace_back(), env->OpenFile(path));
  }
  MPOOL_RETURN_IF_ERROR(ReadAllInThreads(files));
  MPOOL_ASSIGN_OR_RETURN(const os::FileInfo info, SegmentInfo(home, options));
  const double frames = static_cast<double>(cache_bytes);
  auto overhead = [&](uint64_t bytes) {
    return (static_cast<double>(bytes) - frames) / frames * 100;
  };
  const double percent = overhead(info.size_bytes);
  const double allocated = overhead(info.allocated_bytes);
  report.AddValue(name + ".overhead_percent", percent,
                  absl::StrFormat("%.3f %% of the page bytes, by st_size %d",
                                  percent, info.size_bytes));
  report.AddValue(name + ".allocated_overhead_percent", allocated,
                  absl::StrFormat("%.3f %%, by st_blocks %d x 512", allocated,
                                  info.allocated_bytes / 512));
  for (const auto& file : files) MPOOL_RETURN_IF_ERROR(file->Close());
  return env->Close();
}

}  // namespace mpool::bench
