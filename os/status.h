// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// status.h - the only place where an errno becomes a Status, and two macros
// that return an error to the caller.

#ifndef MPOOL_OS_STATUS_H_
#define MPOOL_OS_STATUS_H_

#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace mpool::os {

// Debian's Abseil has its own string_view.
inline absl::string_view Abs(std::string_view text) {
  return absl::string_view(text.data(), text.size());
}

// The advice for ENOMEM of a call that maps memory.
inline constexpr std::string_view kRaiseAddressSpace =
    "raise the limit of address space (ulimit -v), or of mappings "
    "(vm.max_map_count)";

// The advice for a system call that the process may not make.
inline constexpr std::string_view kAllowCall =
    "a sandbox (seccomp) or an old kernel refuses this system call; allow it";
// True if a sandbox refuses a call with this error. EPERM may also be the
// answer of the call itself.
bool IsRefusal(int error);

// Returns the error "what: path: <strerror> (errno NAME)". The errno is kept as
// a payload.
// ENOENT: NotFound. EEXIST: AlreadyExists.
// EACCES, EPERM, EROFS: PermissionDenied.
// ENOSPC, EDQUOT, EMFILE, ENFILE, ENOMEM, EFBIG: ResourceExhausted.
// EINVAL, ENAMETOOLONG, ENOTDIR, EISDIR, ELOOP, ENXIO: InvalidArgument.
// EIO: DataLoss. EINTR, EAGAIN: Unavailable.
// ENOSYS: FailedPrecondition. Others: Unknown.
// `path` is quoted (quote.h) and left out if it is empty. A non-empty `advice`
// (the remedy) is appended after "; ". Without it ENOSYS has kAllowCall.
absl::Status ErrnoToStatus(int error, std::string_view what,
                           std::string_view path, std::string_view advice = "");

// Returns `status` with its message quoted (quote.h). Keeps the payloads.
absl::Status QuotedStatus(const absl::Status& status);
// Returns `status`, an error, with `prefix` before its message.
absl::Status WithPrefix(std::string_view prefix, const absl::Status& status);

// Returns the errno that ErrnoToStatus stored in `status`; 0 if there is none.
int StatusErrno(const absl::Status& status);
// True if the process or the system has no file descriptor left.
bool IsOutOfDescriptors(const absl::Status& status);

}  // namespace mpool::os

#define MPOOL_RETURN_IF_ERROR(expression)                     \
  do {                                                        \
    if (absl::Status status_ = (expression); !status_.ok()) { \
      return status_;                                         \
    }                                                         \
  } while (false)

#define MPOOL_CONCAT_INNER(a, b) a##b
#define MPOOL_CONCAT(a, b) MPOOL_CONCAT_INNER(a, b)
#define MPOOL_ASSIGN_OR_RETURN_IMPL(temp, lhs, expression) \
  auto temp = (expression);                                \
  if (!temp.ok()) return temp.status();                    \
  lhs = *std::move(temp)
#define MPOOL_ASSIGN_OR_RETURN(lhs, expression)                        \
  MPOOL_ASSIGN_OR_RETURN_IMPL(MPOOL_CONCAT(status_or_, __LINE__), lhs, \
                              expression)

#endif  // MPOOL_OS_STATUS_H_
