// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// hostile_file_test.cc - a foreign object has the name of a file of the
// environment. Every process refuses it by name and leaves it as it is. Nothing
// that it leads to is changed. Without it everything works as before.

#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include <tuple>

#include "tests/support/all_backings.h"
#include "tests/support/hostile.h"

namespace mpool {
namespace {

namespace fs = std::filesystem;

using absl::StatusCode;
using test::Fails;
using test::GetText;
using test::IsOk;

// Returns true if the object was planted, and false if this user may not.
using Plant = bool (*)(const std::string& path, const std::string& victim);

// Adds a hard link to the existing file, or to the victim.
bool PlantHardLink(const std::string& path, const std::string& victim) {
  if (fs::exists(path)) return ::link(path.c_str(), (path + ".2").c_str()) == 0;
  return ::link(victim.c_str(), path.c_str()) == 0;
}

bool PlantSocket(const std::string& path, const std::string&) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  EXPECT_LT(path.size(), sizeof(address.sun_path));
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  const int done =
      ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address));
  ::close(fd);
  return done == 0;
}

void Touch(const std::string& path) {
  if (!fs::exists(path)) test::MakeFile(path, std::string(65536, 'x'));
}

struct Planted {
  const char* name;
  Plant plant;
  bool keeps_file;  // changes the existing file instead of replacing it
  const char* word;
};

constexpr Planted kPlanted[] = {
    {"SymbolicLink",
     [](const std::string& path, const std::string& victim) {
       return ::symlink(victim.c_str(), path.c_str()) == 0;
     },
     false, "symbolic link"},
    {"DanglingLink",
     [](const std::string& path, const std::string& victim) {
       return ::symlink((victim + ".none").c_str(), path.c_str()) == 0;
     },
     false, "symbolic link"},
    {"HardLink", PlantHardLink, true, "hard links"},
    {"Fifo",
     [](const std::string& path, const std::string&) {
       return ::mkfifo(path.c_str(), 0600) == 0;
     },
     false, "not a regular file"},
    {"Directory",
     [](const std::string& path, const std::string&) {
       return ::mkdir(path.c_str(), 0700) == 0;
     },
     false, "not a regular file"},
    {"Device",
     [](const std::string& path, const std::string&) {
       return ::mknod(path.c_str(), S_IFCHR | 0600, makedev(1, 5)) == 0;
     },
     false, "not a regular file"},
    {"Socket", PlantSocket, false, "not a regular file"},
    {"AnothersFile",
     [](const std::string& path, const std::string&) {
       Touch(path);
       return ::chown(path.c_str(), kAlice, kAlice) == 0;
     },
     true, "it belongs to user 61001"},
    {"FileForEverybody",
     [](const std::string& path, const std::string&) {
       Touch(path);
       return ::chmod(path.c_str(), 0666) == 0;
     },
     true, "0666"},
};

enum class Where { kDescriptor, kRegister, kSegmentFile, kSegmentShm };

class HostileFileTest
    : public HostileTest,
      public ::testing::WithParamInterface<std::tuple<Planted, Where>> {
 protected:
  // Removes the planted object. The file is as it was `before`.
  void TakeAway(const std::string& path, const std::string& away,
                const struct stat& before) const {
    if (planted().keeps_file) {
      fs::remove(path + ".2");
      ASSERT_EQ(::chmod(path.c_str(), before.st_mode & 07777), 0);
      ASSERT_EQ(::chown(path.c_str(), before.st_uid, before.st_gid), 0);
    } else {
      fs::remove(path);
      fs::rename(away, path);
    }
  }
  const Planted& planted() const { return std::get<0>(GetParam()); }
  Where where() const { return std::get<1>(GetParam()); }
  Backing backing() const {
    return where() == Where::kSegmentFile ? Backing::kFile
                                          : Backing::kPosixShm;
  }
  std::string Path() const {
    switch (where()) {
      case Where::kDescriptor:
        return home_.Below(region::kDescriptorName);
      case Where::kRegister:
        return home_.Below(region::kRegisterName);
      case Where::kSegmentFile:
        return home_.Below("__db.002");
      case Where::kSegmentShm:
        break;
    }
    return SegmentPath();
  }
  auto Refused() const {
    return ::testing::AnyOf(
        Fails(StatusCode::kFailedPrecondition, planted().word),
        Fails(StatusCode::kInvalidArgument, planted().word));
  }
  void ExpectRefused(const absl::Status& status, const std::string& path) {
    EXPECT_THAT(status, Refused());
    // The error for memory with too wide a mode names the home.
    EXPECT_THAT(std::string(status.message()),
                ::testing::AnyOf(::testing::HasSubstr(path),
                                 ::testing::HasSubstr(home_.path())));
  }
  // Checks that a user without the right to plant the object is not root.
  static void ExpectOnlyRootCould() {
    EXPECT_FALSE(IsRoot());
    EXPECT_EQ(errno, EPERM);
  }
};
std::string NameOf(
    const ::testing::TestParamInfo<std::tuple<Planted, Where>>& test) {
  constexpr const char* kNames[] = {"Descriptor", "Register", "SegmentFile",
                                    "SegmentShm"};
  const auto& [planted, where] = test.param;
  return absl::StrCat(planted.name, "For", kNames[static_cast<int>(where)]);
}
INSTANTIATE_TEST_SUITE_P(
    All, HostileFileTest,
    ::testing::Combine(::testing::ValuesIn(kPlanted),
                       ::testing::Values(Where::kDescriptor, Where::kRegister,
                                         Where::kSegmentFile,
                                         Where::kSegmentShm)),
    NameOf);

TEST_P(HostileFileTest, ReplacedIdleFileIsRefused) {
  ASSERT_EQ(UseAs(backing()), "OK");
  const std::string path = Path();
  const std::string away = path + ".away";
  struct stat before = {};
  ASSERT_EQ(::stat(path.c_str(), &before), 0);
  if (!planted().keeps_file) fs::rename(path, away);
  if (!planted().plant(path, victim())) {
    ExpectOnlyRootCould();
    if (!planted().keeps_file) fs::rename(away, path);
    return;
  }
  struct stat there = {};
  ASSERT_EQ(::lstat(path.c_str(), &there), 0);
  ExpectRefused(Open(backing()).status(), path);
  ExpectRefused(DbEnv::Remove(home_.path()), path);
  if (where() != Where::kSegmentShm && where() != Where::kSegmentFile) {
    ExpectRefused(DbEnv::Remove(home_.path(), true), path);
  }
  if (where() != Where::kRegister) {
    const auto seen = DbEnv::Inspect(home_.path());
    // A reader is not endangered by the mode.
    if (seen.ok()) {
      EXPECT_STREQ(planted().name, "FileForEverybody");
    } else {
      ExpectRefused(seen.status(), path);
    }
  }
  struct stat after = {};
  ASSERT_EQ(::lstat(path.c_str(), &after), 0);
  EXPECT_EQ(after.st_ino, there.st_ino);
  EXPECT_EQ(after.st_mode, there.st_mode);

  ASSERT_NO_FATAL_FAILURE(TakeAway(path, away, before));
  auto both = Open(backing());
  ASSERT_THAT(both, IsOk());
  EXPECT_EQ(GetText(*both->file, 0), "put");
  EXPECT_EQ(both->env->Stats().adoptions, 1u);
  EXPECT_THAT(both->Close(), IsOk());
}

// Nothing is planted in /dev/shm, because the memory's name there is not known
// in advance.
class HostileNewHomeTest : public HostileFileTest {};
INSTANTIATE_TEST_SUITE_P(
    All, HostileNewHomeTest,
    ::testing::Combine(::testing::ValuesIn(kPlanted),
                       ::testing::Values(Where::kDescriptor, Where::kRegister,
                                         Where::kSegmentFile)),
    NameOf);

TEST_P(HostileNewHomeTest, BeforeTheFirstOpenIsRefused) {
  const std::string path = Path();
  if (!planted().plant(path, victim())) {
    fs::remove(path);
    return ExpectOnlyRootCould();
  }
  const absl::Status opened = Open(backing()).status();
  if (where() == Where::kSegmentFile &&
      std::string(planted().name) == "FileForEverybody") {
    // The planted object is the environment's own file, and was recreated.
    EXPECT_THAT(opened, IsOk());
    return;
  }
  ExpectRefused(opened, path);
  struct stat there = {};
  EXPECT_EQ(::lstat(path.c_str(), &there), 0);
  ExpectRefused(DbEnv::Remove(home_.path(), true), path);
  EXPECT_EQ(::lstat(path.c_str(), &there), 0);
  fs::remove(path);
  auto both = Open(backing());
  ASSERT_THAT(both, IsOk());
  EXPECT_THAT(both->Close(), IsOk());
}

// An attached process continues, a joiner is refused, and all end in bounded
// time.
TEST_P(HostileFileTest, ReplacedFileInUseIsRefused) {
  test::Child holder([&](test::Channel& parent) -> std::string {
    auto both = *Open(backing());
    EXPECT_THAT(test::PutText(*both.file, 0, "put"), IsOk());
    parent.Say("in");
    parent.Hear();
    EXPECT_EQ(GetText(*both.file, 0), "put");
    EXPECT_THAT(test::PutText(*both.file, 1, "planted"), IsOk());
    EXPECT_THAT(both.file->Sync(), IsOk());
    parent.Say("went on");
    parent.Hear();
    return both.Close().ToString();
  });
  ASSERT_EQ(holder.Hear(), "in");
  const std::string path = Path();
  const std::string away = path + ".away";
  struct stat before = {};
  ASSERT_EQ(::stat(path.c_str(), &before), 0);
  if (!planted().keeps_file) fs::rename(path, away);
  const bool done = planted().plant(path, victim());
  if (done) {
    ExpectRefused(Open(backing()).status(), path);
    EXPECT_FALSE(DbEnv::Remove(home_.path(), true).ok());
  } else {
    ExpectOnlyRootCould();
  }
  holder.Say("go on");
  EXPECT_EQ(holder.Hear(), "went on");
  ASSERT_NO_FATAL_FAILURE(TakeAway(path, away, before));
  auto both = Open(backing());
  EXPECT_THAT(both, IsOk());
  EXPECT_EQ(both->env->Stats().processes, 2u);
  EXPECT_EQ(GetText(*both->file, 1), "planted");
  EXPECT_THAT(both->Close(), IsOk());
  holder.Say("close");
  EXPECT_EQ(holder.End(), "OK");
}

// The locks that prove a process alive were lost with the file. No process may
// be declared dead because of the loss, and no process can join.
class LostRegisterTest : public HostileTest,
                         public ::testing::WithParamInterface<Backing> {
 protected:
  test::Child::Body Holder() const {
    return [this](test::Channel& parent) -> std::string {
      auto both = *Open(GetParam());
      auto page = *both.file->GetForUpdate(0, {.create = true});
      test::Fill(page.data(), "held");
      parent.Say("holds");
      parent.Hear();
      page.Put();
      return both.Close().ToString();
    };
  }
  test::Child::Body Waiter() const {
    return [this](test::Channel& parent) -> std::string {
      auto both = *Open(GetParam());
      parent.Say("in");
      while (parent.Hear() == "wait") {
        EXPECT_THAT(
            both.file->GetForUpdate(0, {.wait = absl::Milliseconds(300)}),
            Fails(StatusCode::kDeadlineExceeded, "process "));
        const auto report = both.env->FailCheck();
        EXPECT_THAT(report, IsOk());
        EXPECT_TRUE(report->processes.empty());
        EXPECT_EQ(both.env->Stats().repairs, 0u);
        parent.Say("waited");
      }
      EXPECT_EQ(GetText(*both.file, 0), "held");
      return both.Close().ToString();
    };
  }
};
INSTANTIATE_TEST_SUITE_P(Shared, LostRegisterTest,
                         ::testing::ValuesIn(os::kSharedBackings),
                         os::BackingText);

TEST_P(LostRegisterTest, LostRegisterExcludesJoinersOnly) {
  test::Child holder(Holder());
  ASSERT_EQ(holder.Hear(), "holds");
  test::Child waiter(Waiter());
  ASSERT_EQ(waiter.Hear(), "in");
  ASSERT_TRUE(fs::remove(home_.Below(region::kRegisterName)));
  waiter.Say("wait");
  EXPECT_EQ(waiter.Hear(), "waited");
  const auto refused =
      Fails(StatusCode::kFailedPrecondition, home_.path(), "__db.register",
            "was removed", "let them close");
  EXPECT_THAT(Open(GetParam()), refused);
  EXPECT_THAT(DbEnv::Remove(home_.path()), refused);
  EXPECT_THAT(DbEnv::Remove(home_.path(), true), refused);
  // The register exists again, without any locks.
  waiter.Say("wait");
  EXPECT_EQ(waiter.Hear(), "waited");
  holder.Say("put");
  EXPECT_EQ(holder.End(), "OK");
  EXPECT_THAT(Open(GetParam()), refused);
  waiter.Say("read");
  EXPECT_EQ(waiter.End(), "OK");
  auto both = Open(GetParam());
  ASSERT_THAT(both, IsOk());
  EXPECT_EQ(both->env->Stats().processes, 1u);
  EXPECT_EQ(both->env->Stats().origin, Origin::kNew);
  EXPECT_EQ(GetText(*both->file, 0), "held");
  EXPECT_THAT(both->Close(), IsOk());
}

}  // namespace
}  // namespace mpool
