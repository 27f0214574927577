// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// damage_test.cc - damaged regions: refused while a process is attached. While
// no process is attached, they are recreated or refused with one clear error.

#include <filesystem>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "region/region.h"
#include "tests/support/child.h"
#include "tests/support/pages.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_home.h"

namespace mpool {
namespace {

namespace fs = std::filesystem;

using absl::StatusCode;
using region::FixedHeader;
using region::RegionHeader;
using test::Channel;
using test::Child;
using test::Fails;
using test::GetText;
using test::IsOk;
using test::OpenBoth;
using test::Overwrite;
using test::PutText;
using test::SmallEnv;
using test::TempHome;
using test::TextOn;

// The files of the region, as they were before the damage.
class Victim {
 public:
  explicit Victim(const TempHome& home)
      : descriptor(home.Below(region::kDescriptorName)),
        segment(SegmentOf(home)),
        descriptor_bytes_(test::BytesOf(descriptor)),
        segment_bytes_(test::BytesOf(segment)) {}

  const std::string descriptor;
  const std::string segment;

  void Scribble(const std::string& path, size_t size) const {
    std::mt19937 random(7);
    std::string noise(size, 0);
    for (char& c : noise) c = static_cast<char>(random());
    Overwrite(path, 0, noise);
  }
  // Changes both copies of the header in a file and seals them.
  void Forge(const std::string& path,
             const std::function<void(FixedHeader&)>& change) const {
    FixedHeader fixed;
    const std::string bytes = test::BytesOf(path, 0, sizeof(fixed));
    std::memcpy(&fixed, bytes.data(), sizeof(fixed));
    change(fixed);
    region::Seal(&fixed);
    const std::string copy(reinterpret_cast<const char*>(&fixed),
                           sizeof(fixed));
    Overwrite(path, 0, copy + copy);
  }
  void ForgeAll(const std::function<void(FixedHeader&)>& change) const {
    Forge(descriptor, change);
    Forge(segment, change);
  }
  void SetWord(size_t offset, uint64_t value) const {
    Overwrite(segment, offset,
              {reinterpret_cast<const char*>(&value), sizeof(value)});
  }
  std::string Away() const { return segment + ".away"; }

  void Restore() const {
    if (fs::exists(Away())) fs::rename(Away(), segment);
    if (!fs::exists(descriptor)) test::MakeFile(descriptor, "");
    Overwrite(descriptor, 0, descriptor_bytes_);
    Overwrite(segment, 0, segment_bytes_);
  }
  // Returns the bytes of all files, so that a test sees if any changed.
  std::vector<std::string> Snapshot() const {
    std::vector<std::string> all;
    for (const std::string& path : {descriptor, segment, Away()}) {
      all.push_back(fs::exists(path) ? test::BytesOf(path) : "(none)");
    }
    return all;
  }

 private:
  static std::string SegmentOf(const TempHome& home) {
    const auto segments = test::SegmentsOf(home.path());
    return segments.empty() ? home.Below("__db.002")
                            : "/dev/shm/" + segments[0];
  }

  const std::string descriptor_bytes_;
  const std::string segment_bytes_;
};

struct Damage {
  const char* name;
  std::function<void(const Victim&)> harm;
  const char* words;  // of the refusal while a process is attached
  // The refusal with no process attached; Ok if the region is recreated.
  StatusCode idle = StatusCode::kOk;
};

const std::vector<Damage> kDamages = {
    {"OtherVersion",
     [](const Victim& v) {
       v.ForgeAll([](FixedHeader& fixed) { fixed.version = 77; });
     },
     "layout version 77", StatusCode::kFailedPrecondition},
    {"OtherSignature",
     [](const Victim& v) {
       v.ForgeAll([](FixedHeader& fixed) { fixed.signature = 0xabcdef01; });
     },
     "signature abcdef01", StatusCode::kFailedPrecondition},
    {"OtherVersionInTheRegionAlone",
     [](const Victim& v) {
       v.Forge(v.segment, [](FixedHeader& fixed) { fixed.version = 77; });
     },
     "layout version 77", StatusCode::kFailedPrecondition},
    {"OtherBoot",
     [](const Victim& v) {
       v.ForgeAll([](FixedHeader& fixed) { fixed.boot_id[3] ^= 1; });
     },
     "another boot"},
    {"OtherCreation",
     [](const Victim& v) {
       v.Forge(v.descriptor,
               [](FixedHeader& fixed) { fixed.creation_id[3] ^= 1; });
     },
     "another creation"},
    {"LessAddressSpace",
     [](const Victim& v) {
       v.ForgeAll([](FixedHeader& fixed) { fixed.reserved_bytes = 8192; });
     },
     "its header is damaged", StatusCode::kDataLoss},
    {"GarbageDescriptor",
     [](const Victim& v) { v.Scribble(v.descriptor, 384); },
     "__db.001 is gone or damaged"},
    {"EmptyDescriptor",
     [](const Victim& v) { test::SetSize(v.descriptor, 0); },
     "__db.001 is gone or damaged"},
    {"DescriptorGone", [](const Victim& v) { fs::remove(v.descriptor); },
     "__db.001 is gone or damaged"},
    {"SegmentGone", [](const Victim& v) { fs::rename(v.segment, v.Away()); },
     "its memory is gone"},
    {"SegmentEmpty", [](const Victim& v) { test::SetSize(v.segment, 0); },
     "its memory is cut short"},
    {"SegmentOfOnePage",
     [](const Victim& v) { test::SetSize(v.segment, 4096); },
     "its memory is cut short"},
    {"SegmentWithoutItsLastPage",
     [](const Victim& v) {
       test::SetSize(v.segment, fs::file_size(v.segment) - 4096);
     },
     "its memory is cut short"},
    {"GarbageHeader",
     [](const Victim& v) { v.Scribble(v.segment, sizeof(RegionHeader)); },
     "its header is damaged", StatusCode::kDataLoss},
    {"GarbageFixedCopies",
     [](const Victim& v) { v.Scribble(v.segment, 2 * sizeof(FixedHeader)); },
     "its header is damaged", StatusCode::kDataLoss},
    {"NoMagic",
     [](const Victim& v) { v.SetWord(offsetof(RegionHeader, magic), 0); },
     "its creation was never finished"},
    {"SizeOfZero",
     [](const Victim& v) {
       v.SetWord(offsetof(RegionHeader, size_bytes), 0);
     },
     "its header is damaged", StatusCode::kDataLoss},
    {"RootOutside",
     [](const Victim& v) {
       v.SetWord(offsetof(RegionHeader, root), uint64_t{1} << 50);
     },
     "its header is damaged", StatusCode::kDataLoss},
};

class DamageTest
    : public ::testing::TestWithParam<std::tuple<Damage, Backing>> {
 protected:
  const Damage& damage() const { return std::get<0>(GetParam()); }
  EnvOptions options() const { return SmallEnv(std::get<1>(GetParam())); }

  TempHome home_;
};
INSTANTIATE_TEST_SUITE_P(
    All, DamageTest,
    ::testing::Combine(::testing::ValuesIn(kDamages),
                       ::testing::Values(Backing::kPosixShm, Backing::kFile)),
    [](const auto& test) {
      return std::string(std::get<0>(test.param).name) +
             (std::get<1>(test.param) == Backing::kFile ? "InFile" : "InShm");
    });

TEST_P(DamageTest, DamageInUseIsRefusedUnchanged) {
  Child holder([&](Channel& parent) -> std::string {
    auto both = *OpenBoth(home_.path(), options());
    EXPECT_THAT(PutText(*both.file, 0, "held"), IsOk());
    parent.Say("in");
    parent.Hear();
    EXPECT_EQ(GetText(*both.file, 0), "held");
    return both.Close().ToString();
  });
  ASSERT_EQ(holder.Hear(), "in");
  const Victim victim(home_);
  damage().harm(victim);
  const auto before = victim.Snapshot();
  EXPECT_THAT(DbEnv::Open(home_.path(), options()),
              Fails(StatusCode::kFailedPrecondition, "join region of",
                    home_.path(), damage().words));
  static_cast<void>(DbEnv::Inspect(home_.path()));
  EXPECT_THAT(DbEnv::Remove(home_.path(), true),
              Fails(StatusCode::kFailedPrecondition, "in use"));
  EXPECT_EQ(victim.Snapshot(), before);
  victim.Restore();
  auto both = OpenBoth(home_.path(), options());
  ASSERT_THAT(both, IsOk());
  EXPECT_EQ(GetText(*both->file, 0), "held");
  EXPECT_THAT(both->Close(), IsOk());
  holder.Say("go");
  EXPECT_EQ(holder.End(), "OK");
}

TEST_P(DamageTest, IdleDamageIsRecreatedOrRefused) {
  ASSERT_EQ(test::InChild([&] {
              auto both = *OpenBoth(home_.path(), options());
              EXPECT_THAT(PutText(*both.file, 0, "on disk"), IsOk());
              return both.Close().ToString();
            }),
            "OK");
  const Victim victim(home_);
  damage().harm(victim);
  static_cast<void>(DbEnv::Inspect(home_.path()));
  const auto before = victim.Snapshot();
  auto both = OpenBoth(home_.path(), options());
  const bool refused = damage().idle != StatusCode::kOk;
  if (refused) {
    EXPECT_THAT(both, Fails(damage().idle, home_.path(), damage().words,
                            "mpool remove"));
    EXPECT_THAT(DbEnv::Remove(home_.path()),
                Fails(damage().idle, damage().words));
    EXPECT_EQ(victim.Snapshot(), before);
    EXPECT_THAT(DbEnv::Remove(home_.path(), true), IsOk());
    both = OpenBoth(home_.path(), options());
  }
  ASSERT_THAT(both, IsOk());
  EXPECT_EQ(GetText(*both->file, 0), "on disk");
  EXPECT_EQ(both->env->Stats().processes, 1u);
  // Nothing of the previous region is left.
  EXPECT_LE(test::SegmentsOf(home_.path()).size(), 1u);
  EXPECT_THAT(PutText(*both->file, 0, "new"), IsOk());
  EXPECT_THAT(both->Close(), IsOk());
  EXPECT_THAT(DbEnv::Inspect(home_.path()), IsOk());
}

TEST_P(DamageTest, IdleDamagedRegionIsRemovable) {
  ASSERT_EQ(test::InChild([&] {
              return OpenBoth(home_.path(), options())->Close().ToString();
            }),
            "OK");
  const Victim victim(home_);
  damage().harm(victim);
  const bool refused = damage().idle != StatusCode::kOk;
  EXPECT_THAT(DbEnv::Remove(home_.path(), refused), IsOk());
  auto left = test::AllOf(home_.path());
  std::erase(left, "__db.002.away");  // not a name of ours
  EXPECT_THAT(left, ::testing::ElementsAre("pages.db"));
}

// The memory's last name is removed. Attached processes still have it mapped.
class UnlinkedSegmentTest : public ::testing::TestWithParam<Backing> {
 protected:
  TempHome home_;
};
INSTANTIATE_TEST_SUITE_P(Shared, UnlinkedSegmentTest,
                         ::testing::Values(Backing::kPosixShm, Backing::kFile));

TEST_P(UnlinkedSegmentTest, RefusesJoinersUntilTheLastHolderClosed) {
  Child holder([&](Channel& parent) -> std::string {
    auto both = *OpenBoth(home_.path(), SmallEnv(GetParam()));
    EXPECT_THAT(PutText(*both.file, 0, "before"), IsOk());
    parent.Say("in");
    parent.Hear();
    EXPECT_EQ(GetText(*both.file, 0), "before");
    EXPECT_THAT(PutText(*both.file, 0, "after"), IsOk());
    EXPECT_THAT(both.file->Sync(), IsOk());
    EXPECT_THAT(PutText(*both.file, 1, "at close"), IsOk());
    return both.Close().ToString();
  });
  ASSERT_EQ(holder.Hear(), "in");
  ASSERT_TRUE(fs::remove(Victim(home_).segment));
  const auto before = test::AllOf(home_.path());
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(DbEnv::Open(home_.path(), SmallEnv(GetParam())),
                Fails(StatusCode::kFailedPrecondition, "join region of",
                      home_.path(), "its memory is gone"));
  }
  EXPECT_EQ(test::AllOf(home_.path()), before);
  holder.Say("go");
  EXPECT_EQ(holder.End(), "OK");
  auto both = OpenBoth(home_.path(), SmallEnv(GetParam()));
  ASSERT_THAT(both, IsOk());
  EXPECT_EQ(both->env->Stats().pages_written, 0u);  // the region is a new one
  EXPECT_EQ(GetText(*both->file, 0), "after");
  EXPECT_EQ(GetText(*both->file, 1), "at close");
  EXPECT_THAT(both->Close(), IsOk());
  EXPECT_THAT(DbEnv::Remove(home_.path()), IsOk());
  EXPECT_THAT(test::AllOf(home_.path()), ::testing::ElementsAre("pages.db"));
}

// A copied home has the descriptor of the original, and must not share its
// memory.
class CopiedHomeTest : public ::testing::TestWithParam<Backing> {
 protected:
  void Copy() {
    fs::copy(home_.path(), copy_.path(),
             fs::copy_options::overwrite_existing |
                 fs::copy_options::recursive);
  }
  EnvOptions options() const { return SmallEnv(GetParam()); }

  TempHome home_;
  TempHome copy_;
};
INSTANTIATE_TEST_SUITE_P(Shared, CopiedHomeTest,
                         ::testing::Values(Backing::kPosixShm,
                                           Backing::kFile));

TEST_P(CopiedHomeTest, CopyGetsOwnRegion) {
  auto first = *OpenBoth(home_.path(), options());
  ASSERT_THAT(PutText(*first.file, 0, "on disk"), IsOk());
  ASSERT_THAT(first.file->Sync(), IsOk());
  ASSERT_THAT(PutText(*first.file, 0, "first"), IsOk());
  const auto guard = *first.file->Get(0);
  Copy();
  EXPECT_EQ(test::InChild([&]() -> std::string {
              EXPECT_THAT(DbEnv::Inspect(copy_.path()),
                          Fails(StatusCode::kDataLoss, "another home"));
              auto second = *OpenBoth(copy_.path(), options());
              EXPECT_EQ(second.env->Stats().processes, 1u);
              EXPECT_EQ(GetText(*second.file, 0), "on disk");
              EXPECT_THAT(PutText(*second.file, 0, "second"), IsOk());
              EXPECT_THAT(second.Close(), IsOk());
              return DbEnv::Remove(copy_.path()).ToString();
            }),
            "OK");
  EXPECT_EQ(first.env->Stats().processes, 1u);
  EXPECT_EQ(TextOn(guard.data()), "first");
  EXPECT_THAT(DbEnv::Inspect(home_.path()), IsOk());
  EXPECT_EQ(test::DiskText(copy_.Below("pages.db"), 0), "second");
}

TEST_P(CopiedHomeTest, RemovedCopyLeavesOriginal) {
  ASSERT_EQ(test::InChild([&]() -> std::string {
              static auto both = *OpenBoth(home_.path(), options());
              EXPECT_THAT(PutText(*both.file, 0, "dirty"), IsOk());
              return "killed";
            }),
            "killed");
  Copy();
  EXPECT_THAT(DbEnv::Remove(copy_.path(), /*force=*/true), IsOk());
  EXPECT_THAT(test::AllOf(copy_.path()), ::testing::ElementsAre("pages.db"));
  auto both = *OpenBoth(home_.path(), options());
  EXPECT_EQ(GetText(*both.file, 0), "dirty");
}

// The files of the region were removed, so its memory cannot be found by them.
TEST(LostDescriptorTest, MemoryIsRemovedAndLossReported) {
  for (const bool remove : {false, true}) {
    const TempHome home;
    ASSERT_THAT(OpenBoth(home.path())->Close(), IsOk());
    fs::remove(home.Below(region::kDescriptorName));
    fs::remove(home.Below(region::kRegisterName));
    ASSERT_EQ(test::SegmentsOf(home.path()).size(), 1u);
    if (remove) {
      EXPECT_THAT(DbEnv::Remove(home.path()), IsOk());
      EXPECT_THAT(test::AllOf(home.path()), ::testing::ElementsAre("pages.db"));
    } else {
      auto both = *OpenBoth(home.path());
      EXPECT_EQ(both.env->Stats().origin, Origin::kLost);
      EXPECT_EQ(test::SegmentsOf(home.path()).size(), 1u);
    }
  }
}

}  // namespace
}  // namespace mpool
