// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// logged.h - page files of an owner with a log.

#ifndef MPOOL_TESTS_SUPPORT_LOGGED_H_
#define MPOOL_TESTS_SUPPORT_LOGGED_H_

#include <functional>
#include <string>
#include <vector>

#include "mpool/mpool.h"
#include "tests/support/pages.h"

namespace mpool::test {

inline constexpr int kLsnAt = 16;  // FileOptions::lsn_offset
inline constexpr size_t kLetterAt = 100;
inline constexpr GetOptions kCreate{.create = true};

// The positions that the log was asked to flush up to.
struct Log {
  std::vector<Lsn> flushed;
  absl::Status answer;
  std::function<void()> meanwhile = [] {};
};

// Returns options with the log `log`, which must outlive the environment.
EnvOptions WithLog(Log& log);
// Opens the environment and the file logged.db.
Opened OpenLogged(const std::string& home, const EnvOptions& options);

// A page has one letter; '!' means that the page cannot be got.
void SetLetter(const WritePage& page, char letter);
void PutLetter(MPoolFile& file, PageNo number, char letter, Lsn lsn);
char GetLetter(MPoolFile& file, PageNo number);

// Runs a process that changes and puts page 0, and dies while it changes page
// 1. Page 1 had 'b' and was dirty if `dirty`. Returns the pid.
int DieChanging(const std::string& home, bool atomic_update, bool dirty);

}  // namespace mpool::test

#endif  // MPOOL_TESTS_SUPPORT_LOGGED_H_
