// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// subject.h - one cache whose gets and puts are timed.

#ifndef MPOOL_BENCH_SUBJECT_H_
#define MPOOL_BENCH_SUBJECT_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bench/page_file.h"
#include "mpool/mpool.h"

namespace mpool::bench {

// The counters of a cache since its creation, summed over its users.
struct Counts {
  uint64_t hits = 0;
  uint64_t page_ins = 0;
  uint64_t page_outs = 0;
};

// Concurrency: Run may be called by several threads at once.
class Subject {
 public:
  virtual ~Subject() = default;

  virtual std::string name() const = 0;
  // Gets each page of the sequence, reads its first word, and puts it. Returns
  // the sum of the words.
  virtual absl::StatusOr<uint64_t> Run(std::span<const uint32_t> pages) = 0;
  virtual absl::StatusOr<Counts> Count() = 0;
  // Returns the open page file of mpool.
  virtual MPoolFile* file() { return nullptr; }
  // Returns the bytes of its memory that are in huge pages now.
  virtual uint64_t HugeBytes() const { return 0; }
  // Closes the cache. The destructor does so too, and drops the status.
  virtual absl::Status Close() = 0;
};

// Gets and puts the sequence. Returns DataLoss if it read wrong pages.
absl::Status CheckedRun(Subject& subject, const Sequence& sequence);

// A cache of a file that holds `page_count` of its pages.
struct CacheSpec {
  std::string home;
  std::string file;
  uint64_t page_count = 0;
  Backing backing = Backing::kPosixShm;
  bool huge_pages = true;
};

absl::StatusOr<std::unique_ptr<Subject>> OpenMpool(const CacheSpec& spec);

// Reads the cache that OpenMpool opened in this process.
absl::StatusOr<std::unique_ptr<Subject>> OpenFloor(const CacheSpec& spec);

// Returns nullptr if this program was built without Berkeley DB.
absl::StatusOr<std::unique_ptr<Subject>> OpenLibdb(const CacheSpec& spec);
// Returns "Berkeley DB 5.3.28: ..."; empty without Berkeley DB.
std::string LibdbVersion();

}  // namespace mpool::bench

#endif  // MPOOL_BENCH_SUBJECT_H_
