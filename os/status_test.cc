// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "os/status.h"

#include <errno.h>

#include "gtest/gtest.h"

namespace mpool::os {
namespace {

struct Row {
  int error;
  absl::StatusCode code;
};

class ErrnoTableTest : public ::testing::TestWithParam<Row> {};

TEST_P(ErrnoTableTest, EveryErrnoHasCodeAndIsRecovered) {
  const absl::Status status = ErrnoToStatus(GetParam().error, "do", "/x");
  EXPECT_EQ(status.code(), GetParam().code) << status;
  EXPECT_EQ(StatusErrno(status), GetParam().error);
}

using Code = absl::StatusCode;
INSTANTIATE_TEST_SUITE_P(
    All, ErrnoTableTest,
    ::testing::Values(Row{ENOENT, Code::kNotFound},
                      Row{EEXIST, Code::kAlreadyExists},
                      Row{EACCES, Code::kPermissionDenied},
                      Row{EPERM, Code::kPermissionDenied},
                      Row{EROFS, Code::kPermissionDenied},
                      Row{ENOSPC, Code::kResourceExhausted},
                      Row{EDQUOT, Code::kResourceExhausted},
                      Row{EMFILE, Code::kResourceExhausted},
                      Row{ENFILE, Code::kResourceExhausted},
                      Row{ENOMEM, Code::kResourceExhausted},
                      Row{EFBIG, Code::kResourceExhausted},
                      Row{EINVAL, Code::kInvalidArgument},
                      Row{ENAMETOOLONG, Code::kInvalidArgument},
                      Row{ENOTDIR, Code::kInvalidArgument},
                      Row{EISDIR, Code::kInvalidArgument},
                      Row{ELOOP, Code::kInvalidArgument},
                      Row{ENXIO, Code::kInvalidArgument},
                      Row{EIO, Code::kDataLoss}, Row{EINTR, Code::kUnavailable},
                      Row{EAGAIN, Code::kUnavailable},
                      Row{ENOSYS, Code::kFailedPrecondition},
                      Row{EBUSY, Code::kUnknown}, Row{9999, Code::kUnknown}));

TEST(ErrnoToStatusTest, MessageHasObjectReasonAndRemedy) {
  EXPECT_EQ(
      ErrnoToStatus(ENOSPC, "write", "/a/b", "free space there").message(),
      "write: /a/b: No space left on device (errno ENOSPC); free space "
      "there");
  EXPECT_EQ(ErrnoToStatus(EIO, "fsync", "/a").message(),
            "fsync: /a: Input/output error (errno EIO)");
  EXPECT_EQ(ErrnoToStatus(9999, "ask", "").message(),
            "ask: unknown error (errno 9999)");
}

TEST(ErrnoToStatusTest, ControlCharactersOfThePathAreEscaped) {
  EXPECT_EQ(ErrnoToStatus(EIO, "fsync", "/a\x1b[2J\nb").message(),
            "fsync: /a\\x1b[2J\\nb: Input/output error (errno EIO)");
}

TEST(QuotedStatusTest, MessageIsQuotedAndErrnoStays) {
  const absl::Status raw = ErrnoToStatus(EIO, "read\n", "");
  const absl::Status quoted = QuotedStatus(raw);
  EXPECT_EQ(quoted.message(), "read\\n: Input/output error (errno EIO)");
  EXPECT_EQ(quoted.code(), raw.code());
  EXPECT_EQ(StatusErrno(quoted), EIO);
  EXPECT_EQ(QuotedStatus(absl::OkStatus()), absl::OkStatus());
}

TEST(StatusErrnoTest, IsZeroWhereNoErrnoWasPut) {
  EXPECT_EQ(StatusErrno(absl::OkStatus()), 0);
  EXPECT_EQ(StatusErrno(absl::NotFoundError("no such thing")), 0);
}

absl::Status PassOn(const absl::Status& status, bool& went_on) {
  MPOOL_RETURN_IF_ERROR(status);
  went_on = true;
  return absl::OkStatus();
}

absl::StatusOr<int> AddOne(const absl::StatusOr<int>& number) {
  MPOOL_ASSIGN_OR_RETURN(const int value, number);
  return value + 1;
}

TEST(StatusMacrosTest, OnlyErrorsReturnEarly) {
  bool went_on = false;
  EXPECT_TRUE(absl::IsAborted(PassOn(absl::AbortedError(""), went_on)));
  EXPECT_FALSE(went_on);
  EXPECT_TRUE(PassOn(absl::OkStatus(), went_on).ok());
  EXPECT_TRUE(went_on);
  EXPECT_EQ(AddOne(1).value(), 2);
  EXPECT_TRUE(absl::IsAborted(AddOne(absl::AbortedError("")).status()));
}

}  // namespace
}  // namespace mpool::os
