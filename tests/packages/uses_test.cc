// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// uses_test.cc - tests the readers of sources, scripts and dpkg's tables on
// short texts.

#include "tests/packages/uses.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/packages/debian.h"
#include "tests/packages/shell.h"

namespace mpool::packages {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

std::vector<std::string> NamesIn(const Uses& uses) {
  std::vector<std::string> names;
  for (const Use& use : uses) names.push_back(use.name);
  return names;
}

std::vector<std::string> Programs(std::string_view script) {
  std::vector<std::string> names;
  for (const Command& command : CommandsOf(script)) {
    names.push_back(command.name);
  }
  return names;
}

TEST(ShellTest, CommandsStandWhereOneIsExpected) {
  EXPECT_THAT(Programs("a b | c d && e; f &\nX=1 g h > i 2>&1 || ! j"),
              ElementsAre("a", "c", "e", "f", "g", "j"));
  EXPECT_THAT(Programs("a \\\n  b c"), ElementsAre("a"));
  EXPECT_THAT(Programs("# a b\nc # d\n"), ElementsAre("c"));
}

TEST(ShellTest, CommandsInsideOfCompoundOnesAreFound) {
  EXPECT_THAT(Programs("if a b; then c; elif d; then e; else f; fi"),
              ElementsAre("a", "c", "d", "e", "f"));
  EXPECT_THAT(Programs("while a; do b; done < c\nfor d in e f; do g; done"),
              ElementsAre("a", "b", "g"));
  EXPECT_THAT(
      Programs("case $x in\n a | b) c ;;\n 'd '*) e f; g ;; *) h;;\nesac\ni"),
      ElementsAre("c", "e", "g", "h", "i"));
  EXPECT_THAT(Programs("(a b) && { c d; }\n[[ e == f && -n $(g h) ]] || i"),
              ElementsAre("a", "c", "g", "i"));
}

TEST(ShellTest, CommandsInsideOfWordsAreFound) {
  EXPECT_THAT(Programs("x=$(a b | c) d"), ElementsAre("a", "c", "d"));
  EXPECT_THAT(
      Programs("echo \"it is $(a \"$(b c)\")\" ${d-$(e)} $((1 + $(f)))"),
      ElementsAre("a", "b", "e"));
  EXPECT_THAT(Programs("a < <(b c)"), ElementsAre("a", "b"));
}

TEST(ShellTest, TextIsNotACommand) {
  EXPECT_THAT(Programs("cat <<'END'\na b\nEND\nc"), ElementsAre("cat", "c"));
  EXPECT_THAT(Programs("a 'b\nc d' \"e\nf\"\ng"), ElementsAre("a", "g"));
  EXPECT_THAT(Programs("x=(a b\n c d)\ne"), ElementsAre("e"));
  EXPECT_THAT(Programs("((a < b)) || c; x=$(($(d) + 1)); e"),
              ElementsAre("c", "e"));
}

TEST(ShellTest, FunctionsBuiltinsAndPathsAreNotPrograms) {
  EXPECT_THAT(Programs("a() { b; }\na c; local d=e; ./f; \"$g\" h; g/h"),
              ElementsAre("b"));
  EXPECT_THAT(Programs("/bin/cat b"), ElementsAre("cat"));
}

TEST(ShellTest, WrappersAndTheirCommandsAreCommands) {
  EXPECT_THAT(
      Programs("env -i A=1 a b; x | xargs -0 -n 1 c d; exec e; sudo -n f"),
      ElementsAre("env", "a", "x", "xargs", "c", "e", "sudo", "f"));
}

TEST(UsesTest, HeadersOfOthersAreFound) {
  const Tree tree = {
      tidy::MakeSource("os/a.cc",
                       "#include <b.h>\n#include \"os/c.h\"\n"
                       "#include \"d/e.h\"\n// #include <f.h>\n"),
      tidy::MakeSource("os/c.h", "#include \"mpool/g.h\"\n"),
      tidy::MakeSource("include/mpool/g.h", "")};
  EXPECT_THAT(NamesIn(HeadersOf(tree)), ElementsAre("b.h", "d/e.h"));
}

TEST(UsesTest, ProgramsThatCppRunsAreFound) {
  const Tree tree = {
      tidy::MakeSource("tests/run.cc",
                       "int Shell(const std::string& line) {\n"
                       "  return system(line.c_str());\n}\n"),
      tidy::MakeSource("tests/a_test.cc",
                       "  Shell(\"a -q x && b y\");\n"
                       "  Shell(absl::StrCat(\"c \", path));\n"
                       "  Shall(\"d\");\n"
                       "  ::execl(\"/usr/bin/env\", \"e\", nullptr);\n"
                       "  posix_spawnp(&pid, \"f\", nullptr);\n"
                       "  // system(\"g\")\n")};
  EXPECT_THAT(NamesIn(ProgramsOfCpp(tree)),
              UnorderedElementsAre("a", "b", "c", "env", "f"));
}

TEST(UsesTest, NamesInCMakeAreFound) {
  const Tree tree = {
      tidy::MakeSource("CMakeLists.txt",
                       "# find_package(a)\n"
                       "find_package(b REQUIRED)\n"
                       "find_package(mpool CONFIG)\n"
                       "target_link_libraries(x mpool::mpool b::c d::e)\n"
                       "find_path(V e/f.h REQUIRED)\n"
                       "find_library(V NAMES g h PATH_SUFFIXES i)\n"
                       "find_program(V j)\n"
                       "add_executable(k)\n"
                       "add_test(NAME l COMMAND k m)\n"
                       "execute_process(COMMAND n -o)\n"
                       "pkg_check_modules(V REQUIRED o)\n")};
  EXPECT_THAT(NamesIn(UsesOfCMake(tree)),
              ElementsAre("b", "b::c", "n", "e/f.h", "g", "h", "j", "o"));
}

TEST(UsesTest, ListsOfPackagesAreFound) {
  EXPECT_THAT(ListsOf("readonly packages=(a1 b-c\n  g++)\npackages_all=(d4)\n"
                      "local other=(e5)\n"),
              UnorderedElementsAre(
                  Pair("packages", UnorderedElementsAre("a1", "b-c", "g++")),
                  Pair("packages_all", UnorderedElementsAre("d4"))));
}

TEST(DebianTest, ClosureMatchesAptInstall) {
  Debian debian;
  debian.Add("a\ta:amd64\tinstalled\tno\t\t\tb (>= 2) | c, d:any, virtual");
  debian.Add("b\tb\tinstalled\tno\t\te\t");
  debian.Add("c\tc\tinstalled\tno\t\t\t");
  debian.Add("d\td\tinstalled\tno\t\t\ta, gone");
  debian.Add("e\te\tinstalled\tno\t\t\t");
  debian.Add("f\tf\tinstalled\tno\tvirtual (= 1)\t\t");
  debian.Add("g\tg\tinstalled\tno\t\t\t");
  debian.Add("h\th\tconfig-files\tno\t\t\t");
  debian.Add("i\ti\tinstalled\tyes\t\t\t");
  EXPECT_THAT(debian.Closure({"a"}), ElementsAre("a", "b", "d", "e", "f", "i"));
  EXPECT_THAT(debian.Closure({"c", "h"}), ElementsAre("c", "i"));
  EXPECT_FALSE(debian.Has("h"));
  EXPECT_THAT(Debian().Closure({"a"}), IsEmpty());
}

}  // namespace
}  // namespace mpool::packages
