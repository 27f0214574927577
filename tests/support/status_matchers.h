// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// status_matchers.h - expectations about a Status or a StatusOr.

#ifndef MPOOL_TESTS_SUPPORT_STATUS_MATCHERS_H_
#define MPOOL_TESTS_SUPPORT_STATUS_MATCHERS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mpool::test {

inline absl::Status StatusOf(const absl::Status& status) { return status; }
template <class T>
absl::Status StatusOf(const absl::StatusOr<T>& result) {
  return result.status();
}

MATCHER(IsOk, negation ? "is an error" : "is OK") {
  const absl::Status status = StatusOf(arg);
  *result_listener << status.ToString();
  return status.ok();
}

MATCHER_P2(FailsImpl, code, words,
           "is " + absl::StatusCodeToString(code) + " with the words " +
               ::testing::PrintToString(words)) {
  const absl::Status status = StatusOf(arg);
  *result_listener << status.ToString();
  if (status.code() != code) return false;
  const std::string message(status.message());
  for (const std::string& word : words) {
    if (message.find(word) == std::string::npos) {
      *result_listener << "; it lacks '" << word << "'";
      return false;
    }
  }
  return true;
}

// Matches the code, and each of the words in the message.
template <class... Words>
auto Fails(absl::StatusCode code, const Words&... words) {
  return FailsImpl(code, std::vector<std::string>{std::string(words)...});
}

}  // namespace mpool::test

#endif  // MPOOL_TESTS_SUPPORT_STATUS_MATCHERS_H_
