// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// events.h - the events of one attachment, kept until on_event may run.
//
// Role:        any thread reports an event at the place where it happens, also
//              under a latch. A call of the API delivers the events at its end.
// Concurrency: thread-safe. on_event runs without a mutex or latch.
// Invariants:  at most kMostEvents events are kept; later ones are dropped.

#ifndef MPOOL_DB_EVENTS_H_
#define MPOOL_DB_EVENTS_H_

#include <functional>
#include <string>
#include <vector>

#include "mpool/options.h"
#include "mpool/stats.h"
#include "mpool/types.h"
#include "mpool/evict/forgetter.h"
#include "os/mutex.h"

namespace mpool::internal {

class Events {
 public:
  using Callback = std::function<void(const Event&)>;
  // Number of events that are kept until a call delivers them.
  static constexpr size_t kMostEvents = 1000;

  // `home` names the environment in messages. Without a callback no event is
  // kept.
  Events(std::string home, Callback on_event);

  void Report(Event::Kind kind, std::string message) MPOOL_EXCLUDES(mutex_);
  // Reports a repair: each dead process, the damage, the panic and the lost
  // pages. `panic` is the reason of the panic, if the repair set one.
  void ReportRepair(const RepairReport& report, const std::string& panic);
  // Reports that the region is not the one that the home had before. Reports
  // nothing for the first region of a home.
  void ReportOrigin(Origin origin);
  // Reports an opened file with a last page that is cut short.
  // REQUIRES: 0 < partial_bytes < page_bytes.
  void ReportPartialPage(const std::string& path, uint64_t partial_bytes,
                         uint32_t page_bytes);

  // Reports the pages of a file that were given up.
  void ReportForgotten(const Forgotten& file);

  // Passes the kept events to on_event, oldest first.
  // REQUIRES: no latch is held (not checkable: latches do not know their
  // thread).
  void Deliver() MPOOL_EXCLUDES(mutex_);

  // Hold the events still around a fork, so that the child's copy is whole.
  void LockForFork() MPOOL_ACQUIRE(mutex_) { mutex_.lock(); }
  void UnlockAfterFork() MPOOL_RELEASE(mutex_) { mutex_.unlock(); }

 private:
  const std::string home_;
  const Callback on_event_;
  os::Mutex mutex_;
  std::vector<Event> kept_ MPOOL_GUARDED_BY(mutex_);
};

}  // namespace mpool::internal

#endif  // MPOOL_DB_EVENTS_H_
