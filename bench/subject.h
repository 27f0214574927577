// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// subject.h - one cache whose hits are timed.

#ifndef MPOOL_BENCH_SUBJECT_H_
#define MPOOL_BENCH_SUBJECT_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mpool/types.h"

namespace mpool::bench {

inline constexpr uint32_t kPageBytes = 4096;

// What a cache counted since it was made, over all its users.
struct Counts {
  uint64_t hits = 0;
  uint64_t page_ins = 0;
};

// Concurrency: Run may be called by several threads at once.
class Subject {
 public:
  virtual ~Subject() = default;

  virtual std::string name() const = 0;
  // Gets each page of the sequence, reads its first word, and puts it. The sum
  // of the words.
  virtual absl::StatusOr<uint64_t> Run(std::span<const uint32_t> pages) = 0;
  virtual absl::StatusOr<Counts> Count() = 0;
  // Of its memory, now.
  virtual uint64_t HugeBytes() const { return 0; }
  // Gives everything back. The destructor does so without telling.
  virtual absl::Status Close() = 0;
};

// Runs the sequence untimed. DataLoss if other pages came.
absl::Status CheckedRun(Subject& subject, std::span<const uint32_t> pages);
// An eighth of the sequence, before it is timed: the processor's caches are
// full of the contender before.
absl::Status WarmUp(Subject& subject, std::span<const uint32_t> pages);
// Nanoseconds of processor time that a get and put of the sequence takes, of
// the calling thread. As CheckedRun else.
absl::StatusOr<double> TimedRun(Subject& subject,
                                std::span<const uint32_t> pages);

// A cache of a file: `page_count` pages of it fit.
struct CacheSpec {
  std::string home;
  std::string file;
  uint64_t page_count = 0;
  Backing backing = Backing::kPosixShm;
  bool huge_pages = true;
};

absl::StatusOr<std::unique_ptr<Subject>> OpenMpool(const CacheSpec& spec);

// Looks at the cache that OpenMpool opened in this process.
absl::StatusOr<std::unique_ptr<Subject>> OpenFloor(const CacheSpec& spec);

// nullptr if this program was built without Berkeley DB.
absl::StatusOr<std::unique_ptr<Subject>> OpenLibdb(const CacheSpec& spec);
// "Berkeley DB 5.3.28: ..."; empty without it.
std::string LibdbVersion();

}  // namespace mpool::bench

#endif  // MPOOL_BENCH_SUBJECT_H_
