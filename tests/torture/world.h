// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// world.h - one environment under torture: the three files of a Scene, and a
// fourth file. The pages of the fourth file change in groups of three with one
// version.

#ifndef MPOOL_TESTS_TORTURE_WORLD_H_
#define MPOOL_TESTS_TORTURE_WORLD_H_

#include <memory>
#include <string>

#include "tests/pool/crew.h"
#include "tests/torture/board.h"
#include "tests/torture/plan.h"

namespace mpool::torture {

using pooltest::kA;
using pooltest::kB;
using pooltest::kC;
using pooltest::Scene;
using pooltest::Table;

inline constexpr uint32_t kGrouped = pooltest::kFileCount;
inline constexpr uint32_t kFiles = kGrouped + 1;
inline constexpr uint32_t kGroupedBytes = 512;
inline constexpr PageNo kGroupPages = 3;
inline constexpr PageNo kGroups = 8;
inline constexpr PageNo kMostPages = 200;

inline uint32_t PageBytes(uint32_t file) {
  return file == kGrouped ? kGroupedBytes : pooltest::kPageBytes[file];
}
inline PageNo PageCount(uint32_t file) {
  return file == kGrouped ? kGroups * kGroupPages : pooltest::kPageCount[file];
}

class World {
 public:
  World(const Plan& plan, Board& board)
      : scene_(plan.policy(), plan.backing()), board_(board) {
    pooltest::MakeFile(Path(kGrouped), kGrouped, kGroupedBytes,
                       kGroups * kGroupPages, scene_.table());
  }

  const Scene& scene() const { return scene_; }
  const Table& table() const { return scene_.table(); }
  Board& board() const { return board_; }
  std::string Path(uint32_t file) const { return scene_.Path(file); }

 private:
  Scene scene_;
  Board& board_;
};

// The handles of one process on all files. Ends the process if it cannot open
// or close them.
struct Handles {
  std::unique_ptr<DbEnv> env;
  std::unique_ptr<MPoolFile> files[kFiles];

  explicit Handles(const World& world) { OpenAll(world); }
  void OpenAll(const World& world);
  void CloseAll(const World& world);
  Handles(const Handles&) = delete;
  Handles& operator=(const Handles&) = delete;
};

// Compares the page's contents with the expected version, and reports findings.
// Returns false if the page is wrong.
bool CheckPage(const World& world, std::span<const std::byte> data,
               uint32_t file, PageNo page, uint64_t* version);

// Checks the region while no process works, but `live` processes are attached.
// Opens the environment, and recreates each page that may be lost.
void LookAtRest(const World& world, uint64_t seed, uint32_t live);
// Removes the environment after the last close, and checks the remains.
void LookAtTheEnd(const World& world);

}  // namespace mpool::torture

#endif  // MPOOL_TESTS_TORTURE_WORLD_H_
