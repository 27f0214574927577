// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tests/torture/board.h"

#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "os/step.h"
#include "region/lock_rank.h"

namespace mpool::torture {
namespace {

thread_local Note* own_note = nullptr;

// HeldRanks drops a rank before the step at which its latch is still held. If
// the number of ranks fell, the ranks at the step before count.
void NoteStep(const char* name) {
  if (own_note == nullptr) return;
  static thread_local unsigned before = 0;
  const unsigned now = region::HeldRanks();
  own_note->ranks.store(now < before ? before : now, std::memory_order_relaxed);
  before = now;
  own_note->step.store(name, std::memory_order_relaxed);
}

}  // namespace

void Findings::Report(std::string_view what) {
  if (has_text.exchange(1) != 0) return;
  text[what.copy(text, sizeof(text) - 1)] = '\0';
}

void ReportAndEnd(Board& board, const absl::Status& status,
                std::string_view doing) {
  board->findings.Report(absl::StrCat("process ", ::getpid(), ", ",
                                    std::string(doing), ": ", status.ToString(),
                                    "\n"));
  ::_exit(kFoundWrong);
}

void TakeNote(Note& note) {
  own_note = &note;
  note.is_working.store(1);
}

Note& OwnNote() { return *own_note; }

void NoteSteps() { os::ObserveSteps(NoteStep); }

void Clear(Seat& seat) {
  for (Note& note : seat.notes) {
    note.is_working.store(0);
    note.is_inside.store(0);
    note.ranks.store(0);
    note.step.store(nullptr);
  }
  seat.is_ready.store(0);
  seat.is_standing.store(0);
}

}  // namespace mpool::torture
