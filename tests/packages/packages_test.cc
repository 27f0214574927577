// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// packages_test.cc - the packages that `dev` installs have all headers, CMake
// packages, libraries and programs that the project uses.
//
// Essential packages and apt are on every Debian. No other package of this
// machine counts.

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <string>
#include <system_error>
#include <vector>

#include "tests/packages/debian.h"
#include "tests/packages/uses.h"
#include "tests/tidy/source.h"

namespace mpool::packages {
namespace {

namespace fs = std::filesystem;

// Programs that the project uses only if they are installed.
const Names kOptional = {
    "ccache",  // builds are faster with it
    "sudo",    // only needed without root
};
// The dependencies of these have the headers of C and C++ and CMake's modules.
// Any other header must be in a listed package itself, because a dependency can
// disappear when the package that needs it changes.
const Names kToolchain = {"cmake", "g++"};

std::string Lower(std::string text) {
  for (char& c : text) {
    c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return text;
}

std::string ReadAll(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

const Debian& Machine() {
  static const Debian machine = Debian::Installed();
  return machine;
}
const Tree& Project() {
  static const Tree tree = tidy::LoadTree(MPOOL_SOURCE_DIR);
  return tree;
}
const std::map<std::string, Names>& Lists() {
  static const auto lists = ListsOf(ReadAll(MPOOL_SOURCE_DIR "/dev"));
  return lists;
}

// The files of a list of packages from `dev`.
class Offer {
 public:
  explicit Offer(const Names& packages) {
    Names direct = Machine().Closure({});
    Names toolchain;
    for (const std::string& package : packages) {
      if (!Machine().Has(package)) absent_.insert(package);
      direct.insert(package);
      if (kToolchain.count(package) != 0) toolchain.insert(package);
    }
    direct.merge(Machine().Closure(toolchain));
    direct_ = Machine().Files(direct);
    for (const std::string& path : direct_) {
      const size_t slash = path.rfind('/');
      folders_[path.substr(slash + 1)].push_back(path.substr(0, slash));
    }
    all_ = Machine().Files(Machine().Closure(packages));
  }

  // Returns one line with the first use of each thing that the packages lack.
  std::string MissingOf(const Uses& uses) const {
    std::string lines;
    Names missing;
    for (const Use& use : uses) {
      if (Has(use) || !missing.insert(use.name).second) continue;
      lines += use.file + ":" + std::to_string(use.line) + ": " + use.name +
               ": no package of the list in `dev` has it\n";
    }
    return lines;
  }

 private:
  bool Has(const Use& use) const {
    switch (use.kind) {
      case Kind::kHeader:
        return HasHeader(use.name);
      case Kind::kPackage:
        return HasPackage(use.name);
      case Kind::kTarget:
        return HasTarget(use.name);
      case Kind::kModule:
        return HasAnywhere(use.name + ".pc");
      case Kind::kLibrary:
        return HasAnywhere("lib" + use.name + ".so") ||
               HasAnywhere("lib" + use.name + ".a");
      case Kind::kFile:
        return HasFile(use.name);
      case Kind::kProgram:
        return HasProgram(use.name);
    }
    return false;
  }

  // True if `fits` is true for a folder that has a file `name`.
  template <typename Fits>
  bool HasIn(const std::string& name, const Fits& fits) const {
    const auto folders = folders_.find(name);
    return folders != folders_.end() &&
           std::any_of(folders->second.begin(), folders->second.end(), fits);
  }

  bool HasAnywhere(const std::string& name) const {
    return HasIn(name, [](const std::string&) { return true; });
  }

  // True if a folder that the compiler searches has the header.
  bool HasHeader(const std::string& name) const {
    static const std::regex kSearched(
        "/usr/(include(/c\\+\\+/[0-9]+|/[^/]+-linux-gnu[^/]*)?|"
        "lib/gcc/[^/]+/[0-9]+/include)");
    const size_t slash = name.rfind('/');
    const std::string below =
        slash == std::string::npos ? "" : "/" + name.substr(0, slash);
    return HasIn(name.substr(slash + 1), [&](const std::string& folder) {
      return folder.ends_with(below) &&
             std::regex_match(folder.substr(0, folder.size() - below.size()),
                              kSearched);
    });
  }

  bool HasPackage(const std::string& name) const {
    return HasAnywhere("Find" + name + ".cmake") ||
           HasAnywhere(name + "Config.cmake") ||
           HasAnywhere(Lower(name) + "-config.cmake");
  }

  bool HasTarget(const std::string& name) const {
    const std::string package = name.substr(0, name.find(':'));
    const std::string made = "add_library(" + name + " ";
    for (const auto& [file, folders] : folders_) {
      if (!file.ends_with(".cmake")) continue;
      for (const std::string& folder : folders) {
        if ((folder.ends_with("/" + package) ||
             file == "Find" + package + ".cmake") &&
            ReadAll(folder + "/" + file).find(made) != std::string::npos) {
          return true;
        }
      }
    }
    return false;
  }

  // True if the packages have the path or a path that its symbolic links lead
  // to.
  bool HasFile(std::string path) const {
    if (kOptional.count(fs::path(path).filename()) != 0) return true;
    constexpr int kMaxLinks = 8;
    for (int i = 0; i < kMaxLinks; ++i) {
      if (direct_.count(path) != 0) return true;
      std::error_code error;
      const fs::path target = fs::read_symlink(path, error);
      if (error) return false;
      path = (fs::path(path).parent_path() / target).lexically_normal();
    }
    return false;
  }

  bool HasProgram(const std::string& name) const {
    if (kOptional.count(name) != 0) return true;
    for (const char* folder : {"/usr/bin/", "/bin/", "/usr/sbin/", "/sbin/"}) {
      if (all_.count(folder + name) != 0) return true;
    }
    // The packages of `./dev model` and others may not be installed here. Such
    // a package is assumed to have the programs of its name: clang has clang++.
    return std::any_of(
        absent_.begin(), absent_.end(),
        [&](const std::string& package) { return name.starts_with(package); });
  }

  Names absent_;
  Names direct_;  // files of the packages, the toolchain and the base
  // The same, by the last part of the path.
  std::map<std::string, std::vector<std::string>> folders_;
  Names all_;  // files of all packages and their dependencies
};

Uses operator+(Uses a, Uses b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// Returns all uses by ./dev demo and ./dev test.
const Uses& UsesOfTests() {
  static const Uses uses = HeadersOf(Project()) + UsesOfCMake(Project()) +
                           ProgramsOfCpp(Project()) +
                           FoundByBuild(MPOOL_BUILD_DIR);
  return uses;
}

TEST(PackagesTest, ListedPackagesAreInstalled) {
  ASSERT_GE(Lists().at("packages").size(), 10u);
  for (const std::string& package : Lists().at("packages")) {
    EXPECT_TRUE(Machine().Has(package)) << package;
  }
}

TEST(PackagesTest, HaveAllThatBuildAndTestsUse) {
  EXPECT_EQ(Offer(Lists().at("packages")).MissingOf(UsesOfTests()), "");
}

TEST(PackagesTest, HaveAllProgramsThatScriptsRun) {
  Names all;
  for (const auto& [list, packages] : Lists()) {
    all.insert(packages.begin(), packages.end());
  }
  EXPECT_EQ(
      Offer(all).MissingOf(ProgramsOfScripts(LoadScripts(MPOOL_SOURCE_DIR)) +
                           CompilersOfPresets(Project())),
      "");
}

TEST(PackagesTest, ManyUsesOfEachKindAreSeen) {
  std::map<Kind, Names> names;
  for (const Use& use : UsesOfTests()) names[use.kind].insert(use.name);
  EXPECT_GT(names[Kind::kHeader].size(), 50u);
  EXPECT_EQ(names[Kind::kPackage].size(), 6u);
  EXPECT_GT(names[Kind::kTarget].size(), 10u);
  EXPECT_GT(names[Kind::kModule].size(), 5u);
  EXPECT_GE(names[Kind::kFile].size(), 5u);
  EXPECT_EQ(names[Kind::kProgram].count("pkg-config"), 1u);
}

TEST(PackagesTest, PackageMissingFromListIsReported) {
  for (const char* package :
       {"cmake", "g++", "libabsl-dev", "libbenchmark-dev", "libdb5.3-dev",
        "libgmock-dev", "libgtest-dev", "ninja-build", "nlohmann-json3-dev",
        "pkg-config", "relacy-dev", "zlib1g-dev"}) {
    Names packages = Lists().at("packages");
    EXPECT_EQ(packages.erase(package), 1u) << package;
    EXPECT_NE(Offer(packages).MissingOf(UsesOfTests()), "") << package;
  }
}

}  // namespace
}  // namespace mpool::packages
