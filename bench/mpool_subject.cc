// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include <utility>

#include "bench/subject.h"
#include "os/status.h"

namespace mpool::bench {
namespace {

class MpoolSubject final : public Subject {
 public:
  MpoolSubject(std::unique_ptr<DbEnv> env, std::unique_ptr<MPoolFile> file)
      : env_(std::move(env)), file_(std::move(file)) {}

  std::string name() const override { return "mpool"; }

  absl::StatusOr<uint64_t> Run(std::span<const uint32_t> pages) override {
    uint64_t sum = 0;
    for (const uint32_t page : pages) {
      const absl::StatusOr<ReadPage> got = file_->Get(page);
      if (!got.ok()) return got.status();
      sum += FirstWord(got->data());
    }
    return sum;
  }

  absl::StatusOr<Counts> Count() override {
    const EnvStats stats = env_->Stats();
    return Counts{.hits = stats.hits, .page_ins = stats.pages_read,
                  .page_outs = stats.pages_written};
  }
  MPoolFile* file() override { return file_.get(); }
  uint64_t HugeBytes() const override { return env_->HugeBytes(); }

  absl::Status Close() override {
    MPOOL_RETURN_IF_ERROR(file_->Close());
    return env_->Close();
  }

 private:
  std::unique_ptr<DbEnv> env_;
  std::unique_ptr<MPoolFile> file_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Subject>> OpenMpool(const CacheSpec& spec) {
  MPOOL_ASSIGN_OR_RETURN(
      std::unique_ptr<DbEnv> env,
      DbEnv::Open(spec.home, {.cache_bytes = spec.page_count * kPageBytes,
                              .backing = spec.backing,
                              .huge_pages = spec.huge_pages}));
  MPOOL_ASSIGN_OR_RETURN(std::unique_ptr<MPoolFile> file,
                         env->OpenFile(spec.file));
  return std::make_unique<MpoolSubject>(std::move(env), std::move(file));
}

}  // namespace mpool::bench
