// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "db/events.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "os/assert.h"
#include "os/quote.h"
#include "os/step.h"

namespace mpool::internal {

Events::Events(std::string home, Callback on_event)
    : home_(std::move(home)), on_event_(std::move(on_event)) {
  MPOOL_ASSERT(home_.starts_with('/'));
}

void Events::Report(Event::Kind kind, std::string message) {
  MPOOL_ASSERT(!message.empty());
  if (on_event_ == nullptr) return;
  const os::MutexLock lock(mutex_);
  MPOOL_ASSERT(kept_.size() <= kMostEvents);
  if (kept_.size() == kMostEvents) return;
  kept_.push_back({kind, os::Quoted(message)});
  MPOOL_STEP("db.event.kept");
}

void Events::ReportRepair(const RepairReport& report,
                          const std::string& panic) {
  MPOOL_ASSERT(report.panicked || panic.empty());
  for (const RepairReport::Process& process : report.processes) {
    Report(Event::Kind::kRepair,
           absl::StrCat("process ", process.pid, " died inside ", home_,
                        " and was repaired: ", report.pins, " pins, ",
                        report.frames, " frames, ", report.latches,
                        " latches, ", report.restored, " pages set back, ",
                        report.poisoned, " pages lost"));
  }
  if (report.damaged != 0) {
    Report(Event::Kind::kRepair,
           absl::StrCat(report.damaged, " words of the tables of ", home_,
                        " were damaged, and were mended"));
  }
  // Another process may have cleared the panic before its reason was read.
  if (report.panicked) {
    Report(Event::Kind::kPanic,
           panic.empty() ? absl::StrCat(home_, " panicked") : panic);
  }
  if (report.poisoned != 0) {
    Report(Event::Kind::kPoisoned,
           absl::StrCat(report.poisoned, " pages of ", home_,
                        " died with their writer; reads answer DataLoss"));
  }
}

void Events::ReportOrigin(Origin origin) {
  if (origin == Origin::kNew) return;
  Report(Event::Kind::kMadeAnew,
         absl::StrCat("the region of ", home_, " was created again: ",
                      origin == Origin::kReboot
                          ? "the one before was of another boot"
                          : "its memory was gone, cut short or never finished",
                      "; changes that no Sync had made durable are lost"));
}

void Events::ReportPartialPage(const std::string& path, uint64_t partial_bytes,
                               uint32_t page_bytes) {
  MPOOL_ASSERT(partial_bytes > 0 && partial_bytes < page_bytes);
  Report(Event::Kind::kPartialPage,
         absl::StrCat(path, " ends with ", partial_bytes,
                      " bytes of a page of ", page_bytes,
                      ": a write of it was cut short; the pages before it "
                      "are whole"));
}

void Events::ReportForgotten(const Forgotten& file) {
  Report(Event::Kind::kForgotten,
         absl::StrCat("gave up ", file.pages.pages, " pages of ", file.path,
                      ", ", file.pages.unwritten,
                      " of them with changes that were not written"));
}

void Events::Deliver() {
  if (on_event_ == nullptr) return;
  std::vector<Event> events;
  {
    const os::MutexLock lock(mutex_);
    events.swap(kept_);
  }
  MPOOL_ASSERT(events.size() <= kMostEvents);
  for (const Event& event : events) on_event_(event);
}

}  // namespace mpool::internal
