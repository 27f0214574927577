// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// Checks the project's own tree against each style rule.

#include <gtest/gtest.h>

#include <string>

#include "tests/tidy/rules.h"
#include "tests/tidy/source.h"

namespace mpool::tidy {
namespace {

const Tree& Project() {
  static const Tree tree = LoadTree(MPOOL_SOURCE_DIR);
  return tree;
}

void ExpectNone(const Findings& findings) {
  EXPECT_TRUE(findings.empty()) << Print(findings);
}

TEST(TidyTest, TheTreeIsFound) {
  EXPECT_NE(Find(Project(), "include/mpool/mpool.h"), nullptr);
  EXPECT_NE(Find(Project(), "os/step.h"), nullptr);
  EXPECT_NE(Find(Project(), "CMakeLists.txt"), nullptr);
  EXPECT_NE(Find(Project(), "dev"), nullptr);
}

TEST(TidyTest, FilesAreShort) {
  ExpectNone(FileLength(Project()));
}
TEST(TidyTest, LinesAreShort) { ExpectNone(LineLength(Project())); }
TEST(TidyTest, FunctionsAreShort) { ExpectNone(FunctionLength(Project())); }
TEST(TidyTest, ClassesAreSmall) {
  ExpectNone(ClassSize(Project()));
}
TEST(TidyTest, FilesNameTheLicence) { ExpectNone(LicenceLine(Project())); }
TEST(TidyTest, GuardsFollowThePath) { ExpectNone(HeaderGuard(Project())); }
TEST(TidyTest, NothingJumps) { ExpectNone(NoGoto(Project())); }
TEST(TidyTest, NothingIsLeftOpen) { ExpectNone(NoOpenEnds(Project())); }
TEST(TidyTest, TestsCanFail) { ExpectNone(NoEmptyTests(Project())); }

TEST(TidyTest, IncludesGoDownward) { ExpectNone(IncludeDirection(Project())); }
TEST(TidyTest, PublicHeadersIncludeOnlyPublicOnes) {
  ExpectNone(PublicHeadersStandAlone(Project()));
}
TEST(TidyTest, EveryIncludeNamesOneFile) {
  ExpectNone(NoAmbiguousHeaders(Project()));
}
TEST(TidyTest, OnlyOsIncludesSystemHeaders) {
  ExpectNone(NoSystemHeaders(Project()));
}
TEST(TidyTest, OnlyOsMakesSystemCalls) { ExpectNone(NoSystemCalls(Project())); }
TEST(TidyTest, TheLibraryReadsNoEnvironmentVariables) {
  ExpectNone(NoUnsafeGetenv(Project()));
}
TEST(TidyTest, RegionAndPoolKnowNoBacking) {
  ExpectNone(NoBackingNames(Project()));
}

TEST(TidyTest, StepNamesHaveLayerVerbAndPoint) {
  ExpectNone(StepNames(Project()));
}
TEST(TidyTest, TestsNameStepsThatExist) {
  ExpectNone(StepsInTestsExist(Project()));
}

TEST(TidyTest, StoresThatOthersActOnHaveSteps) {
  ExpectNone(StoresHaveSteps(Project()));
}

TEST(TidyTest, PreconditionsHaveAssertions) {
  ExpectNone(PreconditionsAreChecked(Project()));
}
TEST(TidyTest, ProseNamesItsSubjects) { ExpectNone(VaguePhrases(Project())); }
TEST(TidyTest, CommentsStartWithSubjectOrVerb) {
  ExpectNone(CommentStarts(Project()));
}
TEST(TidyTest, PublicSentencesAreShort) {
  ExpectNone(SentenceLength(Project()));
}
TEST(TidyTest, DocumentsNameOnlyExistingThings) {
  ExpectNone(DocumentsNameWhatExists(Project()));
}
TEST(TidyTest, ReadmeCommandsExist) {
  ExpectNone(ReadmeCommandsExist(Project()));
}
TEST(TidyTest, ReadmeShowsTheTestedProgram) {
  ExpectNone(ReadmeProgramIsTheExample(Project()));
}
TEST(TidyTest, MutantsCanBePlanted) {
  ExpectNone(MutantsCanBePlanted(Project()));
}

}  // namespace
}  // namespace mpool::tidy
