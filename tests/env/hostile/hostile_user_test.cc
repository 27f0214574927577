// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// hostile_user_test.cc - other users plant objects under the names of the
// environment, or share it with their group. Mounts and flags forbid access.

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/shm.h>

#include <filesystem>

#include "tests/support/all_backings.h"
#include "tests/support/hostile.h"

namespace mpool {
namespace {

namespace fs = std::filesystem;

using absl::StatusCode;
using test::Fails;
using test::GetText;
using test::IsOk;
using test::PutText;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class HostileUserTest : public HostileTest {
 protected:
  std::string Descriptor() const { return home_.Below("__db.001"); }
  region::FixedHeader Described() const {
    return **region::ReadDescriptor(*os::File::OpenDirectory(home_.path()));
  }
  // Writes both copies of the header, sealed.
  void Describe(region::FixedHeader fixed) const {
    region::Seal(&fixed);
    const std::string copy(reinterpret_cast<const char*>(&fixed),
                           sizeof(fixed));
    test::Overwrite(Descriptor(), 0, copy + copy);
  }
};

TEST_F(HostileUserTest, ForeignFilesInStickyHomeAreRefused) {
  MPOOL_NEEDS_USERS();
  ASSERT_EQ(::chmod(home_.path().c_str(), 01777), 0);
  const std::string path = home_.Below("__db.register");
  ASSERT_EQ(As(kAlice, {}, [&] {
              test::MakeFile(path, "");
              EXPECT_EQ(::chmod(path.c_str(), 0666), 0);
              return std::string("planted");
            }),
            "planted");
  EXPECT_EQ(As(kBob, {}, [&] {
              const auto opened = Open(Backing::kFile);
              EXPECT_THAT(opened, Fails(StatusCode::kFailedPrecondition, path,
                                        "user 61001", "remove it"));
              return opened.status().ok() ? std::string("joined") : "refused";
            }),
            "refused");
  fs::remove(path);
  EXPECT_EQ(As(kBob, {},
               [&] { return Open(Backing::kFile)->Close().ToString(); }),
            "OK");
  // The register now belongs to Bob, so Alice and root are refused.
  EXPECT_THAT(
      As(kAlice, {}, [&] { return Open(Backing::kFile).status().ToString(); }),
      HasSubstr("PERMISSION_DENIED"));
  EXPECT_THAT(Open(Backing::kFile), Fails(StatusCode::kFailedPrecondition, path,
                                          "user 61002"));
  EXPECT_EQ(As(kBob, {}, [&] {
              return DbEnv::Remove(home_.path()).ToString();
            }),
            "OK");
}

struct Sharing {
  const char* name;
  Backing backing;
  mode_t home_mode;
};
class GroupTest : public HostileUserTest,
                  public ::testing::WithParamInterface<Sharing> {
 protected:
  EnvOptions Options() const {
    EnvOptions options = test::SmallEnv(GetParam().backing);
    options.mode = 0660;
    return options;
  }
  FileOptions ForGroup() const { return {.create = true, .mode = 0660}; }
  absl::StatusOr<std::unique_ptr<DbEnv>> OpenShared() const {
    return DbEnv::Open(home_.path(), Options());
  }
};
INSTANTIATE_TEST_SUITE_P(
    Shared, GroupTest,
    ::testing::Values(Sharing{"ShmWithSetGroupId", Backing::kPosixShm, 02770},
                      Sharing{"Shm", Backing::kPosixShm, 0770},
                      Sharing{"FileWithSetGroupId", Backing::kFile, 02770},
                      Sharing{"File", Backing::kFile, 0770}),
    [](const auto& test) { return std::string(test.param.name); });

// The home is owned by neither of the two users.
TEST_P(GroupTest, OnlyMembersShareEnvironment) {
  MPOOL_NEEDS_USERS();
  ASSERT_EQ(::chown(home_.path().c_str(), kBob + 1, kTeam), 0);
  ASSERT_EQ(::chmod(home_.path().c_str(), GetParam().home_mode), 0);
  const auto put = [&](PageNo page, const std::string& text) {
    const os::ScopedUmask umask(0007);
    auto env = OpenShared();
    if (!env.ok()) return env.status().ToString();
    auto file = (*env)->OpenFile("pages.db", ForGroup());
    if (!file.ok()) return file.status().ToString();
    // The user sets the group of a page file himself.
    static_cast<void>(::chown(home_.Below("pages.db").c_str(), -1u, kTeam));
    EXPECT_THAT(PutText(**file, page, text), IsOk());
    EXPECT_EQ(GetText(**file, 0), "alice");
    EXPECT_THAT((*file)->Close(), IsOk());
    return (*env)->Close().ToString();
  };
  EXPECT_EQ(As(kAlice, {kTeam}, [&] { return put(0, "alice"); }), "OK");
  EXPECT_EQ(As(kBob, {kTeam}, [&] { return put(1, "bob"); }), "OK");
  EXPECT_EQ(As(kAlice, {kTeam}, [&] { return put(2, "again"); }), "OK");
  EXPECT_THAT(As(kBob + 2, {}, [&] { return put(3, "carol"); }),
              HasSubstr("PERMISSION_DENIED"));
  const EnvStats stats = *DbEnv::Inspect(home_.path());
  EXPECT_EQ(stats.adoptions, 2u);
}

TEST_F(HostileUserTest, OtherGroupsFilesAreRefusedWithAdvice) {
  MPOOL_NEEDS_USERS();
  ASSERT_EQ(::chown(home_.path().c_str(), kBob + 1, kTeam), 0);
  ASSERT_EQ(::chmod(home_.path().c_str(), 0770), 0);
  // Mode 0600 is for Alice alone, because her group has no other member.
  const std::string memory = As(kAlice, {kTeam}, [&] {
    EXPECT_THAT(DbEnv::Open(home_.path(), test::SmallEnv()), IsOk());
    return SegmentPath();
  });
  EXPECT_THAT(Open(Backing::kPosixShm),
              Fails(StatusCode::kFailedPrecondition, "__db.register",
                    "user 61001", "group 61001", "chmod 2770"));
  for (const std::string& name : {home_.Below("__db.register"),
                                  home_.Below("__db.001"), memory}) {
    EXPECT_TRUE(fs::remove(name)) << name;
  }
}

// The name of the memory is known only to users that may read the descriptor.
// If the memory was removed, another user may still use the name.
TEST_F(HostileUserTest, ForeignMemoryIsLeftAlone) {
  MPOOL_NEEDS_USERS();
  ASSERT_EQ(UseAs(Backing::kPosixShm), "OK");
  const std::string path = SegmentPath();
  const auto size = static_cast<off_t>(fs::file_size(path));
  fs::remove(path);
  ASSERT_EQ(As(kAlice, {}, [&] {
              test::MakeFile(path, "");
              test::SetSize(path, static_cast<uint64_t>(size));
              EXPECT_EQ(::chmod(path.c_str(), 0666), 0);
              return std::string("squatted");
            }),
            "squatted");
  const auto refused = Fails(StatusCode::kFailedPrecondition, path,
                             "user 61001", "remove it");
  EXPECT_THAT(Open(Backing::kPosixShm), refused);
  EXPECT_THAT(DbEnv::Inspect(home_.path()), refused);
  EXPECT_THAT(DbEnv::Remove(home_.path()), refused);
  EXPECT_THAT(DbEnv::Remove(home_.path(), true), IsOk());
  EXPECT_TRUE(fs::exists(path));
  auto both = *Open(Backing::kPosixShm);
  EXPECT_EQ(both.env->Stats().origin, Origin::kNew);
  EXPECT_TRUE(fs::exists(path));
  fs::remove(path);
}

// Their prefix follows from the home, and any user may make files there.
TEST_F(HostileUserTest, SquattersInDevShmAreLeftAlone) {
  MPOOL_NEEDS_USERS();
  const os::FileIdentity home =
      os::File::OpenDirectory(home_.path())->Info()->identity;
  const std::string squat =
      "/dev/shm" + os::MappingName(Backing::kPosixShm, home, 1);
  ASSERT_EQ(As(kAlice, {}, [&] {
              test::MakeFile(squat, "squat");
              fs::create_directory(squat + ".d");
              EXPECT_EQ(::mkfifo((squat + ".f").c_str(), 0666), 0);
              return std::string("squatted");
            }),
            "squatted");
  ASSERT_EQ(::chown(home_.path().c_str(), kBob, kBob), 0);
  EXPECT_EQ(As(kBob, {}, [&] {
              auto both = *Open(Backing::kPosixShm);
              EXPECT_EQ(both.env->Stats().origin, Origin::kNew);
              EXPECT_THAT(both.Close(), IsOk());
              return DbEnv::Remove(home_.path()).ToString();
            }),
            "OK");
  EXPECT_FALSE(os::HasStrayMappings(*os::File::OpenDirectory(home_.path())));
  for (const char* end : {"", ".d", ".f"}) {
    EXPECT_TRUE(fs::exists(squat + end)) << end;
    fs::remove(squat + end);
  }
}

// Makes another user's segment under the key and the name of a removed segment.
std::string Squat(const os::IpcsLine& gone, const std::string& name) {
  const int id = ::shmget(static_cast<key_t>(gone.key), gone.size,
                          IPC_CREAT | IPC_EXCL | 0666);
  if (id < 0) return "failed";
  char* base = static_cast<char*>(::shmat(id, nullptr, 0));
  name.copy(base + gone.size / 4096 * 4096, name.size());
  return "squatted";
}

TEST_F(HostileUserTest, ForeignSysVSegmentIsNotJoined) {
  MPOOL_NEEDS_USERS();
  ASSERT_EQ(UseAs(Backing::kSysV), "OK");
  const std::string name = Described().segment;
  const os::IpcsLine line = os::IpcsOf(name);
  ASSERT_EQ(::shmctl(line.id, IPC_RMID, nullptr), 0);
  ASSERT_EQ(As(kAlice, {}, [&] { return Squat(line, name); }), "squatted");
  const auto refused = Fails(StatusCode::kFailedPrecondition, name,
                             "user 61001");
  EXPECT_THAT(Open(Backing::kSysV), refused);
  EXPECT_THAT(DbEnv::Inspect(home_.path()), refused);
  EXPECT_THAT(DbEnv::Remove(home_.path(), /*force=*/true), IsOk());
  ASSERT_EQ(::shmctl(os::IpcsOf(name).id, IPC_RMID, nullptr), 0)
      << "it was removed";
  auto both = *Open(Backing::kSysV);
  EXPECT_EQ(both.env->Stats().origin, Origin::kNew);
  EXPECT_EQ(GetText(*both.file, 0), "put");
}

// Segments without read permission are not the home's if its users made them.
TEST_F(HostileUserTest, TakenSysVKeyDelaysNoOpen) {
  MPOOL_NEEDS_USERS();
  ASSERT_EQ(::chown(home_.path().c_str(), kBob, kBob), 0);
  std::vector<key_t> squats;
  auto lose_it_to_alice = [&] {
    ASSERT_EQ(As(kBob, {}, [&] { return UseAs(Backing::kSysV); }), "OK");
    const os::IpcsLine line = os::IpcsOf(Described().segment);
    ASSERT_EQ(::shmctl(line.id, IPC_RMID, nullptr), 0);
    ASSERT_EQ(As(kAlice, {}, [&] {
                return std::string(
                    ::shmget(static_cast<key_t>(line.key), line.size,
                             IPC_CREAT | IPC_EXCL | 0600) < 0
                        ? "failed"
                        : "squatted");
              }),
              "squatted");
    squats.push_back(static_cast<key_t>(line.key));
  };
  lose_it_to_alice();
  EXPECT_EQ(As(kBob, {}, [&] {
              auto both = *Open(Backing::kSysV);
              EXPECT_EQ(both.env->Stats().origin, Origin::kLost);
              EXPECT_THAT(both.Close(), IsOk());
              return DbEnv::Remove(home_.path()).ToString();
            }),
            "OK");
  lose_it_to_alice();
  EXPECT_EQ(As(kBob, {}, [&] {
              return DbEnv::Remove(home_.path(), /*force=*/true).ToString();
            }),
            "OK");
  for (const key_t key : squats) {
    const int id = ::shmget(key, 0, 0);
    EXPECT_GE(id, 0) << "it was removed";
    ::shmctl(id, IPC_RMID, nullptr);
  }
}

// A segment as if a process had died during the creation of the home's.
TEST_F(HostileUserTest, ForeignSysVSegmentIsNoStray) {
  MPOOL_NEEDS_USERS();
  ASSERT_EQ(UseAs(Backing::kSysV), "OK");
  const std::string name = Described().segment;
  const os::IpcsLine line = os::IpcsOf(name);
  ASSERT_THAT(DbEnv::Remove(home_.path()), IsOk());
  ASSERT_EQ(As(kAlice, {}, [&] { return Squat(line, name); }), "squatted");
  EXPECT_FALSE(os::HasStrayMappings(*os::File::OpenDirectory(home_.path())));
  auto both = *Open(Backing::kSysV);
  EXPECT_EQ(both.env->Stats().origin, Origin::kNew);
  EXPECT_THAT(both.Close(), IsOk());
  EXPECT_EQ(::shmctl(os::IpcsOf(name).id, IPC_RMID, nullptr), 0);
}

// Root maintains the home of a user that wrote other names into the descriptor.
TEST_F(HostileUserTest, DescriptorLeadsOnlyToOwnMemory) {
  for (const Backing backing : {Backing::kFile, Backing::kPosixShm}) {
    const std::string other = absl::StrCat("/mpool-not-yours-", ::getpid());
    const std::string name =
        backing == Backing::kFile
            ? "../" + fs::path(outside_.path()).filename().string() + "/victim"
            : other;
    test::MakeFile("/dev/shm" + other, "precious");
    for (const bool force : {false, true}) {
      ASSERT_EQ(UseAs(backing), "OK");
      auto forged = Described();
      std::memset(forged.segment, 0, sizeof(forged.segment));
      name.copy(forged.segment, sizeof(forged.segment) - 1);
      Describe(forged);
      EXPECT_THAT(DbEnv::Inspect(home_.path()),
                  Fails(StatusCode::kDataLoss, "another creation"));
      EXPECT_THAT(DbEnv::Remove(home_.path(), force), IsOk());
      EXPECT_EQ(test::BytesOf("/dev/shm" + other), "precious");
      EXPECT_EQ(test::BytesOf(victim()), "precious");
    }
    ASSERT_EQ(UseAs(backing), "OK");
    auto forged = Described();
    std::memset(forged.segment, 0, sizeof(forged.segment));
    name.copy(forged.segment, sizeof(forged.segment) - 1);
    Describe(forged);
    auto both = *Open(backing);
    EXPECT_EQ(both.env->Stats().origin, Origin::kLost);
    EXPECT_THAT(both.Close(), IsOk());
    EXPECT_EQ(test::BytesOf("/dev/shm" + other), "precious");
    EXPECT_THAT(DbEnv::Remove(home_.path()), IsOk());
    fs::remove("/dev/shm" + other);
  }
}

TEST_F(HostileUserTest, ReadOnlyMountAllowsOnlyInspection) {
  ASSERT_EQ(UseAs(Backing::kFile), "OK");
  const auto before = test::FilesIn(home_.path());
  EXPECT_EQ(test::InChild([&]() -> std::string {
              EXPECT_THAT(test::EnterOwnMounts(), IsOk());
              const char* home = home_.path().c_str();
              EXPECT_EQ(::mount(home, home, nullptr, MS_BIND, nullptr), 0);
              EXPECT_EQ(::mount(home, home, nullptr,
                                MS_BIND | MS_REMOUNT | MS_RDONLY, nullptr),
                        0);
              EXPECT_THAT(Open(Backing::kFile),
                          Fails(StatusCode::kPermissionDenied, home_.path(),
                                "EROFS", "mounted writable"));
              EXPECT_THAT(DbEnv::Remove(home_.path()),
                          Fails(StatusCode::kPermissionDenied, "EROFS"));
              EXPECT_THAT(DbEnv::Inspect(home_.path()), IsOk());
              return "done";
            }),
            "done");
  EXPECT_EQ(test::FilesIn(home_.path()), before);
  EXPECT_EQ(GetText(*Open(Backing::kFile)->file, 0), "put");
}

TEST_F(HostileUserTest, RestrictedMountWorks) {
  EXPECT_EQ(test::InChild([&]() -> std::string {
              EXPECT_THAT(test::EnterOwnMounts(), IsOk());
              EXPECT_EQ(::mount("tmpfs", home_.path().c_str(), "tmpfs",
                                MS_NOEXEC | MS_NOSUID | MS_NODEV, "size=64m"),
                        0);
              for (const Backing backing : os::kSharedBackings) {
                auto both = Open(backing);
                EXPECT_THAT(both, IsOk());
                EXPECT_THAT(PutText(*both->file, 0, "put"), IsOk());
                EXPECT_THAT(both->file->Sync(), IsOk());
                EXPECT_THAT(both->Close(), IsOk());
                EXPECT_THAT(DbEnv::Remove(home_.path()), IsOk());
              }
              return "done";
            }),
            "done");
  EXPECT_THAT(test::AllOf(home_.path()), IsEmpty());
}

TEST_F(HostileUserTest, TwoMountsShareEnvironment) {
  const test::TempHome mounted;
  EXPECT_EQ(test::InChild([&]() -> std::string {
              EXPECT_THAT(test::EnterOwnMounts(), IsOk());
              EXPECT_EQ(::mount(home_.path().c_str(), mounted.path().c_str(),
                                nullptr, MS_BIND, nullptr),
                        0);
              auto here = *Open(Backing::kPosixShm);
              EXPECT_THAT(PutText(*here.file, 0, "here"), IsOk());
              // One more handle in this process, one more attachment in
              // another.
              auto there = *test::OpenBoth(mounted.path());
              EXPECT_EQ(there.env->Stats().processes, 1u);
              EXPECT_EQ(GetText(*there.file, 0), "here");
              EXPECT_EQ(test::InChild([&] {
                          auto third = *test::OpenBoth(mounted.path());
                          EXPECT_EQ(third.env->Stats().processes, 2u);
                          EXPECT_EQ(third.env->Stats().files, 1u);
                          EXPECT_EQ(GetText(*third.file, 0), "here");
                          return third.Close().ToString();
                        }),
                        "OK");
              EXPECT_THAT(there.Close(), IsOk());
              return here.Close().ToString();
            }),
            "OK");
  EXPECT_THAT(test::FilesIn(mounted.path()), IsEmpty());
}

class ImmutableTest : public HostileUserTest,
                      public ::testing::WithParamInterface<const char*> {
 protected:
  bool SetImmutable(const std::string& path, bool immutable) const {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    int flags = 0;
    EXPECT_EQ(::ioctl(fd, FS_IOC_GETFLAGS, &flags), 0) << path;
    flags = immutable ? flags | FS_IMMUTABLE_FL : flags & ~FS_IMMUTABLE_FL;
    const bool done = ::ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
    ::close(fd);
    return done;
  }
};
std::string NameOf(const ::testing::TestParamInfo<const char*>& test) {
  constexpr const char* kNames[] = {"Descriptor", "Register", "Segment",
                                    "Home"};
  return kNames[test.index];
}
INSTANTIATE_TEST_SUITE_P(
    Files, ImmutableTest,
    ::testing::Values("__db.001", "__db.register", "__db.002", "."),
    NameOf);

TEST_P(ImmutableTest, ImmutableFileIsNamedInError) {
  ASSERT_EQ(UseAs(Backing::kFile), "OK");
  const std::string path = home_.Below(GetParam());
  if (!SetImmutable(path, true)) {
    EXPECT_FALSE(IsRoot());
    return;
  }
  const auto before = test::FilesIn(home_.path());
  const absl::Status opened = Open(Backing::kFile).status();
  const absl::Status removed = DbEnv::Remove(home_.path(), true);
  EXPECT_TRUE(std::filesystem::exists(path)) << path;
  ASSERT_TRUE(SetImmutable(path, false));
  // A joiner only reads the descriptor and the home.
  if (std::string_view(GetParam()) == "__db.register" ||
      std::string_view(GetParam()) == "__db.002") {
    EXPECT_THAT(opened, Fails(StatusCode::kPermissionDenied, path, "EPERM",
                              "immutable"));
    EXPECT_EQ(test::FilesIn(home_.path()), before);
  } else {
    EXPECT_THAT(opened, IsOk());
  }
  EXPECT_THAT(removed, Fails(StatusCode::kPermissionDenied, home_.path(),
                             "EPERM", "immutable"));
  auto both = Open(Backing::kFile);
  ASSERT_THAT(both, IsOk());
  EXPECT_EQ(GetText(*both->file, 0), "put");
}

TEST_F(HostileUserTest, DeadProcesssLockFileIsReused) {
  test::MakeFile(home_.Below("__db.register"), "");
  ASSERT_EQ(::chmod(home_.Below("__db.register").c_str(), 0600), 0);
  auto both = *Open(Backing::kFile);
  EXPECT_EQ(both.env->Stats().origin, Origin::kNew);
  EXPECT_EQ(both.env->Stats().processes, 1u);
}

}  // namespace
}  // namespace mpool
