// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// mpool_subject.cc - mpool through its API, and the floor of its hits.

#include <utility>

#include "bench/subject.h"
#include "db/environment.h"
#include "db/registry.h"
#include "mpool/pool/pool.h"
#include "os/status.h"

namespace mpool::internal {

// A friend of Pool. This file reads only the hash table.
class PoolTester {
 public:
  static const HashTable& HashOf(const Pool& pool) {
    return pool.getter_.hash();
  }
};

}  // namespace mpool::internal

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

using internal::Environment;
using internal::Registry;
using internal::FrameIndex;
using internal::HashTable;
using internal::PageKey;

// The cost of a hit that does not pin the page: the pool's own bucket probe,
// key comparison and frame address, in the same region through the same
// mapping, and the same word of the page. No ledger entry, no fence, no
// counter, no put.
class FloorSubject final : public Subject {
 public:
  FloorSubject(std::shared_ptr<Environment> env, internal::OpenedFile* file)
      : env_(std::move(env)), file_(file) {}
  ~FloorSubject() override { Close().IgnoreError(); }

  std::string name() const override { return "floor"; }

  absl::StatusOr<uint64_t> Run(std::span<const uint32_t> pages) override {
    internal::Pool& pool = env_->pool();
    const HashTable& hash = internal::PoolTester::HashOf(pool);
    const PageKey file_key = file_->file_key;
    uint64_t sum = 0;
    for (const uint32_t page : pages) {
      const PageKey key = PageKey::Make(file_key, page);
      const uint64_t code = HashTable::Hash(key);
      FrameIndex frame = hash.FindAtHome(code);
      if (frame.is_none() || hash.header(frame).LoadKey() != key) {
        frame = hash.Find(code, key);
        if (frame.is_none()) {
          return absl::InternalError("floor: a page is not in memory");
        }
      }
      sum += FirstWord(
          {hash.base() + hash.header(frame).data_offset(), kPageBytes});
    }
    return sum;
  }

  absl::StatusOr<Counts> Count() override { return Counts{}; }

  absl::Status Close() override {
    if (env_ == nullptr) return absl::OkStatus();
    MPOOL_RETURN_IF_ERROR(env_->CloseFile(file_));
    return Registry::OfProcess().Close(&env_);
  }

 private:
  std::shared_ptr<Environment> env_;
  internal::OpenedFile* file_;
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

absl::StatusOr<std::unique_ptr<Subject>> OpenFloor(const CacheSpec& spec) {
  MPOOL_ASSIGN_OR_RETURN(
      std::shared_ptr<Environment> env,
      Registry::OfProcess().Open(spec.home,
                        {.cache_bytes = spec.page_count * kPageBytes}));
  MPOOL_ASSIGN_OR_RETURN(internal::OpenedFile * file,
                         env->OpenFile(spec.file, {}));
  return std::make_unique<FloorSubject>(std::move(env), file);
}

}  // namespace mpool::bench
