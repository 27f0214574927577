// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// libdb_subject.cc - Berkeley DB's mpool through its C API, as a program uses
// it: a shared environment with file-backed regions, free-threaded handles,
// default tuning. Its cache is half as large again as the pages, so that none
// is evicted.

#include <db.h>
#include <sys/stat.h>

#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "bench/subject.h"
#include "os/status.h"

namespace mpool::bench {
namespace {

absl::Status Failure(const char* call, int error) {
  if (error == 0) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("Berkeley DB: ", call, ": ", db_strerror(error)));
}

class LibdbSubject final : public Subject {
 public:
  ~LibdbSubject() override { Close().IgnoreError(); }

  absl::Status Open(const CacheSpec& spec) {
    MPOOL_RETURN_IF_ERROR(Failure("db_env_create", db_env_create(&env_, 0)));
    constexpr uint64_t kGiga = uint64_t{1} << 30;
    const uint64_t bytes = spec.page_count * kPageBytes * 3 / 2;
    MPOOL_RETURN_IF_ERROR(
        Failure("set_cachesize",
                env_->set_cachesize(env_, static_cast<uint32_t>(bytes / kGiga),
                                    static_cast<uint32_t>(bytes % kGiga), 1)));
    MPOOL_RETURN_IF_ERROR(
        Failure("DB_ENV->open",
                env_->open(env_, spec.home.c_str(),
                           DB_CREATE | DB_INIT_MPOOL | DB_THREAD, 0600)));
    MPOOL_RETURN_IF_ERROR(
        Failure("memp_fcreate", env_->memp_fcreate(env_, &file_, 0)));
    return Failure(
        "DB_MPOOLFILE->open",
        file_->open(file_, spec.file.c_str(), DB_NOMMAP, 0600, kPageBytes));
  }

  std::string name() const override { return "libdb"; }

  absl::StatusOr<uint64_t> Run(std::span<const uint32_t> pages) override {
    uint64_t sum = 0;
    for (const uint32_t page : pages) {
      db_pgno_t number = page;
      void* bytes = nullptr;
      int error = file_->get(file_, &number, nullptr, 0, &bytes);
      if (error != 0) return Failure("memp_fget", error);
      sum += FirstWord({static_cast<std::byte*>(bytes), kPageBytes});
      error = file_->put(file_, bytes, DB_PRIORITY_UNCHANGED, 0);
      if (error != 0) return Failure("memp_fput", error);
    }
    return sum;
  }

  absl::StatusOr<Counts> Count() override {
    DB_MPOOL_STAT* stat = nullptr;
    MPOOL_RETURN_IF_ERROR(
        Failure("memp_stat", env_->memp_stat(env_, &stat, nullptr, 0)));
    const Counts counts{.hits = stat->st_cache_hit,
                        .page_ins = stat->st_page_in,
                        .page_outs = stat->st_page_out};
    std::free(stat);
    return counts;
  }

  absl::Status Close() override {
    DB_MPOOLFILE* const file = std::exchange(file_, nullptr);
    DB_ENV* const env = std::exchange(env_, nullptr);
    const int file_error = file == nullptr ? 0 : file->close(file, 0);
    const int env_error = env == nullptr ? 0 : env->close(env, 0);
    MPOOL_RETURN_IF_ERROR(Failure("DB_MPOOLFILE->close", file_error));
    return Failure("DB_ENV->close", env_error);
  }

 private:
  DB_ENV* env_ = nullptr;
  DB_MPOOLFILE* file_ = nullptr;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Subject>> OpenLibdb(const CacheSpec& spec) {
  auto subject = std::make_unique<LibdbSubject>();
  MPOOL_RETURN_IF_ERROR(subject->Open(spec));
  return subject;
}

std::string LibdbVersion() { return db_version(nullptr, nullptr, nullptr); }

}  // namespace mpool::bench
