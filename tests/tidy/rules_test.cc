// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// Plants a breach of each rule, and beside it similar code that is correct.

#include "tests/tidy/rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/tidy/source.h"

namespace mpool::tidy {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string Repeat(const std::string& text, size_t count) {
  std::string out;
  for (size_t i = 0; i < count; ++i) out += text;
  return out;
}

Tree One(std::string path, std::string_view text) {
  return {MakeSource(std::move(path), text)};
}

// Returns the lines that a rule reports.
std::vector<size_t> LinesOf(const Findings& findings) {
  std::vector<size_t> lines;
  for (const Finding& finding : findings) lines.push_back(finding.line);
  return lines;
}

TEST(SourceTest, CommentsAndQuotedTextAreBlanked) {
  const Source source = MakeSource(
      "a.cc", "int a; // one\nf(\"two\", 'x', 1'000); /* 3\n4 */ g();\n");
  EXPECT_THAT(source.statements,
              ElementsAre("int a;       ", "f(\"two\", 'x', 1'000);     ",
                          "     g();"));
  EXPECT_THAT(source.code[1], "f(\"   \", ' ', 1'000);     ");
}

TEST(SourceTest, RawTextIsBlankedAcrossLines) {
  const Source source = MakeSource("a.cc", "f(R\"(a \"\n// b)\", c);\n");
  EXPECT_THAT(source.code, ElementsAre("f(R\"(   ", "    )\", c);"));
}

TEST(FindingTest, IsPrintedAsFileLineRule) {
  EXPECT_EQ(Print({{"a.cc", 3, "no goto"}}), "a.cc:3: no goto\n");
}

TEST(FormRulesTest, LongFilesAreReported) {
  EXPECT_THAT(FileLength(One("os/a.cc", Repeat("\n", 500))), IsEmpty());
  EXPECT_THAT(LinesOf(FileLength(One("os/a.cc", Repeat("\n", 501)))),
              ElementsAre(501));
}

TEST(FormRulesTest, LongLinesWithoutAddressAreReported) {
  const std::string good = Repeat("\u00e9", 80) + "\n";
  const std::string bad = Repeat("x", 81) + "\n";
  const std::string address = "// https://example.org/" + bad;
  EXPECT_THAT(LinesOf(LineLength(One("os/a.h", good + bad + address))),
              ElementsAre(2));
}

TEST(FormRulesTest, LongFunctionsAreReported) {
  const std::string body68 = Repeat("  f();\n", 68);
  const std::string good = "int A::F(int a) const {\n" + body68 + "}\n";
  const std::string bad = "int F(int a,\n      int b) {\n" + body68 + "}\n";
  EXPECT_THAT(FunctionLength(One("os/a.cc", good)), IsEmpty());
  EXPECT_THAT(LinesOf(FunctionLength(One("os/a.cc", "// F\n" + bad))),
              ElementsAre(2));
}

TEST(FormRulesTest, LongMethodsInsideClassesAreReported) {
  const std::string text = "namespace n {\nclass A : public B {\n public:\n" +
                           ("  bool operator==(A a) const {\n" +
                            Repeat("    if (x) {\n    }\n", 40) + "  }\n") +
                           "};\n}\n";
  EXPECT_THAT(LinesOf(FunctionLength(One("os/a.h", text))), ElementsAre(4));
}

TEST(FormRulesTest, LongClassesAndTablesAreNoFunctions) {
  const std::string lines = Repeat("  int a;\n", 90);
  const std::string text = "namespace n {\nstruct A {\n" + lines +
                           "};\nconstexpr int kTable[] = {\n" +
                           Repeat("  F(1),\n", 90) + "};\nenum class E {\n" +
                           Repeat("  kA,\n", 90) + "};\n}\n";
  EXPECT_THAT(FunctionLength(One("os/a.h", text)), IsEmpty());
}

TEST(FormRulesTest, FilesWithoutTheLicenceAreReported) {
  EXPECT_THAT(LicenceLine(One("os/a.cc", "int a;\n")).size(), 1);
  EXPECT_THAT(LicenceLine(One("os/CMakeLists.txt", "add()\n")).size(), 1);
  EXPECT_THAT(LicenceLine(One("docs/a.md", "# A\n")), IsEmpty());
}

TEST(FormRulesTest, WrongGuardsAreReported) {
  const std::string good = "#ifndef MPOOL_OS_A_H_\n#define MPOOL_OS_A_H_\n";
  EXPECT_THAT(HeaderGuard(One("os/a.h", good)), IsEmpty());
  EXPECT_THAT(HeaderGuard(One("region/a.h", good)).size(), 1);
  EXPECT_THAT(HeaderGuard(One("os/a.h", "#pragma once\n")).size(), 1);
}

TEST(FormRulesTest, JumpsAreReportedButNotInComments) {
  EXPECT_THAT(LinesOf(NoGoto(One("os/a.cc", "// goto\n  goto out;\n"))),
              ElementsAre(2));
}

TEST(FormRulesTest, OpenEndsAreReported) {
  EXPECT_THAT(NoOpenEnds(One("docs/a.md",
                             "TO"
                             "DO: more\n"))
                  .size(),
              1);
  EXPECT_THAT(NoOpenEnds(One("os/a.cc", "int kTODOs;\n")), IsEmpty());
}

TEST(FormRulesTest, TestsThatCannotFailAreReported) {
  EXPECT_THAT(LinesOf(NoEmptyTests(One("os/a_test.cc",
                                       "EXPECT_TRUE(true);\n"
                                       "EXPECT_TRUE(truth);\n"
                                       "TEST(A, DISABLED_B) {}\n"
                                       "GTEST_SKIP();\n"
                                       "EXPECT_EQ(1, 1);\n"
                                       "EXPECT_EQ(1, 12);\n"))),
              ElementsAre(1, 3, 4, 5));
}

TEST(LayerRulesTest, UpwardIncludesAreReported) {
  const std::string text =
      "#include \"os/a.h\"\n#include \"region/b.h\"\n"
      "#include \"mpool/pool/pool.h\"\n#include \"absl/x.h\"\n";
  EXPECT_THAT(LinesOf(IncludeDirection(One("os/a.cc", text))),
              ElementsAre(2, 3));
  EXPECT_THAT(LinesOf(IncludeDirection(One("region/a.cc", text))),
              ElementsAre(3));
  EXPECT_THAT(IncludeDirection(One("db/a.cc", text)), IsEmpty());
}

TEST(LayerRulesTest, OnlyTestsIncludeTheirSupport) {
  const std::string text =
      "#include \"tests/support/a.h\"\n#include \"tests/pool/a.h\"\n";
  EXPECT_THAT(LinesOf(IncludeDirection(One("tools/a.cc", text))),
              ElementsAre(1, 2));
  EXPECT_THAT(LinesOf(IncludeDirection(One("os/a_test.cc", text))),
              ElementsAre(2));
  EXPECT_THAT(IncludeDirection(One("tests/env/a.cc", text)), IsEmpty());
}

TEST(LayerRulesTest, LowerLayersKnowTypesNotHandles) {
  Tree tree =
      One("os/a.h", "#include \"mpool/types.h\"\n#include \"mpool/env.h\"\n");
  tree.push_back(MakeSource("include/mpool/types.h", ""));
  tree.push_back(MakeSource("include/mpool/env.h", ""));
  EXPECT_THAT(LinesOf(IncludeDirection(tree)), ElementsAre(2));
}

TEST(LayerRulesTest, InnerHeadersInPublicOnesAreReported) {
  const Tree tree = One("include/mpool/a.h",
                        "#include <atomic>\n#include <sys/mman.h>\n"
                        "#include \"absl/time/time.h\"\n"
                        "#include \"mpool/a.h\"\n#include \"os/a.h\"\n");
  EXPECT_THAT(LinesOf(PublicHeadersStandAlone(tree)), ElementsAre(2, 5));
}

TEST(LayerRulesTest, HeadersOfOneNameAreReported) {
  Tree tree = One("mpool/file.h", "");
  tree.push_back(MakeSource("mpool/pool/pool.h", ""));
  tree.push_back(MakeSource("include/mpool/file.h", ""));
  EXPECT_EQ(NoAmbiguousHeaders(tree).size(), 1);
}

TEST(LayerRulesTest, SystemHeadersOutsideOsAreReported) {
  const std::string text =
      "#include <atomic>\n#include <unistd.h>\n"
      "#include <sys/mman.h>\n#include \"os/syscalls.h\"\n";
  EXPECT_THAT(LinesOf(NoSystemHeaders(One("mpool/a.cc", text))),
              ElementsAre(2, 3, 4));
  EXPECT_THAT(NoSystemHeaders(One("os/a.cc", text)), IsEmpty());
  EXPECT_THAT(NoSystemHeaders(One("mpool/a_test.cc", text)), IsEmpty());
}

TEST(LayerRulesTest, SystemCallsOutsideOsAreReported) {
  const std::string text =
      "fd = open(path);\n"
      "::close(fd);\n"
      "file.read(x); file->close(); os::read(x);\n"
      "// fsync(fd)\n"
      "reopen(x); Open(x); is_open(x);\n"
      "if (mmap (0)) return;\n";
  EXPECT_THAT(LinesOf(NoSystemCalls(One("db/a.cc", text))),
              ElementsAre(1, 2, 6));
  EXPECT_THAT(NoSystemCalls(One("os/a.cc", text)), IsEmpty());
  EXPECT_THAT(NoSystemCalls(One("db/a_test.cc", text)), IsEmpty());
}

TEST(LayerRulesTest, SetUidProgramsIgnoreEnvironmentVariables) {
  const std::string plain = "const char* a = std::getenv(\"A\");\n";
  const std::string safe = "const char* a = ::secure_getenv(\"A\");\n";
  for (const char* library : {"os/a.cc", "region/a.h", "db/a.cc"}) {
    EXPECT_EQ(NoUnsafeGetenv(One(library, plain)).size(), 1);
    EXPECT_EQ(NoUnsafeGetenv(One(library, safe)).size(), 1);
  }
  EXPECT_EQ(NoUnsafeGetenv(One("tools/a.cc", plain)).size(), 1);
  EXPECT_THAT(NoUnsafeGetenv(One("tools/a.cc", safe)), IsEmpty());
  EXPECT_THAT(NoUnsafeGetenv(One("db/a_test.cc", plain)), IsEmpty());
}

TEST(LayerRulesTest, BackingsInRegionAndPoolAreReported) {
  const std::string text = "Backing b = Backing::kFile;\n";
  EXPECT_EQ(NoBackingNames(One("region/a.cc", text)).size(), 1);
  EXPECT_EQ(NoBackingNames(One("mpool/a.h", text)).size(), 1);
  EXPECT_THAT(NoBackingNames(One("db/a.cc", text)), IsEmpty());
  EXPECT_THAT(NoBackingNames(One("mpool/a_test.cc", text)), IsEmpty());
}

TEST(StepRulesTest, IllNamedAndRepeatedStepsAreReported) {
  const std::string text =
      "MPOOL_STEP(\"region.create.sized\");\n"
      "MPOOL_STEP(\"region.sized\");\n"
      "MPOOL_STEP(\n    \"os.create.sized\");\n"
      "MPOOL_STEP(\"region.create.sized\");\n";
  EXPECT_THAT(LinesOf(StepNames(One("region/a.cc", text))),
              ElementsAre(2, 3, 5));
}

TEST(StepRulesTest, StoresWithoutAStepAreReported) {
  const std::string text =
      "  word.store(1, std::memory_order_release);\n"
      "}\n"
      "  word.store(1, std::memory_order_release);\n"
      "  MPOOL_STEP(\"region.a.b\");\n"
      "  word.store(1, std::memory_order_relaxed);\n"
      "}\n"
      "  // no step: of this process alone.\n"
      "  word.store(1);\n"
      "}\n"
      "  if (!word->compare_exchange_strong(old, 1,\n"
      "                                     std::memory_order_relaxed)) {\n"
      "  }\n"
      "}\n"
      "  MPOOL_STEP(\"region.a.c\");\n";
  EXPECT_THAT(LinesOf(StoresHaveSteps(One("region/a.cc", text))),
              ElementsAre(1, 10));
  EXPECT_THAT(StoresHaveSteps(One("region/a_test.cc", text)), IsEmpty());
  EXPECT_THAT(StoresHaveSteps(One("os/a.cc", text)), IsEmpty());
}

TEST(StepRulesTest, PlansForUnknownStepsAreReported) {
  Tree tree = One("region/a.cc", "MPOOL_STEP(\"region.a.b\");\n");
  tree.push_back(MakeSource("region/a_test.cc",
                            "KillAtStep(\"region.a.b\", 1);\n"
                            "CallAtStep(\"region.a.c\", f);\n"));
  EXPECT_THAT(LinesOf(StepsInTestsExist(tree)), ElementsAre(2));
}

TEST(ClassRulesTest, LargeClassesAreReported) {
  const auto text = [](const std::string& head, int methods, int members) {
    std::string body = "namespace n {\n" + head + " {\n public:\n  A();\n" +
                       "  ~A();\n  A(const A&) = delete;\n" +
                       "  friend class B;\n  using C = int;\n" +
                       "  enum class E { kA, kB };\n";
    for (int i = 0; i < methods; ++i) {
      body += "  int Get" + std::to_string(i) + "(int a = 1) { return a; }\n";
    }
    for (int i = 0; i < members; ++i) body += "  std::map<int, int> a{1, 2};\n";
    return body + "};\n}\n";
  };
  EXPECT_THAT(ClassSize(One("os/a.h", text("class A", 40, 14))), IsEmpty());
  EXPECT_THAT(LinesOf(ClassSize(One("os/a.h", text("class A", 41, 15)))),
              ElementsAre(2, 2));
  EXPECT_THAT(ClassSize(One("os/a.h", text("// SHARED\nstruct A", 0, 15))),
              IsEmpty());
}

TEST(ClassRulesTest, PreconditionsWithoutAssertionAreReported) {
  Tree tree = One("region/a.h",
                  "class A {\n  // REQUIRES: a.\n  void F(int a);\n"
                  "  // REQUIRES: b. Not\n  // checkable: why.\n  void G();\n"
                  "  // REQUIRES: c.\n  void H() { MPOOL_ASSERT(c); }\n"
                  "  // REQUIRES: d.\n  void I();\n};\n");
  tree.push_back(MakeSource("region/a.cc",
                            "void A::F(int a) {\n  f(a);\n}\n"
                            "void A::I() {\n  AssertHeld(d);\n}\n"));
  EXPECT_THAT(LinesOf(PreconditionsAreChecked(tree)), ElementsAre(2));
}

TEST(ProseRulesTest, FoldersWithManyVaguePhrasesAreReported) {
  const std::string words = "// " + Repeat("word ", 990) + "\n";
  const std::string good = "f(\"nobody\");  // what\n// is it\nint who;\n";
  EXPECT_THAT(VaguePhrases(One("os/a.h",
                               words + "// x" + Repeat(" y", 9) + "\n" + good)),
              IsEmpty());
  EXPECT_THAT(VaguePhrases(One("os/a.h", words + good + "// anew\n")).size(),
              1);
  EXPECT_THAT(VaguePhrases(One("docs/style.md", "who\n")), IsEmpty());
}

TEST(ProseRulesTest, CommentsWithoutSubjectAreReported) {
  const std::string text =
      "// The end\n// Of the line\nint a;  // Whether it is\n// What is\n";
  EXPECT_THAT(LinesOf(CommentStarts(One("os/a.h", text))), ElementsAre(3, 4));
}

TEST(ProseRulesTest, LongPublicSentencesAreReported) {
  const std::string words = Repeat("w ", 13);
  const std::string text = "// " + words + "\n// " + Repeat("w ", 12) +
                           "end. Next\n// - " + words + "\n// - " + words +
                           "\n//     " + Repeat("code ", 30) + "\n";
  EXPECT_THAT(LinesOf(SentenceLength(One("include/mpool/a.h", text))),
              ElementsAre(1));
  EXPECT_THAT(SentenceLength(One("os/a.h", text)), IsEmpty());
}

TEST(NameRulesTest, UnknownNamesInDocumentsAreReported) {
  Tree tree = One("docs/a.md",
                  "`os/a.cc` `a.cc` `os/` `A::F` `ATest.G/0` `os/*.cc`\n"
                  "`b.cc`\n`region/`\n`A::H`\n`ATest.H`\n`std::string`\n");
  tree.push_back(MakeSource("os/a.cc", "void A::F() {}\nTEST(ATest, G) {}\n"));
  EXPECT_THAT(LinesOf(DocumentsNameWhatExists(tree)), ElementsAre(2, 3, 4, 5));
}

TEST(TextRulesTest, UnknownCommandsAndDeadLinksAreReported) {
  Tree tree = One("README.md",
                  "`./dev test` and `./dev dance`\n"
                  "`mpool stat` and `mpool dance`\n"
                  "[a](docs/a.md) [b](docs/b.md) [c](https://c.org)\n");
  tree.push_back(MakeSource("dev", "case $1 in\n  test) run ;;\nesac\n"));
  tree.push_back(
      MakeSource("tools/verbs/stat.cc", "VerbSpec k = {.name = \"stat\"};"));
  tree.push_back(MakeSource("docs/a.md", ""));
  const Findings findings = ReadmeCommandsExist(tree);
  EXPECT_THAT(LinesOf(findings), ElementsAre(1, 2, 3)) << Print(findings);
}

TEST(TextRulesTest, ProgramDifferentFromExampleIsReported) {
  const std::string program = "int main() {}\n";
  const auto tree = [&](const std::string& shown) {
    Tree out = One("README.md", "```cpp\n" + shown + "```\n");
    out.push_back(
        MakeSource("examples/hello.cc",
                   "// [readme begins]\n" + program + "// [readme ends]\n"));
    return out;
  };
  EXPECT_THAT(ReadmeProgramIsTheExample(tree(program)), IsEmpty());
  const Findings findings = ReadmeProgramIsTheExample(tree("int main();\n"));
  EXPECT_THAT(Print(findings), HasSubstr("differs"));
}

TEST(TextRulesTest, AmbiguousMutantTextIsReported) {
  const auto tree = [](const std::string& code) {
    return Tree{MakeSource("os/a.cc", code),
                MakeSource("tests/mutants/list",
                           "mutant a: b\nin os/a.cc\n- one;\n- two;\n"
                           "+ three;\nby os_test *\n")};
  };
  EXPECT_THAT(MutantsCanBePlanted(tree("one;\ntwo;\n")), IsEmpty());
  for (const char* code : {"one;\n", "one;\ntwo;\none;\ntwo;\n"}) {
    EXPECT_THAT(Print(MutantsCanBePlanted(tree(code))),
                HasSubstr("tests/mutants/list:6"));
  }
}

}  // namespace
}  // namespace mpool::tidy
