// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// backing_suite.h - an environment on some backing, and a separate program that
// opens it.

#ifndef MPOOL_TESTS_SUPPORT_BACKING_SUITE_H_
#define MPOOL_TESTS_SUPPORT_BACKING_SUITE_H_

#include <unistd.h>

#include <functional>
#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "region/region.h"
#include "tests/support/all_backings.h"
#include "tests/support/child.h"
#include "tests/support/pages.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_home.h"

namespace mpool {

// A program that was executed, with its output.
class Stranger {
 public:
  Stranger(const std::string& home, const char* verb)
      : child_([&](test::Channel&) -> std::string {
          ::dup2(ends_.fds[1], STDOUT_FILENO);
          ::execl(MPOOL_STRANGER, "stranger", home.c_str(), verb,
                  static_cast<char*>(nullptr));
          return "not executed";
        }) {
    ::close(ends_.fds[1]);
  }
  ~Stranger() { ::close(ends_.fds[0]); }
  // Returns the output without the end of the line.
  std::string Output() {
    char text[1024];
    const ssize_t got = ::read(ends_.fds[0], text, sizeof(text));
    return got <= 0 ? "" : std::string(text, static_cast<size_t>(got) - 1);
  }
  test::Child& child() { return child_; }

 private:
  struct Ends {
    Ends() { EXPECT_EQ(::pipe(fds), 0); }
    int fds[2] = {-1, -1};
  };
  Ends ends_;
  test::Child child_;
};

class BackingTest : public ::testing::TestWithParam<Backing> {
 protected:
  // Checks that no memory is left, whatever the test did.
  ~BackingTest() override {
    const std::string segment = Segment();
    EXPECT_THAT(DbEnv::Remove(home_.path()), test::IsOk());
    if (GetParam() == Backing::kSysV && !segment.empty()) {
      EXPECT_EQ(os::IpcsOf(segment).key, 0u);
    }
    EXPECT_FALSE(os::HasStrayMappings(*os::File::OpenDirectory(home_.path())));
    EXPECT_THAT(test::AllOf(home_.path()), ::testing::Each("pages.db"));
  }
  // Returns the memory's name in the descriptor; empty if there is none.
  std::string Segment() const {
    const auto descriptor =
        region::ReadDescriptor(*os::File::OpenDirectory(home_.path()));
    return descriptor->has_value() ? (*descriptor)->segment : "";
  }
  absl::StatusOr<test::Opened> Open() const {
    return test::OpenBoth(home_.path(), test::SmallEnv(GetParam()));
  }
  absl::StatusOr<std::unique_ptr<DbEnv>> OpenWith(
      const std::function<void(EnvOptions&)>& change) const {
    EnvOptions options = test::SmallEnv(GetParam());
    change(options);
    return DbEnv::Open(home_.path(), options);
  }

  test::TempHome home_;
};

}  // namespace mpool

#endif  // MPOOL_TESTS_SUPPORT_BACKING_SUITE_H_
