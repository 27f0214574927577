// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "bench/suite.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "os/status.h"

namespace mpool::bench {
namespace {

// Returns DataLoss if `loop` reads other pages than those of the sequence.
absl::Status Check(const std::string& name, const Loop& loop,
                   const Sequence& sequence) {
  MPOOL_ASSIGN_OR_RETURN(const uint64_t sum, loop(sequence.pages));
  if (sum == sequence.sum) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat(name, ": it gave other pages than it was asked for"));
}

}  // namespace

absl::Status CheckedRun(Subject& subject, const Sequence& sequence) {
  return Check(subject.name(), [&](auto pages) { return subject.Run(pages); },
               sequence);
}

Sequences OneSequence(std::vector<uint32_t> pages) {
  return std::make_shared<const std::vector<Sequence>>(
      1, Sequence(std::move(pages)));
}

Contender MakeContender(const std::string& name, Loop loop, bool warms_up,
                        Sequences sequences) {
  Contender contender;
  contender.name = name;
  contender.pass = [=](uint32_t t) {
    return Check(name, loop, (*sequences)[t]);
  };
  if (warms_up) {
    contender.prepare = [=](uint32_t t) {
      const std::vector<uint32_t>& pages = (*sequences)[t].pages;
      const std::ptrdiff_t last = static_cast<std::ptrdiff_t>(pages.size() / 8);
      return Check(name, loop, Sequence({pages.end() - last, pages.end()}));
    };
  }
  return contender;
}

absl::Status CheckNoRead(const std::string& name, Subject& subject,
                         const Counts& before) {
  MPOOL_ASSIGN_OR_RETURN(const Counts after, subject.Count());
  if (after.page_ins == before.page_ins) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat(name, ": ", after.page_ins - before.page_ins,
                   " pages were not in memory; give it more"));
}

absl::StatusOr<std::string> Fixture::PagesFile(uint64_t page_count) const {
  const std::string path = absl::StrCat(scratch_, "/pages-", page_count);
  MPOOL_RETURN_IF_ERROR(EnsurePages(path, page_count));
  return path;
}

absl::StatusOr<std::string> Fixture::NewHome() {
  MPOOL_ASSIGN_OR_RETURN(homes_.emplace_back(), MakeHome(scratch_));
  return homes_.back();
}

absl::StatusOr<Subject*> Fixture::Add(
    absl::StatusOr<std::unique_ptr<Subject>> subject) {
  MPOOL_RETURN_IF_ERROR(subject.status());
  subjects_.push_back(*std::move(subject));
  return subjects_.back().get();
}

absl::Status Fixture::Close() {
  absl::Status result;
  for (const auto& subject : subjects_) {
    if (subject != nullptr) result.Update(subject->Close());
  }
  subjects_.clear();
  for (const std::string& home : homes_) {
    result.Update(RemoveHome(home));
  }
  homes_.clear();
  return result;
}

std::vector<Suite> AllSuites() {
  return {
      HitSuite("hit.40mb.1t", {kSmall}),
      HitSuite("hit.40mb.2t", {kSmall, 2}),
      HitSuite("hit.400mb.1t", {kLarge}),
      HitSuite("hit.400mb.2t", {kLarge, 2}),
      HitSuite("hit.hot.2t", {kSmall, 2, /*hot=*/true}),
      BackingSuite("hit.backing", /*huge_pages=*/false),
      BackingSuite("hit.backing.huge", /*huge_pages=*/true),
      ExclusiveSuite(),
      MissSuite(),
      SyncSuite(),
  };
}

}  // namespace mpool::bench
