// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// crew.h - processes that work on one environment until they are killed, and
// those that go on after them.
//
// Three files: A (4 KiB pages) and B (512 bytes), each larger than its share of
// the cache, and C (1 KiB), which fits. The cache has five extents, which go
// from one page size to another, and more or fewer while it is resized.

#ifndef MPOOL_TESTS_POOL_CREW_H_
#define MPOOL_TESTS_POOL_CREW_H_

#include <atomic>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tests/pool/support.h"

namespace mpool::pooltest {

inline constexpr uint32_t kA = 0;
inline constexpr uint32_t kB = 1;
inline constexpr uint32_t kC = 2;
inline constexpr uint32_t kFileCount = 3;
inline constexpr uint32_t kPageBytes[kFileCount] = {4096, 512, 1024};
inline constexpr PageNo kPageCount[kFileCount] = {64, 140, 60};
inline constexpr uint64_t kCacheBytes = 5 * 64 << 10;
inline constexpr bool IsAtomic(uint32_t file) { return file != kA; }

// A home with its three files, and what they should hold.
class Scene {
 public:
  // On memory without a name this process is attached until it says Leave, so
  // that the children that it forks are let in.
  explicit Scene(Policy policy, Backing backing = Backing::kPosixShm);
  ~Scene();
  Scene(const Scene&) = delete;
  Scene& operator=(const Scene&) = delete;

  const std::string& home() const { return dir_.path(); }
  std::string Path(uint32_t file) const {
    return dir_.Below(std::string(1, static_cast<char>('a' + file)));
  }
  const Table& table() const { return table_; }
  EnvOptions env_options() const;

  // Pages that a thread has for update, or is about to: such a page alone may
  // be lost with it.
  static constexpr size_t kHeldWords = 64;
  std::atomic<uint64_t>& held(size_t index) const {
    return held_->pages[index];
  }
  static uint64_t HeldWord(uint32_t file, PageNo page) {
    return uint64_t{file} << 32 | (page + 1);
  }
  // The page that a dead thread had may be lost from now on, until ForgetLost,
  // and its word may be used by another.
  void Mourn(size_t index) const;
  void ForgetLost() const;
  bool MayBeLost(uint32_t file, PageNo page) const;

  // Whether this process has such a handle, its own or one that it inherited,
  // and giving it back: until then it does not leave when its workers close.
  bool IsAttached() const { return env_ != nullptr; }
  void Leave() const { env_ = nullptr; }
  // Reads the files without a pool. REQUIRES: nobody has unwritten pages.
  std::string CheckFiles() const;

 private:
  struct Held {
    std::atomic<uint64_t> pages[kHeldWords];
    std::atomic<bool> lost[Table::kFiles][Table::kPages];
  };
  const Policy policy_;
  const Backing backing_;
  os::TempDir dir_;
  Table table_;
  os::SharedMemory<Held> held_;
  mutable std::unique_ptr<DbEnv> env_;
};

// One attached process.
class Worker {
 public:
  // `held`: its place among the pages that may be lost with it.
  Worker(const Scene& scene, uint64_t seed, size_t held)
      : scene_(scene), random_(seed), held_(held) {}

  void Open();
  void Close();
  DbEnv& env() { return *env_; }
  MPoolFile& file(uint32_t index) { return *files_[index]; }
  PageNo Any(PageNo below) { return random_() % below; }

  // One call of each. A page that died with another process is passed over; all
  // else that is wrong aborts.
  void ReadOne(uint32_t file, PageNo page, Latch latch = Latch::kShared);
  void Update(uint32_t file, PageNo page);
  void Discard(uint32_t file, PageNo page);
  // Changes half of the page, and is cut short. REQUIRES: IsAtomic(file).
  void Unwind(uint32_t file, PageNo page);
  void Add(uint32_t file);
  void UpdateTogether(bool commit);
  void Scan(uint32_t file);
  void Resize();
  void Press();

  // A bit of everything that the library can do.
  void DoEverything();
  // Little, on few pages: what a process does that shall not fill the cache.
  void DoLittle();
  // Takes, splits, merges and grows the region's memory.
  void UseHeap();
  // Two threads miss one page at once, again and again.
  void MissTogether();

  // Looks at every page, heals those that were lost, changes some, makes all
  // durable. Text of what is wrong.
  std::string VerifyAll();
  // Holds as many pages as there are frames of each size.
  std::string HoldEveryFrame();

 private:
  bool Passes(const absl::Status& status, uint32_t file, PageNo page) const;
  void Check(std::span<const std::byte> data, uint32_t file, PageNo page) const;
  void HoldManyAndScan();
  void UpdateAgainstAReader();
  void WorkInThread();
  void OpenNewFile();
  std::string Verify(uint32_t file, PageNo page);
  std::string Heal(uint32_t file, PageNo page, const absl::Status& lost);

  const Scene& scene_;
  std::mt19937_64 random_;
  const size_t held_;
  std::unique_ptr<DbEnv> env_;
  std::unique_ptr<MPoolFile> files_[kFileCount];
};

}  // namespace mpool::pooltest

#endif  // MPOOL_TESTS_POOL_CREW_H_
