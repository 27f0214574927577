// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/report/kill_section.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "tools/report/svg.h"

namespace mpool::tools {
namespace {

struct Sums {
  uint64_t killed = 0;
  uint64_t in_update = 0;
  uint64_t pages = 0;
  uint64_t wrong = 0;
  uint64_t lost = 0;
  double stall_ms = 0;
};

Sums SumsOf(std::span<const Row> kills) {
  Sums sums;
  for (const Row& row : kills) {
    sums.killed += row.processes_killed;
    sums.in_update += row.killed_in_update;
    sums.pages += row.pages_checked;
    sums.wrong += row.wrong_pages;
    sums.lost += row.lost_updates;
    sums.stall_ms = std::max(sums.stall_ms, row.longest_stall_ms);
  }
  return sums;
}

void AppendRow(const Row& row, std::string& html) {
  absl::StrAppend(&html, "<tr><td class=\"name\">", EscapeHtml(row.trace));
  for (const uint64_t count :
       {row.processes, row.processes_killed, row.killed_in_update, row.writes,
        row.pages_checked, row.wrong_pages, row.lost_updates}) {
    absl::StrAppend(&html, "</td><td>", Grouped(count));
  }
  absl::StrAppend(&html, "</td><td>", Fixed(row.longest_stall_ms, 1),
                  "</td></tr>\n");
}

}  // namespace

std::string KillSection(std::span<const Row> kills) {
  const Sums sums = SumsOf(kills);
  const bool is_good = sums.wrong == 0 && sums.lost == 0;
  std::string html = "<section id=\"kills\">\n<h2>Killed processes</h2>\n";
  absl::StrAppend(&html, "<p class=\"result ", is_good ? "good" : "bad", "\">",
                  Grouped(sums.killed), " processes killed, ",
                  Grouped(sums.pages), " pages checked: ", Grouped(sums.wrong),
                  " wrong, ", Grouped(sums.lost), " updates lost</p>\n");
  absl::StrAppend(
      &html, "<p class=\"soft\">Each trace was replayed once more. In the ",
      "middle of the work SIGKILL ended some of the processes, ",
      Grouped(sums.in_update),
      " of them while they held a page that they were changing. The others ",
      "repaired the pool and went on. At the end every page, in the pool and ",
      "on disk, was compared with its last completed put. After the first ",
      "kill no thread of a survivor needed more than ",
      Fixed(sums.stall_ms, 1), " ms for one page.</p>\n");
  absl::StrAppend(
      &html, "<figure>\n<div class=\"scroll\"><table>\n",
      "<thead><tr><th class=\"name\">trace</th><th>processes</th>",
      "<th>killed</th><th>of these in an update</th><th>updates</th>",
      "<th>pages checked</th><th>wrong pages</th><th>lost updates</th>",
      "<th>longest stall, ms</th></tr></thead>\n<tbody>\n");
  for (const Row& row : kills) AppendRow(row, html);
  return html + "</tbody>\n</table></div>\n</figure>\n</section>\n";
}

}  // namespace mpool::tools
