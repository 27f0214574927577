// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// board.h - what the workers of a torture tell the driver, in memory that
// outlives them: where each of their threads is, and that it goes on.

#ifndef MPOOL_TESTS_TORTURE_BOARD_H_
#define MPOOL_TESTS_TORTURE_BOARD_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "tests/pool/support.h"

namespace mpool::torture {

// One seat that nobody is killed on, those of the workers, one beside each for
// who repairs its dead, and one for who looks at everything.
inline constexpr size_t kElderSeat = 0;
inline constexpr size_t kWorkers = 7;
inline constexpr size_t kFirstRepairer = 1 + kWorkers;
inline constexpr size_t kLookerSeat = kFirstRepairer + kWorkers;
inline constexpr size_t kSeats = kLookerSeat + 1;
inline constexpr size_t kSeatThreads = 3;  // of one worker, at most

// Of one thread; only it stores to it while it lives.
struct Note {
  std::atomic<uint64_t> progress;    // calls that have returned
  std::atomic<const char*> step;     // passed last; the same text in all, who
                                     // were forked and run no other program
  std::atomic<uint32_t> ranks;       // latches of the region that it held there
  std::atomic<uint32_t> is_inside;   // of a call of the library
  std::atomic<uint32_t> is_working;  // and does not rest
};

struct Seat {
  Note notes[kSeatThreads];
  std::atomic<uint32_t> is_ready;     // has opened all
  std::atomic<uint32_t> is_standing;  // at the step at which it is to be killed
};

// What must not be.
struct Findings {
  std::atomic<uint64_t> wrong_pages;
  std::atomic<uint64_t> lost_puts;
  std::atomic<uint64_t> frames;
  std::atomic<uint64_t> slots;
  std::atomic<uint64_t> bytes;
  std::atomic<uint64_t> fds;
  std::atomic<uint32_t> has_text;
  char text[4096];  // of the first finding

  void Tell(std::string_view what);
};

struct BoardMemory {
  Seat seats[kSeats];
  std::atomic<uint32_t> pause;  // rest at the end of the call
  std::atomic<uint32_t> leave;  // close all and end
  Findings findings;
};
using Board = os::SharedMemory<BoardMemory>;

// The exit code of who found something that must not be, and has told it.
inline constexpr int kFoundWrong = 9;
[[noreturn]] void TellAndEnd(Board& board, const absl::Status& status,
                             std::string_view doing);
inline void MustTell(Board& board, const absl::Status& status,
                     std::string_view doing) {
  if (!status.ok()) TellAndEnd(board, status, doing);
}

// From here on the calling thread is the one of `note`.
void TakeNote(Note& note);
Note& OwnNote();
// Notes each step that any thread passes; children inherit it.
void NoteSteps();
void Clear(Seat& seat);

// Calls into the library, and tells so.
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
