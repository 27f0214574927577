// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include <algorithm>
#include <array>
#include <map>
#include <regex>
#include <set>

#include "tests/tidy/rules.h"

namespace mpool::tidy {
namespace {

constexpr std::string_view kPublicFolder = "include/mpool/";

struct Include {
  size_t line;  // from 1
  bool quoted;
  std::string path;
};

std::vector<Include> IncludesOf(const Source& source) {
  static const std::regex kInclude("^\\s*#\\s*include\\s*([\"<])([^\">]+)");
  std::vector<Include> includes;
  for (size_t i = 0; i < source.statements.size(); ++i) {
    std::smatch match;
    if (std::regex_search(source.statements[i], match, kInclude)) {
      includes.push_back({i + 1, match.str(1) == "\"", match.str(2)});
    }
  }
  return includes;
}

// Returns the height of a folder; -1 if it is not a layer. A file includes only
// from its own height and below.
int Height(std::string_view folder) {
  static const std::map<std::string_view, int> kHeights = {
      {"include", 0}, {"os", 1},    {"region", 2},   {"mpool", 3}, {"db", 4},
      {"tools", 5},   {"bench", 5}, {"examples", 5}, {"tests", 5}};
  const auto it = kHeights.find(folder);
  return it == kHeights.end() ? -1 : it->second;
}

bool IsPublic(const Tree& tree, std::string_view include) {
  return Find(tree, "include/" + std::string(include)) != nullptr;
}

// Returns the folder of an include; empty if the include is not the project's.
std::string_view TargetFolder(const Tree& tree, std::string_view include) {
  if (IsPublic(tree, include)) return "include";
  const std::string_view folder = include.substr(0, include.find('/'));
  return folder != "include" && Height(folder) > 0 ? folder : "";
}

// True if the file may include a header of tests/. Tests beside the code
// include tests/support/ only, and library files include none.
bool MayIncludeTests(const Source& source, std::string_view include) {
  return source.Folder() == "tests"
             ? include.starts_with("tests/")
             : source.IsTest() && include.starts_with("tests/support/");
}

// True if db/ implements the header. The layers below db/ do not include it.
bool IsHandleHeader(std::string_view include) {
  return include == "mpool/mpool.h" || include == "mpool/env.h" ||
         include == "mpool/file.h";
}

// True for a file of the library above os/ that is no test.
bool IsUpperLibrary(const Source& source) {
  static const std::set<std::string_view> kFolders = {"include", "region",
                                                      "mpool", "db"};
  return source.IsCpp() && !source.IsTest() &&
         kFolders.count(source.Folder()) != 0;
}

const std::regex& SystemCall() {
  static const std::regex kCall(
      "(^|[^\\w.>:]|[^\\w>]::|^::)(open|openat|close|read|write|pread|pwrite|"
      "readv|writev|preadv|pwritev|fsync|fdatasync|ftruncate|truncate|"
      "fallocate|posix_fallocate|stat|lstat|fstat|fstatat|statx|fstatfs|chmod|"
      "fchmod|fchown|rename|renameat|unlink|unlinkat|mkdir|shm_open|"
      "shm_unlink|shmget|shmat|shmdt|shmctl|mmap|munmap|mremap|madvise|msync|"
      "mlock|mprotect|memfd_create|fcntl|flock|ioctl|futex|syscall|membarrier|"
      "clock_gettime|gettimeofday|nanosleep|usleep|sleep|getpid|getppid|gettid|"
      "kill|fork|vfork|waitpid|signal|sigaction|getrandom|sched_yield|"
      "pthread_\\w+|dup|dup2|pipe|poll|exec[lv]p?e?)\\s*\\(");
  return kCall;
}

}  // namespace

Findings IncludeDirection(const Tree& tree) {
  Findings out;
  for (const Source& source : tree) {
    const int height = Height(source.Folder());
    if (height < 0) continue;
    for (const Include& include : IncludesOf(source)) {
      if (!include.quoted) continue;
      const std::string_view target = TargetFolder(tree, include.path);
      if (target.empty() || MayIncludeTests(source, include.path)) continue;
      if (target == "tests") {
        out.push_back({source.path, include.line,
                       "only tests include tests/support/: " + include.path});
      } else if (Height(target) > height) {
        out.push_back(
            {source.path, include.line, "include goes up: " + include.path});
      } else if (height > 0 && height < Height("db") &&
                 IsHandleHeader(include.path)) {
        out.push_back({source.path, include.line,
                       "only db/ and above know the handles: " + include.path});
      }
    }
  }
  return out;
}

Findings PublicHeadersStandAlone(const Tree& tree) {
  static const std::regex kStandard("^[a-z_0-9]+$");
  Findings out;
  for (const Source& source : tree) {
    if (!source.path.starts_with(kPublicFolder)) continue;
    for (const Include& include : IncludesOf(source)) {
      const bool good = include.quoted
                            ? include.path.starts_with("absl/") ||
                                  IsPublic(tree, include.path)
                            : std::regex_match(include.path, kStandard);
      if (good) continue;
      out.push_back({source.path, include.line,
                     "a public header includes only public headers, Abseil "
                     "and the standard library: " +
                         include.path});
    }
  }
  return out;
}

Findings NoAmbiguousHeaders(const Tree& tree) {
  Findings out;
  for (const Source& source : tree) {
    if (source.Folder() == "mpool" && IsPublic(tree, source.path)) {
      out.push_back({source.path, 1, "a public header has the same name"});
    }
  }
  return out;
}

Findings NoSystemHeaders(const Tree& tree) {
  static const std::regex kSystem(
      "^(sys/.*|linux/.*|asm/.*|unistd\\.h|fcntl\\.h|pthread\\.h|signal\\.h|"
      "csignal|sched\\.h|semaphore\\.h|poll\\.h|dirent\\.h|time\\.h|"
      "filesystem|fstream)$");
  // clang 14 has none of these completely.
  static const std::set<std::string> kUnusable = {"source_location", "ranges",
                                                  "format"};
  Findings out;
  for (const Source& source : tree) {
    for (const Include& include : IncludesOf(source)) {
      const bool system =
          IsUpperLibrary(source) && (std::regex_match(include.path, kSystem) ||
                                     include.path == "os/syscalls.h");
      if (system) {
        out.push_back({source.path, include.line,
                       "only os/ includes system headers: " + include.path});
      }
      if (!include.quoted && kUnusable.count(include.path) != 0) {
        out.push_back({source.path, include.line,
                       "not whole in clang 14: <" + include.path + ">"});
      }
    }
  }
  return out;
}

Findings NoSystemCalls(const Tree& tree) {
  Findings out;
  for (const Source& source : tree) {
    if (!IsUpperLibrary(source)) continue;
    for (size_t i = 0; i < source.code.size(); ++i) {
      std::smatch match;
      if (!std::regex_search(source.code[i], match, SystemCall())) continue;
      out.push_back(
          {source.path, i + 1, "only os/ makes system calls: " + match.str(2)});
    }
  }
  return out;
}

Findings NoUnsafeGetenv(const Tree& tree) {
  static const std::regex kAny("\\w*getenv\\s*\\(");
  static const std::regex kPlain("\\bgetenv\\s*\\(");
  Findings out;
  for (const Source& source : tree) {
    const bool is_test = source.IsTest() || source.path.starts_with("tests/");
    if (!source.IsCpp() || is_test) continue;
    const bool in_library = IsUpperLibrary(source) || source.Folder() == "os";
    for (size_t i = 0; i < source.code.size(); ++i) {
      if (std::regex_search(source.code[i], in_library ? kAny : kPlain)) {
        out.push_back({source.path, i + 1,
                       in_library ? "the library reads no environment variable"
                                  : "use secure_getenv"});
      }
    }
  }
  return out;
}

Findings NoBackingNames(const Tree& tree) {
  static const std::regex kBacking("\\bBacking::k\\w+");
  Findings out;
  for (const Source& source : tree) {
    const bool bound =
        source.IsCpp() && !source.IsTest() &&
        (source.Folder() == "region" || source.Folder() == "mpool");
    if (!bound) continue;
    for (size_t i = 0; i < source.code.size(); ++i) {
      std::smatch match;
      if (!std::regex_search(source.code[i], match, kBacking)) continue;
      out.push_back({source.path, i + 1,
                     "region/ and mpool/ know no backing: " + match.str()});
    }
  }
  return out;
}

}  // namespace mpool::tidy
