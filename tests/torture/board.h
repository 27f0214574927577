// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// board.h - the reports of the workers of a torture to the driver, in memory
// that outlives the workers: the last step and the progress of each thread.

#ifndef MPOOL_TESTS_TORTURE_BOARD_H_
#define MPOOL_TESTS_TORTURE_BOARD_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "tests/pool/support.h"

namespace mpool::torture {

// The seats: one that is killed only together with all others, one for each
// worker, one for the repairer of each worker, and one for the process that
// checks everything.
inline constexpr size_t kElderSeat = 0;
inline constexpr size_t kWorkers = 7;
inline constexpr size_t kFirstRepairer = 1 + kWorkers;
inline constexpr size_t kLookerSeat = kFirstRepairer + kWorkers;
inline constexpr size_t kSeats = kLookerSeat + 1;
inline constexpr size_t kSeatThreads = 3;  // of one worker, at most

// The report of one thread. Only this thread stores to it while it lives.
struct Note {
  std::atomic<uint64_t> progress;    // calls that have returned
  std::atomic<const char*> step;     // the last step; the address is valid in
                                     // all because all are forked
  std::atomic<uint32_t> ranks;       // latches of the region that it held there
  std::atomic<uint32_t> is_inside;   // in a call of the library
  std::atomic<uint32_t> is_working;  // at work, not resting
};

struct Seat {
  Note notes[kSeatThreads];
  std::atomic<uint32_t> is_ready;     // has opened everything
  std::atomic<uint32_t> is_standing;  // waits at the step for its kill
};

// The errors that were found.
struct Findings {
  std::atomic<uint64_t> wrong_pages;
  std::atomic<uint64_t> lost_puts;
  std::atomic<uint64_t> frames;
  std::atomic<uint64_t> slots;
  std::atomic<uint64_t> bytes;
  std::atomic<uint64_t> fds;
  std::atomic<uint32_t> has_text;
  char text[4096];  // of the first finding

  void Report(std::string_view what);
};

struct BoardMemory {
  Seat seats[kSeats];
  std::atomic<uint32_t> pause;  // rest at the end of the call
  std::atomic<uint32_t> leave;  // close all and end
  Findings findings;
};
using Board = os::SharedMemory<BoardMemory>;

// The exit code of a process that found an error and reported it.
inline constexpr int kFoundWrong = 9;
[[noreturn]] void ReportAndEnd(Board& board, const absl::Status& status,
                             std::string_view doing);
inline void MustTell(Board& board, const absl::Status& status,
                     std::string_view doing) {
  if (!status.ok()) ReportAndEnd(board, status, doing);
}

// Makes `note` the report of the calling thread.
void TakeNote(Note& note);
Note& OwnNote();
// Notes each step that any thread passes. Children inherit this.
void NoteSteps();
void Clear(Seat& seat);

// Marks the calling thread as inside the library.
class Inside {
 public:
  Inside() : note_(OwnNote()) { note_.is_inside.store(1); }
  ~Inside() {
    note_.is_inside.store(0);
    note_.progress.fetch_add(1);
  }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

 private:
  Note& note_;
};
template <class Body>
auto Call(Body body) {
  const Inside inside;
  return body();
}

}  // namespace mpool::torture

#endif  // MPOOL_TESTS_TORTURE_BOARD_H_
