// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "os/status.h"

#include <errno.h>
#include <string.h>

#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "os/quote.h"

namespace mpool::os {
namespace {

constexpr char kPayloadType[] = "mpool/errno";

absl::StatusCode CodeOf(int error) {
  switch (error) {
    case ENOENT:
      return absl::StatusCode::kNotFound;
    case EEXIST:
      return absl::StatusCode::kAlreadyExists;
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::StatusCode::kPermissionDenied;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EFBIG:
      return absl::StatusCode::kResourceExhausted;
    case ENOSYS:
      return absl::StatusCode::kFailedPrecondition;
    case EINVAL:
    case ENAMETOOLONG:
    case ENOTDIR:
    case EISDIR:
    case ELOOP:
    case ENXIO:
      return absl::StatusCode::kInvalidArgument;
    case EIO:
      return absl::StatusCode::kDataLoss;
    case EINTR:
    case EAGAIN:
      return absl::StatusCode::kUnavailable;
    default:
      return absl::StatusCode::kUnknown;
  }
}

}  // namespace

bool IsRefusal(int error) { return error == ENOSYS || error == EPERM; }

absl::Status ErrnoToStatus(int error, std::string_view what,
                           std::string_view path, std::string_view advice) {
  const char* name = strerrorname_np(error);
  const char* description = strerrordesc_np(error);
  std::string message(what);
  if (!path.empty()) absl::StrAppend(&message, ": ", Quoted(path));
  absl::StrAppend(&message, ": ",
                  description != nullptr ? description : "unknown error",
                  " (errno ");
  if (name != nullptr) {
    absl::StrAppend(&message, name, ")");
  } else {
    absl::StrAppend(&message, error, ")");
  }
  if (advice.empty() && error == ENOSYS) advice = kAllowCall;
  if (!advice.empty()) absl::StrAppend(&message, "; ", Abs(advice));
  absl::Status status(CodeOf(error), message);
  status.SetPayload(kPayloadType, absl::Cord(absl::StrCat(error)));
  return status;
}

absl::Status QuotedStatus(const absl::Status& status) {
  const std::string_view message(status.message().data(),
                                 status.message().size());
  std::string quoted = Quoted(message);
  if (quoted == message) return status;
  absl::Status result(status.code(), quoted);
  status.ForEachPayload([&](absl::string_view type, const absl::Cord& value) {
    result.SetPayload(type, value);
  });
  return result;
}

bool IsOutOfDescriptors(const absl::Status& status) {
  const int error = StatusErrno(status);
  return error == EMFILE || error == ENFILE;
}

absl::Status WithPrefix(std::string_view prefix, const absl::Status& status) {
  absl::Status out(status.code(), absl::StrCat(Abs(prefix), status.message()));
  status.ForEachPayload([&](absl::string_view type, const absl::Cord& payload) {
    out.SetPayload(type, payload);
  });
  return out;
}

int StatusErrno(const absl::Status& status) {
  const auto payload = status.GetPayload(kPayloadType);
  int error = 0;
  if (!payload.has_value() ||
      !absl::SimpleAtoi(std::string(*payload), &error)) {
    return 0;
  }
  return error;
}

}  // namespace mpool::os
