// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// panic_test.cc - files of an owner with a log. The log is written first. A
// page that only the log can repair stops every process until it is recovered.

#include <signal.h>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "tests/support/child.h"
#include "tests/support/logged.h"
#include "tests/support/pages.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_home.h"

namespace mpool {
namespace {

using absl::StatusCode;
using test::Channel;
using test::Child;
using test::Fails;
using test::GetLetter;
using test::IsOk;
using test::kCreate;
using test::kLetterAt;
using test::kLsnAt;
using test::Log;
using test::Opened;
using test::OpenLogged;
using test::PutLetter;
using test::TempHome;
using test::WithLog;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A home in which a process died while it changed page 1, which was dirty.
class PanicTest : public ::testing::Test {
 protected:
  void Die(bool atomic_update = false, bool dirty = true) {
    pid_ = test::DieChanging(home_.path(), atomic_update, dirty);
  }
  auto IsPanic() {
    return Fails(StatusCode::kDataLoss, "panic", absl::StrCat("process ", pid_),
                 "page 1 of " + home_.Below("logged.db"), "ClearPanic");
  }
  EnvOptions Options(bool recover = false) {
    EnvOptions options = WithLog(log_);
    options.recover = recover;
    options.on_event = [this](const Event& event) {
      if (event.kind == Event::Kind::kPanic) panics_.push_back(event.message);
    };
    return options;
  }
  // Recovers as the owner of the log does.
  void Recover() {
    Opened owner = OpenLogged(home_.path(), Options(/*recover=*/true));
    EXPECT_THAT(owner.file->Get(1), Fails(StatusCode::kDataLoss, "page 1"));
    PutLetter(*owner.file, 1, 'b', {1, 20});
    EXPECT_EQ(GetLetter(*owner.file, 0), 'a');
    EXPECT_THAT(owner.env->ClearPanic(), IsOk());
  }

  TempHome home_;
  Log log_;
  int pid_ = 0;
  std::vector<std::string> panics_;
};

TEST_F(PanicTest, GetsAreRefusedUntilRecovery) {
  Opened both = OpenLogged(home_.path(), Options());
  const auto other = *both.env->OpenFile("other.db", {.create = true});
  PutLetter(*other, 5, 'o', {});
  ReadPage held = *other->Get(5);
  Die();
  ASSERT_THAT(both.env->FailCheck(), IsOk());
  EXPECT_THAT(panics_, ElementsAre(::testing::HasSubstr("page 1 of")));
  EXPECT_THAT(other->Get(5), IsPanic());
  EXPECT_THAT(other->GetForUpdate(6, kCreate), IsPanic());
  EXPECT_THAT(other->New(), IsPanic());
  EXPECT_THAT(both.env->OpenFile("third.db", {.create = true}), IsPanic());
  EXPECT_THAT(both.file->Get(1), IsPanic());
  EXPECT_EQ(static_cast<char>(held.data()[kLetterAt]), 'o');
  held.Put();
  EXPECT_TRUE(other->Get(5).status().GetPayload(kPanicPayload).has_value());
  EXPECT_EQ(both.env->Stats().panicked, 1u);
  EXPECT_THAT(DbEnv::Open(home_.path(), Options()), IsPanic());
  Child joiner([this](Channel&) -> std::string {
    EXPECT_THAT(DbEnv::Open(home_.path(), Options()), IsPanic());
    return "refused";
  });
  EXPECT_EQ(joiner.End(), "refused");

  Child owner([this](Channel&) -> std::string {
    Recover();
    return "recovered";
  });
  EXPECT_EQ(owner.End(), "recovered");
  EXPECT_EQ(both.env->Stats().panicked, 0u);
  EXPECT_EQ(GetLetter(*both.file, 1), 'b');
  EXPECT_EQ(GetLetter(*other, 5), 'o');
  EXPECT_THAT(both.env->Sync(), IsOk());
}

TEST_F(PanicTest, AdopterFindsUnseenPanic) {
  Die();
  EXPECT_THAT(DbEnv::Open(home_.path(), Options()), IsPanic());
  EXPECT_THAT(DbEnv::Open(home_.path(), Options()), IsPanic());
  EXPECT_THAT(DbEnv::Remove(home_.path()),
              Fails(StatusCode::kFailedPrecondition, "page 1 of"));
  Recover();
  Opened both = OpenLogged(home_.path(), Options());
  EXPECT_EQ(GetLetter(*both.file, 1), 'b');
}

TEST_F(PanicTest, SurvivorRecoversBySecondOpen) {
  Opened both = OpenLogged(home_.path(), Options());
  Die();
  EXPECT_THAT(both.file->Get(1), IsPanic());
  Recover();
  EXPECT_EQ(GetLetter(*both.file, 1), 'b');
}

TEST_F(PanicTest, LostPagePreventsClear) {
  Die();
  Opened both = OpenLogged(home_.path(), Options(/*recover=*/true));
  EXPECT_THAT(both.env->ClearPanic(),
              Fails(StatusCode::kFailedPrecondition, "page 1 of", "lost"));
  EXPECT_EQ(both.env->Stats().panicked, 1u);
  EXPECT_EQ(GetLetter(*both.file, 0), 'a');
  EXPECT_THAT(both.file->Get(1), Fails(StatusCode::kDataLoss, "page 1 of"));
}

TEST_F(PanicTest, NextPanicStopsFormerRecoverer) {
  Opened both = OpenLogged(home_.path(), Options(/*recover=*/true));
  Die();
  ASSERT_THAT(both.env->FailCheck(), IsOk());
  EXPECT_THAT(both.file->Get(0), IsPanic());
  Recover();
  Die();
  ASSERT_THAT(both.env->FailCheck(), IsOk());
  EXPECT_THAT(both.file->Get(0), IsPanic());
}

// Holds a dirty page for update during the test.
class SecondWriter {
 public:
  SecondWriter(const std::string& home, PageNo number)
      : child_([=](Channel& parent) -> std::string {
          Log log;
          Opened both = OpenLogged(home, WithLog(log));
          PutLetter(*both.file, number, 'w', {1, 15});
          const WritePage page = *both.file->GetForUpdate(number);
          test::SetLetter(page, 'x');
          parent.Say("holds");
          return parent.Hear();
        }) {
    EXPECT_EQ(child_.Hear(), "holds");
  }
  void Die() { EXPECT_EQ(child_.Kill(), test::kKilled); }

 private:
  Child child_;
};

TEST_F(PanicTest, TheNextPanicStopsARecovererToo) {
  Die();
  Child recoverer([this](Channel& parent) -> std::string {
    Opened both = OpenLogged(home_.path(), Options(/*recover=*/true));
    EXPECT_EQ(GetLetter(*both.file, 0), 'a');
    parent.Say("came in");
    parent.Hear();
    EXPECT_THAT(both.env->FailCheck(), IsOk());
    const auto is_panic = Fails(StatusCode::kDataLoss, "panic", "page 1");
    EXPECT_THAT(both.file->Get(0), is_panic);
    EXPECT_THAT(both.file->GetForUpdate(0), is_panic);
    EXPECT_THAT(both.file->GetForUpdate(1, kCreate), is_panic);
    EXPECT_THAT(both.file->New(), is_panic);
    EXPECT_THAT(both.env->ClearPanic(), is_panic);
    Recover();
    EXPECT_EQ(GetLetter(*both.file, 1), 'b');
    return "recovered twice";
  });
  ASSERT_EQ(recoverer.Hear(), "came in");
  EXPECT_EQ(test::InChild([this] {
              Recover();
              return "recovered";
            }),
            "recovered");
  Die();
  EXPECT_THAT(DbEnv::Open(home_.path(), Options()), IsPanic());
  recoverer.Say("go on");
  EXPECT_EQ(recoverer.End(), "recovered twice");
}

TEST_F(PanicTest, PageLostDuringPanicPanicsAgain) {
  SecondWriter writer(home_.path(), 2);
  Die();
  Opened both = OpenLogged(home_.path(), Options(/*recover=*/true));
  PutLetter(*both.file, 1, 'b', {1, 20});
  writer.Die();
  ASSERT_THAT(both.env->FailCheck(), IsOk());
  const auto is_panic = Fails(StatusCode::kDataLoss, "panic", "page 2");
  EXPECT_THAT(both.file->Get(0), is_panic);
  EXPECT_THAT(both.env->ClearPanic(), is_panic);
  const auto again = *DbEnv::Open(home_.path(), Options(/*recover=*/true));
  EXPECT_EQ(GetLetter(*both.file, 1), 'b');
  EXPECT_THAT(again->ClearPanic(),
              Fails(StatusCode::kFailedPrecondition, "page 2"));
  PutLetter(*both.file, 2, 'w', {1, 15});
  EXPECT_THAT(again->ClearPanic(), IsOk());
  EXPECT_EQ(both.env->Stats().panicked, 0u);
}

TEST_F(PanicTest, ARecovererClearsNoLaterPanic) {
  Die();
  Opened early = OpenLogged(home_.path(), Options(/*recover=*/true));
  EXPECT_EQ(test::InChild([this] {
              Recover();
              return "recovered";
            }),
            "recovered");
  Die();
  Child late([this](Channel& parent) -> std::string {
    Opened both = OpenLogged(home_.path(), Options(/*recover=*/true));
    PutLetter(*both.file, 1, 'c', {1, 30});
    parent.Say("no page is lost");
    parent.Hear();
    EXPECT_THAT(both.env->ClearPanic(), IsOk());
    return "recovered";
  });
  ASSERT_EQ(late.Hear(), "no page is lost");
  EXPECT_THAT(early.env->ClearPanic(), Fails(StatusCode::kDataLoss, "panic"));
  EXPECT_EQ(early.env->Stats().panicked, 1u);
  late.Say("go on");
  EXPECT_EQ(late.End(), "recovered");
  EXPECT_THAT(early.env->ClearPanic(), IsOk());
  EXPECT_EQ(GetLetter(*early.file, 1), 'c');
}

TEST_F(PanicTest, EitherRecovererClearsPanic) {
  Die();
  Opened first = OpenLogged(home_.path(), Options(/*recover=*/true));
  EXPECT_EQ(test::InChild([this] {
              Recover();
              return "recovered";
            }),
            "recovered");
  EXPECT_EQ(GetLetter(*first.file, 1), 'b');
  EXPECT_THAT(first.env->ClearPanic(), IsOk());
  EXPECT_EQ(first.env->Stats().panicked, 0u);
}

TEST_F(PanicTest, RecovererRepairsDeathsAtOpen) {
  Opened both = OpenLogged(home_.path(), Options());
  Die();
  const auto again = *DbEnv::Open(home_.path(), Options(/*recover=*/true));
  EXPECT_EQ(GetLetter(*both.file, 0), 'a');
  PutLetter(*both.file, 1, 'b', {1, 20});
  EXPECT_THAT(again->ClearPanic(), IsOk());
}

TEST_F(PanicTest, CleanPageIsReadAgain) {
  Opened both = OpenLogged(home_.path(), Options());
  Die(/*atomic_update=*/false, /*dirty=*/false);
  EXPECT_EQ(GetLetter(*both.file, 1), 'b');
  EXPECT_THAT(panics_, IsEmpty());
}

TEST_F(PanicTest, AtomicUpdateRestoresLastPut) {
  Opened both = OpenLogged(home_.path(), Options());
  Die(/*atomic_update=*/true);
  EXPECT_EQ(GetLetter(*both.file, 1), 'b');
  EXPECT_THAT(panics_, IsEmpty());
}

class LogTest : public ::testing::Test {
 protected:
  TempHome home_;
  Log log_;
  Opened both_ = OpenLogged(home_.path(), WithLog(log_));
};

TEST_F(LogTest, LogIsFlushedBeforePages) {
  PutLetter(*both_.file, 0, 'a', {1, 30});
  PutLetter(*both_.file, 1, 'b', {2, 5});
  PutLetter(*both_.file, 2, 'c', {1, 40});
  log_.meanwhile = [this] {
    EXPECT_EQ(both_.file->Stats().pages_written, 0u);
  };
  EXPECT_THAT(both_.file->Sync(), IsOk());
  EXPECT_THAT(log_.flushed, ElementsAre(Lsn{2, 5}));
  EXPECT_EQ(both_.file->Stats().pages_written, 3u);
}

TEST_F(LogTest, KeepsThePagesDirtyIfItFails) {
  PutLetter(*both_.file, 0, 'a', {1, 30});
  log_.answer = absl::UnavailableError("the log's disk is full");
  EXPECT_THAT(both_.file->Sync(),
              Fails(StatusCode::kUnavailable, "log_flush up to 1/30",
                    "the log's disk is full", home_.Below("logged.db")));
  EXPECT_EQ(both_.env->Stats().frames_dirty, 1u);
  EXPECT_EQ(both_.file->Stats().pages_written, 0u);
  log_.answer = absl::OkStatus();
  EXPECT_THAT(both_.file->Sync(), IsOk());
  EXPECT_EQ(both_.file->Stats().pages_written, 1u);
}

TEST_F(LogTest, MayNotCallIntoTheEnvironment) {
  PutLetter(*both_.file, 0, 'a', {1, 30});
  absl::Status inside;
  log_.meanwhile = [&] { inside = both_.file->Get(0).status(); };
  EXPECT_THAT(both_.file->Sync(), IsOk());
  EXPECT_THAT(inside, Fails(StatusCode::kFailedPrecondition, "log_flush"));
  EXPECT_EQ(GetLetter(*both_.file, 0), 'a');
}

TEST_F(LogTest, IsNotAskedForFilesWithoutPositions) {
  const auto plain = *both_.env->OpenFile("plain.db", {.create = true});
  PutLetter(*plain, 0, 'a', {9, 9});
  const ReadPage page = *plain->Get(0);
  EXPECT_EQ(page.data()[kLsnAt], std::byte{0});
  EXPECT_THAT(plain->Sync(), IsOk());
  EXPECT_THAT(log_.flushed, IsEmpty());
}

// A process without a log that is not a child of a process with one.
class NoLogTest : public ::testing::Test {
 protected:
  void ExpectInOther(const std::function<void(DbEnv&)>& body) {
    Child other([&](Channel& parent) -> std::string {
      parent.Hear();
      body(**DbEnv::Open(home_.path()));
      return "done";
    });
    both_ = OpenLogged(home_.path(), WithLog(log_));
    PutLetter(*both_.file, 0, 'a', {1, 30});
    other.Say("go");
    EXPECT_EQ(other.End(), "done");
    EXPECT_EQ(both_.file->Stats().pages_written, 0u);
  }

  TempHome home_;
  Log log_;
  Opened both_;
};

TEST_F(NoLogTest, OpensTheFileOnlyToRead) {
  ExpectInOther([](DbEnv& env) {
    EXPECT_THAT(env.OpenFile("logged.db", {.lsn_offset = kLsnAt}),
                Fails(StatusCode::kFailedPrecondition, "log_flush"));
    const auto file = *env.OpenFile(
        "logged.db", {.read_only = true, .lsn_offset = kLsnAt});
    EXPECT_EQ(GetLetter(*file, 0), 'a');
  });
}

TEST_F(NoLogTest, UnwritablePagesOfDeadAllowClose) {
  EXPECT_EQ(test::InChild([&]() -> std::string {
              auto both = OpenLogged(home_.path(), WithLog(log_));
              PutLetter(*both.file, 0, 'a', {1, 30});
              ::raise(SIGKILL);
              return "";
            }),
            test::kKilled);
  const auto env = *DbEnv::Open(home_.path());
  const auto file = *env->OpenFile(
      "logged.db", {.read_only = true, .lsn_offset = kLsnAt});
  EXPECT_EQ(GetLetter(*file, 0), 'a');
  EXPECT_THAT(file->Close(), IsOk());
  EXPECT_EQ(env->Stats().frames_dirty, 1u);
}

TEST_F(NoLogTest, WritesNoPageOfIt) {
  ExpectInOther([this](DbEnv& env) {
    EXPECT_THAT(env.Sync(), Fails(StatusCode::kFailedPrecondition,
                                  home_.Below("logged.db"), "log_flush"));
  });
}

TEST_F(LogTest, HandlesAgreeOnWhereThePositionIs) {
  EXPECT_THAT(both_.env->OpenFile("logged.db", {.lsn_offset = 24}),
              Fails(StatusCode::kInvalidArgument, "lsn_offset 24", "16"));
  EXPECT_THAT(both_.env->OpenFile("logged.db"),
              Fails(StatusCode::kInvalidArgument, "lsn_offset -1"));
  for (const int offset : {-2, 4089, 1 << 20}) {
    EXPECT_THAT(both_.env->OpenFile("x.db", {.lsn_offset = offset}),
                Fails(StatusCode::kInvalidArgument, "lsn_offset"));
  }
}

}  // namespace
}  // namespace mpool
