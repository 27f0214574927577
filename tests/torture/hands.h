// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// hands.h - the operations of one thread of a worker on the pages. A holder of
// a page gets another only in the file order D, A, B, C, and in page order in
// each file. So no deadlock is possible.

#ifndef MPOOL_TESTS_TORTURE_HANDS_H_
#define MPOOL_TESTS_TORTURE_HANDS_H_

#include <map>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/torture/plan.h"
#include "tests/torture/world.h"

namespace mpool::torture {

class Hands {
 public:
  // The calling thread becomes thread `index` of the seat.
  Hands(const World& world, const Handles& handles, uint64_t seed, size_t seat,
        size_t index);
  Hands(const Hands&) = delete;
  Hands& operator=(const Hands&) = delete;

  // Does one piece of work of a role that needs only one thread and open files.
  void Do(Role role);

  // Rests while the board says so. Returns false if the workers must leave.
  bool GoesOn();
  uint64_t Any(uint64_t below) { return random_() % below; }
  void Must(const absl::Status& status, std::string_view doing) {
    MustTell(world_.board(), status, doing);
  }

  void Read(uint32_t file, PageNo page);

 private:
  MPoolFile& file(uint32_t index) { return *handles_.files[index]; }
  PageNo AnyPage(uint32_t file);
  bool Passes(const absl::Status& status, uint32_t file, PageNo page);
  void Check(std::span<const std::byte> data, uint32_t file, PageNo page);
  using Held = std::map<PageNo, ReadPage>;
  void GiveBack(Held& pages, uint32_t file);
  uint64_t NextVersion(uint32_t file, PageNo page) const;
  void Change(WritePage& page, uint32_t file, PageNo number, uint64_t version);
  void Put(WritePage& page, uint32_t file);

  void Update(uint32_t file, PageNo page);
  void WriteSome();
  void ReadSome();
  void ReadGroup();
  void UpdateGroupOfPages();
  WritePage& Add(UpdateGroup& group, uint32_t index, PageNo page);
  uint64_t UpdateOtherIn(UpdateGroup& group, PageNo page);
  void HoldAndScan();
  void PinSome();
  void SyncSome();
  void AddPage();
  void LookForDead();
  void ResizeAndScan();

  const World& world_;
  const Handles& handles_;
  std::mt19937_64 random_;
  std::atomic<uint64_t>& held_;
};

}  // namespace mpool::torture

#endif  // MPOOL_TESTS_TORTURE_HANDS_H_
