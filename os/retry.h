// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// retry.h - repeats a system call that a signal interrupted.

#ifndef MPOOL_OS_RETRY_H_
#define MPOOL_OS_RETRY_H_

#include <cerrno>

namespace mpool::os {

// Repeats `call` until it ends with anything except EINTR. `call` returns -1
// and sets errno on an error, like a system call.
template <typename Call>
auto RetryEintr(Call call) {
  auto result = call();
  while (result == -1 && errno == EINTR) result = call();
  return result;
}

}  // namespace mpool::os

#endif  // MPOOL_OS_RETRY_H_
