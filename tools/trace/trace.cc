// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/trace/trace.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <limits>
#include <memory>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "os/status.h"

namespace mpool::tools {
namespace {

constexpr size_t kReadBytes = 256 * 1024;
// The longest valid line is 22 bytes; a comment may be longer.
constexpr size_t kMaxLineBytes = 64 * 1024;
constexpr size_t kShownBytes = 40;

struct GzClose {
  void operator()(gzFile_s* file) const { gzclose_r(file); }
};
using GzHandle = std::unique_ptr<gzFile_s, GzClose>;

// Returns the start of a line with printable characters only.
std::string Shown(std::string_view line) {
  std::string text;
  for (char c : line.substr(0, kShownBytes)) {
    text += c >= ' ' && c <= '~' ? c : '?';
  }
  if (line.size() > kShownBytes) text += "...";
  return text;
}

// Collects references line by line.
class Parser {
 public:
  explicit Parser(const std::string& path) : path_(path) {}

  absl::Status Feed(std::string_view bytes) {
    while (!bytes.empty()) {
      const size_t end = bytes.find('\n');
      if (end == std::string_view::npos) {
        if (partial_.size() + bytes.size() > kMaxLineBytes) {
          return Malformed("line is longer than 64 KiB", bytes);
        }
        partial_.append(bytes);
        return absl::OkStatus();
      }
      if (partial_.empty()) {
        MPOOL_RETURN_IF_ERROR(Line(bytes.substr(0, end)));
      } else {
        partial_.append(bytes.substr(0, end));
        MPOOL_RETURN_IF_ERROR(Line(partial_));
        partial_.clear();
      }
      bytes.remove_prefix(end + 1);
    }
    return absl::OkStatus();
  }

  // Ends the trace.
  // REQUIRES: the stream ended without an error, so that a last line without a
  // newline is whole (not checkable: only the caller knows the stream).
  absl::Status Finish() {
    if (!partial_.empty()) MPOOL_RETURN_IF_ERROR(Line(partial_));
    if (ids_.empty()) {
      return absl::DataLossError(
          absl::StrCat("read trace: ", path_, ": it holds no references"));
    }
    return absl::OkStatus();
  }

  absl::Status Damaged(const std::string& why) const {
    return absl::DataLossError(
        absl::StrCat("read trace: ", path_, ":", line_number_ + 1, ": ", why));
  }

  absl::StatusOr<Trace> Take() {
    std::vector<uint64_t> sorted = ids_;
    std::sort(sorted.begin(), sorted.end());
    sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
    if (sorted.size() > std::numeric_limits<uint32_t>::max()) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "read trace: ", path_, ": more than 2^32 - 1 distinct pages"));
    }
    Trace trace;
    trace.name = TraceName(path_);
    trace.page_count = sorted.size();
    trace.pages.reserve(ids_.size());
    for (uint64_t id : ids_) {
      const auto at = std::lower_bound(sorted.begin(), sorted.end(), id);
      trace.pages.push_back(static_cast<uint32_t>(at - sorted.begin()));
    }
    trace.dirties = std::move(dirties_);
    trace.dirty_count = static_cast<uint64_t>(
        std::count(trace.dirties.begin(), trace.dirties.end(), true));
    return trace;
  }

 private:
  absl::Status Malformed(const char* why, std::string_view line) const {
    return Damaged(absl::StrCat(why, ": \"", Shown(line),
                                "\"; a line is \"<page>\" or \"<page> w\""));
  }

  absl::Status Line(std::string_view line) {
    if (!line.empty() && line.front() == '#') {
      ++line_number_;
      return absl::OkStatus();
    }
    if (line.empty()) return Malformed("empty line", line);
    const char* const end = line.data() + line.size();
    uint64_t id = 0;
    const auto [rest, error] = std::from_chars(line.data(), end, id);
    if (error == std::errc::result_out_of_range) {
      return Malformed("page number is 2^64 or more", line);
    }
    if (error != std::errc()) return Malformed("no page number", line);
    const std::string_view tail(rest, static_cast<size_t>(end - rest));
    if (!tail.empty() && tail != " w") {
      return Malformed("unexpected text after the page number", line);
    }
    ids_.push_back(id);
    dirties_.push_back(!tail.empty());
    ++line_number_;
    return absl::OkStatus();
  }

  std::string path_;
  uint64_t line_number_ = 0;  // lines already parsed
  std::string partial_;
  std::vector<uint64_t> ids_;
  std::vector<bool> dirties_;
};

// Describes the error of a gzip stream; empty if there is none.
std::string GzProblem(gzFile_s* file) {
  int code = Z_OK;
  const char* text = gzerror(file, &code);
  // The message of zlib is "<path>: <text>".
  const std::string_view message(text);
  const size_t colon = message.rfind(": ");
  if (code == Z_OK) return "";
  if (code == Z_BUF_ERROR) {
    return "file is cut short: its gzip stream ends too early";
  }
  return absl::StrCat(
      "file is damaged: ",
      os::Abs(colon == std::string_view::npos ? message
                                              : message.substr(colon + 2)));
}

}  // namespace

std::string TraceName(std::string_view path) {
  const size_t slash = path.rfind('/');
  if (slash != std::string_view::npos) path.remove_prefix(slash + 1);
  for (std::string_view ending : {".gz", ".pt", ".txt"}) {
    if (path.size() > ending.size() && path.ends_with(ending)) {
      path.remove_suffix(ending.size());
    }
  }
  return std::string(path);
}

absl::StatusOr<Trace> ReadTrace(const std::string& path) {
  GzHandle file(gzopen(path.c_str(), "rb"));
  if (file == nullptr) {
    return os::ErrnoToStatus(errno, "open trace", path,
                             "give the path of a .pt.gz file");
  }
  gzbuffer(file.get(), kReadBytes);
  Parser parser(path);
  std::vector<char> buffer(kReadBytes);
  while (true) {
    errno = 0;
    const int got = gzread(file.get(), buffer.data(), kReadBytes);
    if (got < 0 && errno != 0) {
      return os::ErrnoToStatus(errno, "read trace", path);
    }
    if (got > 0) {
      MPOOL_RETURN_IF_ERROR(
          parser.Feed({buffer.data(), static_cast<size_t>(got)}));
    }
    if (got <= 0) break;
  }
  // Only this code distinguishes a truncated stream from a whole one.
  const std::string problem = GzProblem(file.get());
  if (!problem.empty()) return parser.Damaged(problem);
  MPOOL_RETURN_IF_ERROR(parser.Finish());
  return parser.Take();
}

absl::StatusOr<std::vector<Trace>> ReadTraces(
    const std::vector<std::string>& paths) {
  std::vector<Trace> traces;
  for (const std::string& path : paths) {
    MPOOL_ASSIGN_OR_RETURN(Trace trace, ReadTrace(path));
    traces.push_back(std::move(trace));
  }
  return traces;
}

}  // namespace mpool::tools
