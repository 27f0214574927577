// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// cancel.h - threads that are cancelled, and stacks that are unwound.

#ifndef MPOOL_OS_CANCEL_H_
#define MPOOL_OS_CANCEL_H_

namespace mpool::os {

// Holds cancellation of the calling thread (pthread_cancel) off. A thread that
// was cancelled in the scope ends at its first cancellation point after it.
class CancelOff {
 public:
  CancelOff();
  ~CancelOff();
  CancelOff(const CancelOff&) = delete;
  CancelOff& operator=(const CancelOff&) = delete;

 private:
  int before_ = 0;
};

// Number of unwindings of the calling thread's stack that are under way: one
// for each exception, and one for the end of the thread by pthread_cancel or
// pthread_exit, which lasts until its thread-local objects are destroyed.
// Where the C library is not glibc, the end of a thread is not counted.
int Unwindings() noexcept;

}  // namespace mpool::os

#endif  // MPOOL_OS_CANCEL_H_
