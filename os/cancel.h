// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// cancel.h - thread cancellation and stack unwinding.

#ifndef MPOOL_OS_CANCEL_H_
#define MPOOL_OS_CANCEL_H_

namespace mpool::os {

// Defers cancellation (pthread_cancel) of the calling thread. A thread that is
// cancelled in the scope ends at its first cancellation point after the scope.
class CancelOff {
 public:
  CancelOff();
  ~CancelOff();
  CancelOff(const CancelOff&) = delete;
  CancelOff& operator=(const CancelOff&) = delete;

 private:
  int before_ = 0;
};

// Returns the number of unwindings of the calling thread's stack: one for each
// exception, and one for the end of the thread by pthread_cancel or
// pthread_exit. The latter lasts until the thread-local objects are destroyed.
// Without glibc the end of a thread is not counted.
int Unwindings() noexcept;

}  // namespace mpool::os

#endif  // MPOOL_OS_CANCEL_H_
