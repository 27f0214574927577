// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// list.cc - the verb that prints the shared memory of all environments of this
// machine, and removes memory whose home is gone.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "db/segments.h"
#include "tools/report/names.h"
#include "tools/verbs/args.h"
#include "tools/verbs/common_options.h"
#include "tools/verbs/verbs.h"

namespace mpool::tools {
namespace {

using internal::SegmentInfo;

constexpr std::string_view kUnknown = "unknown";

Value NumberOrUnknown(const std::optional<uint64_t>& number) {
  if (number.has_value()) return *number;
  return std::string(kUnknown);
}

// The region's own user may have stored any bytes as the path.
std::string Printable(std::string text) {
  for (char& c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < ' ' || byte == 0x7f) c = '?';
  }
  return text;
}

std::string HomeOf(const SegmentInfo& info) {
  if (!info.home.empty()) return Printable(info.home);
  return absl::StrCat("device ", info.found.parts.device, " inode ",
                      info.found.parts.inode);
}

std::string SegmentOf(const SegmentInfo& info) {
  const os::FoundSegment& found = info.found;
  if (found.id < 0) return found.name.substr(1);
  return absl::StrCat("shmid ", found.id);
}

std::string OrphanText(SegmentInfo::Orphan orphan) {
  switch (orphan) {
    case SegmentInfo::Orphan::kNo:
      return "no";
    case SegmentInfo::Orphan::kYes:
      return "yes";
    case SegmentInfo::Orphan::kUnknown:
      break;
  }
  return std::string(kUnknown);
}

std::vector<Value> RowOf(const SegmentInfo& info) {
  return {HomeOf(info),
          std::string(FindName(kBackings, info.found.backing).value_or("?")),
          SegmentOf(info),
          info.found.size_bytes,
          info.found.used_bytes,
          NumberOrUnknown(info.dirty_pages),
          NumberOrUnknown(info.processes),
          OrphanText(info.orphan)};
}

Outcome RunList(const Args& args, const VerbContext&) {
  const bool removes = args.Has("--remove-orphans");
  const internal::DirtyPages dirty_pages =
      args.Has("--force") ? internal::DirtyPages::kDiscard
                          : internal::DirtyPages::kWriteBack;
  if (args.Has("--force") && !removes) {
    return Outcome::Fail(
        ExitCode::kUsage,
        absl::InvalidArgumentError("--force needs --remove-orphans"));
  }
  Outcome outcome;
  outcome.format = FormatOf(args);
  outcome.table.columns = {{"home"},         {"backing"},     {"segment"},
                           {"bytes"},        {"bytes_in_use"}, {"dirty_pages"},
                           {"processes"},    {"orphan"}};
  if (removes) outcome.table.columns.push_back({"removed"});
  outcome.table.columns.push_back({"note"});
  for (const SegmentInfo& info : internal::ListSegmentsOfAll()) {
    outcome.table.rows.push_back(RowOf(info));
    std::string note = Printable(info.note);
    if (removes) {
      absl::Status status;
      const bool is_orphan = info.orphan == SegmentInfo::Orphan::kYes;
      if (is_orphan) status = internal::RemoveOrphan(info, dirty_pages);
      if (!status.ok()) {
        outcome.exit_code = ExitCode::kFinding;
        outcome.messages.push_back(Printable(std::string(status.message())));
      } else if (info.orphan == SegmentInfo::Orphan::kUnknown) {
        outcome.messages.push_back(absl::StrCat("left ", SegmentOf(info),
                                                ": ", note));
      }
      outcome.table.rows.back().emplace_back(is_orphan && status.ok());
    }
    outcome.table.rows.back().emplace_back(std::move(note));
  }
  return outcome;
}

constexpr std::array<OptionSpec, 3> kOptions = {{
    {.name = "--remove-orphans",
     .type = FlagType{},
     .value_name = "",
     .fallback = "",
     .help = "remove each segment that is proven to be an orphan"},
    {.name = "--force",
     .type = FlagType{},
     .value_name = "",
     .fallback = "",
     .help = "remove orphans with dirty pages too"},
    kJsonOption,
}};

}  // namespace

constexpr VerbSpec kListVerb = {
    .name = "list",
    .operands = {.names = "",
                 .least = 0,
                 .most = 0,
                 .advice = "it lists the environments of all homes"},
    .summary = "Prints the shared memory of all environments of this machine.",
    .help =
        "  An orphan is memory whose home was removed, or has another region. "
        "Only root\n  can prove that no process has it. Memory of "
        "Backing::kFile is in its home.\n  If an orphan is not removed, the "
        "exit code is 1.\n",
    .options = kOptions,
    .run = RunList};

}  // namespace mpool::tools
