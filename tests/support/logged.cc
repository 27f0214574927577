// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tests/support/logged.h"

#include "gtest/gtest.h"
#include "tests/support/child.h"
#include "tests/support/status_matchers.h"

namespace mpool::test {

EnvOptions WithLog(Log& log) {
  EnvOptions options = SmallEnv();
  options.log_flush = [&log](Lsn lsn) {
    log.flushed.push_back(lsn);
    log.meanwhile();
    return log.answer;
  };
  return options;
}

Opened OpenLogged(const std::string& home, const EnvOptions& options) {
  Opened both;
  both.env = *DbEnv::Open(home, options);
  both.file = *both.env->OpenFile("logged.db",
                                  {.create = true, .lsn_offset = kLsnAt});
  return both;
}

void SetLetter(const WritePage& page, char letter) {
  page.data()[kLetterAt] = static_cast<std::byte>(letter);
}

void PutLetter(MPoolFile& file, PageNo number, char letter, Lsn lsn) {
  absl::StatusOr<WritePage> page = file.GetForUpdate(number, kCreate);
  ASSERT_THAT(page, IsOk());
  SetLetter(*page, letter);
  page->set_lsn(lsn);
}

char GetLetter(MPoolFile& file, PageNo number) {
  const absl::StatusOr<ReadPage> page = file.Get(number);
  return page.ok() ? static_cast<char>(page->data()[kLetterAt]) : '!';
}

int DieChanging(const std::string& home, bool atomic_update, bool dirty) {
  Child dead([&](Channel& parent) -> std::string {
    Log log;
    Opened both = OpenLogged(home, WithLog(log));
    PutLetter(*both.file, 0, 'a', {1, 10});
    PutLetter(*both.file, 1, 'b', {1, 20});
    if (!dirty) {
      EXPECT_THAT(both.file->Sync(), IsOk());
    }
    const auto file = *both.env->OpenFile(
        "logged.db", {.lsn_offset = kLsnAt, .atomic_update = atomic_update});
    const WritePage page = *file->GetForUpdate(1);
    SetLetter(page, 'x');
    parent.Say("in the middle");
    return parent.Hear();
  });
  EXPECT_EQ(dead.Hear(), "in the middle");
  EXPECT_EQ(dead.Kill(), kKilled);
  return dead.pid();
}

}  // namespace mpool::test
