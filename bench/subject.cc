// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "bench/subject.h"

#include "absl/strings/str_cat.h"
#include "bench/page_file.h"
#include "bench/rounds.h"
#include "os/status.h"

namespace mpool::bench {

absl::Status CheckedRun(Subject& subject, std::span<const uint32_t> pages) {
  return TimedRun(subject, pages).status();
}

absl::Status WarmUp(Subject& subject, std::span<const uint32_t> pages) {
  return CheckedRun(subject, pages.last(pages.size() / 8));
}

absl::StatusOr<double> TimedRun(Subject& subject,
                                std::span<const uint32_t> pages) {
  const double begin = ThreadNs();
  const absl::StatusOr<uint64_t> sum = subject.Run(pages);
  const double end = ThreadNs();
  if (!sum.ok()) return sum.status();
  if (*sum == SumOf(pages)) {
    return (end - begin) / static_cast<double>(pages.size());
  }
  return absl::DataLossError(absl::StrCat(
      subject.name(), ": it gave other pages than it was asked for"));
}

}  // namespace mpool::bench
