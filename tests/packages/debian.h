// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// debian.h - the packages that dpkg has installed, with their dependencies and
// files.

#ifndef MPOOL_TESTS_PACKAGES_DEBIAN_H_
#define MPOOL_TESTS_PACKAGES_DEBIAN_H_

#include <map>
#include <set>
#include <string>
#include <vector>

namespace mpool::packages {

using Names = std::set<std::string>;

// Returns the arrays `packages` and `packages_...` of the text of `dev`, by
// their names.
std::map<std::string, Names> ListsOf(const std::string& dev);

class Debian {
 public:
  // Asks dpkg-query about all installed packages.
  static Debian Installed();

  // Reads one package from a line of seven fields with tabs between them: the
  // name, the name with the architecture, the state, "yes" if it is essential,
  // and Provides, Pre-Depends and Depends of its control file.
  void Add(const std::string& line);

  bool Has(const std::string& package) const;
  // Returns the packages and all that apt installs with them, with apt and all
  // essential packages. Leaves out packages that are not installed.
  Names Closure(const Names& packages) const;
  // Returns the paths that those packages own. A virtual package that they
  // provide is a program if an alternative has its name, such as awk.
  Names Files(const Names& packages) const;

 private:
  struct Package {
    std::string full_name;  // with the architecture
    bool essential;
    std::vector<std::string> provides;
    // One package of each inner list is needed.
    std::vector<std::vector<std::string>> depends;
  };

  // Returns the package of `choices` that apt takes, or "" if none is
  // installed.
  std::string Choose(const std::vector<std::string>& choices,
                     const Names& taken) const;

  // Asks dpkg-query about the packages that have no files in files_ yet.
  void LoadFiles(const Names& packages) const;

  std::map<std::string, Package> packages_;
  std::map<std::string, Names> providers_;
  // By the package's name with the architecture.
  mutable std::map<std::string, std::vector<std::string>> files_;
};

}  // namespace mpool::packages

#endif  // MPOOL_TESTS_PACKAGES_DEBIAN_H_
