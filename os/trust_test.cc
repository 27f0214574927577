// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "os/trust.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "os/directory.h"
#include "os/status.h"
#include "tests/support/system.h"

namespace mpool::os {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr uint32_t kMe = 1000;
constexpr uint32_t kOwner = 2000;
constexpr uint32_t kOther = 3000;
constexpr uint32_t kTeam = 50;
constexpr uint32_t kOthers = 60;

FileInfo Directory(uint32_t mode) {
  FileInfo info;
  info.mode = S_IFDIR | mode;
  info.user = kOwner;
  info.group = kTeam;
  return info;
}

class TrustTest : public SyscallTest {
 protected:
  void MakeFile(const std::string& name) {
    ASSERT_TRUE(File::OpenAt(temp_.dir(), name, {.create = true}).ok());
  }
  absl::Status Open(const std::string& name) {
    return OpenOwn(temp_.dir(), name, File::Mode::kReadOnly).status();
  }

  TempDir temp_;
};

struct Belongs {
  uint32_t dir_mode;
  uint32_t user;
  uint32_t group;
  bool trusted;
};

TEST_F(TrustTest, TrustedOwnersAreUserRootAndDirectorys) {
  Sys().geteuid = [] { return uid_t{kMe}; };
  for (const Belongs& one : {
           Belongs{0700, kMe, kOthers, true},
           Belongs{0700, 0, 0, true},
           Belongs{0700, kOwner, kOthers, true},
           Belongs{0700, kOther, kTeam, false},
           Belongs{0750, kOther, kTeam, false},
           Belongs{0770, kOther, kTeam, true},
           Belongs{02770, kOther, kTeam, true},
           Belongs{0770, kOther, kOthers, false},
           // Every user may make files of the group here.
           Belongs{03777, kOther, kTeam, false},
           Belongs{01777, kMe, kOthers, true},
       }) {
    EXPECT_EQ(IsTrusted(Directory(one.dir_mode), one.user, one.group),
              one.trusted)
        << std::oct << one.dir_mode << std::dec << " user " << one.user
        << " group " << one.group;
  }
}

TEST_F(TrustTest, ForeignFileIsRefusedWithRemedy) {
  Sys().geteuid = [] { return uid_t{kMe}; };
  FileInfo file;
  file.is_regular = true;
  file.user = kOther;
  file.group = kOthers;
  const absl::Status status =
      CheckOwn(Directory(0700), file, "/home/x/__db.001");
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(Message(status),
              AllOf(HasSubstr("/home/x/__db.001"), HasSubstr("user 3000"),
                    HasSubstr("group 60"), HasSubstr("user 1000"),
                    HasSubstr("user 2000"), HasSubstr("chmod 2770")));
}

TEST_F(TrustTest, OnlyWorldWritableDirectoryNeedsStickyBit) {
  for (const mode_t mode : {0700u, 0755u, 0770u, 02770u, 01777u, 01733u}) {
    ASSERT_EQ(::chmod(temp_.path().c_str(), mode), 0);
    EXPECT_TRUE(CheckDirectory(temp_.dir()).ok()) << std::oct << mode;
  }
  for (const mode_t mode : {0777u, 0702u, 02777u}) {
    ASSERT_EQ(::chmod(temp_.path().c_str(), mode), 0);
    const absl::Status status = CheckDirectory(temp_.dir());
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    EXPECT_THAT(Message(status),
                AllOf(HasSubstr(temp_.path()),
                      HasSubstr(absl::StrFormat("mode %#o", mode)),
                      HasSubstr("chmod +t")));
  }
}

// An open or removal of these files must not block.
TEST_F(TrustTest, IrregularFileIsNeitherOpenedNorRemoved) {
  ASSERT_EQ(::mkdir(temp_.Below("directory").c_str(), 0700), 0);
  ASSERT_EQ(::mkfifo(temp_.Below("fifo").c_str(), 0600), 0);
  ASSERT_EQ(::symlink("target", temp_.Below("link").c_str()), 0);
  MakeFile("target");
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  temp_.Below("socket").copy(address.sun_path, sizeof(address.sun_path) - 1);
  ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)),
            0);
  ::close(fd);
  for (const char* name : {"directory", "fifo", "link", "socket"}) {
    for (const File::Mode mode :
         {File::Mode::kReadOnly, File::Mode::kReadWrite}) {
      const absl::Status status = OpenOwn(temp_.dir(), name, mode).status();
      EXPECT_FALSE(status.ok());
      EXPECT_THAT(Message(status), AllOf(HasSubstr(temp_.Below(name)),
                                         HasSubstr("move")));
    }
    const absl::Status removed = RemoveOwn(temp_.dir(), name);
    EXPECT_TRUE(absl::IsInvalidArgument(removed)) << removed;
    EXPECT_THAT(Message(removed), AllOf(HasSubstr(temp_.Below(name)),
                                        HasSubstr("not a regular file")));
    EXPECT_TRUE(InfoAt(temp_.dir(), name).ok());
  }
  EXPECT_THAT(Message(RemoveOwn(temp_.dir(), "fifo")), HasSubstr("a FIFO"));
  EXPECT_THAT(Message(RemoveOwn(temp_.dir(), "link")),
              HasSubstr("a symbolic link"));
  EXPECT_TRUE(InfoAt(temp_.dir(), "target")->is_regular);
}

TEST_F(TrustTest, HardLinkedFileIsRefused) {
  MakeFile("file");
  ASSERT_EQ(
      ::link(temp_.Below("file").c_str(), temp_.Below("second").c_str()), 0);
  for (const absl::Status& status :
       {Open("file"), RemoveOwn(temp_.dir(), "file")}) {
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    EXPECT_THAT(Message(status), AllOf(HasSubstr(temp_.Below("file")),
                                       HasSubstr("1 other names")));
  }
  ASSERT_TRUE(UnlinkAt(temp_.dir(), "second").ok());
  EXPECT_TRUE(Open("file").ok());
  EXPECT_TRUE(RemoveOwn(temp_.dir(), "file").ok());
  EXPECT_TRUE(absl::IsNotFound(Open("file")));
  EXPECT_TRUE(RemoveOwn(temp_.dir(), "file").ok());
}

TEST_F(TrustTest, WorldWritableFileIsRefused) {
  MakeFile("file");
  ASSERT_EQ(::chmod(temp_.Below("file").c_str(), 0666), 0);
  EXPECT_THAT(Message(Open("file")),
              AllOf(HasSubstr(temp_.Below("file")), HasSubstr("mode 0666"),
                    HasSubstr("chmod o-w")));
  ASSERT_EQ(::chmod(temp_.Below("file").c_str(), 0664), 0);
  EXPECT_TRUE(Open("file").ok());
}

// A holder of a lease can delay an open for lease-break-time, 45 seconds.
TEST_F(TrustTest, LeasedFileIsNotAwaited) {
  MakeFile("file");
  const int fd = ::open(temp_.Below("file").c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_EQ(::fcntl(fd, F_SETLEASE, F_WRLCK), 0);
  ::signal(SIGIO, SIG_IGN);
  const absl::Time begin = absl::Now();
  EXPECT_TRUE(absl::IsUnavailable(Open("file")));
  EXPECT_LT(absl::Now() - begin, absl::Seconds(5));
  ::close(fd);
  EXPECT_TRUE(Open("file").ok());
}

TEST_F(TrustTest, NewFileGetsGroupOfDirectory) {
  EXPECT_EQ(NewOwn(Directory(0770), 0660).group, kTeam);
  EXPECT_EQ(NewOwn(Directory(0770), 0640).group, kTeam);
  EXPECT_EQ(NewOwn(Directory(0770), 0600).group, std::nullopt);
  EXPECT_EQ(NewOwn(Directory(0750), 0660).group, std::nullopt);
  EXPECT_EQ(NewOwn(Directory(01777), 0660).group, std::nullopt);
}

TEST_F(TrustTest, UngivableGroupIsNamedWithRemedy) {
  Sys().fchown = [](int, uid_t, gid_t) {
    errno = EPERM;
    return -1;
  };
  const absl::Status status =
      File::OpenAt(temp_.dir(), "file", NewOwn(Directory(0770), 0660)).status();
  EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
  EXPECT_THAT(Message(status),
              AllOf(HasSubstr("group 50"), HasSubstr(temp_.Below("file")),
                    HasSubstr("member")));
  EXPECT_TRUE(absl::IsNotFound(InfoAt(temp_.dir(), "file").status()));
}

// Runs `body` in a child that reads `map` as its uid_map. If the map does not
// cover all ids, 65534 represents the unmapped users.
std::string InUserNamespace(const std::string& map,
                            const std::function<void()>& body) {
  return InChild([&]() -> std::string {
    static std::string uid_map;
    uid_map = map;
    Sys().read = [](int fd, void* data, size_t size) -> ssize_t {
      char path[64] = {};
      const std::string link = absl::StrCat("/proc/self/fd/", fd);
      static_cast<void>(::readlink(link.c_str(), path, sizeof(path) - 1));
      if (!std::string_view(path).ends_with("id_map")) {
        return RealSyscalls().read(fd, data, size);
      }
      const size_t got = std::exchange(uid_map, "").copy(
          static_cast<char*>(data), size);
      return static_cast<ssize_t>(got);
    };
    body();
    return "";
  });
}

TEST_F(TrustTest, OverflowUserIsNotTrusted) {
  constexpr uint32_t kAnybody = 65534;
  FileInfo dir = Directory(01777);
  dir.user = kAnybody;
  const auto by_dir = [&] {
    EXPECT_FALSE(IsTrusted(dir, kAnybody, kOthers));
  };
  EXPECT_EQ(InUserNamespace("0 100000 65536\n", by_dir), "");
  EXPECT_EQ(InUserNamespace("", by_dir), "");
  EXPECT_EQ(InUserNamespace("0 0 4294967295\n", [&] {
              EXPECT_TRUE(IsTrusted(dir, kAnybody, kOthers));
            }), "");
  // A process with the overflow id of a container owns files there.
  Sys().geteuid = [] { return uid_t{kAnybody}; };
  EXPECT_EQ(InUserNamespace("0 100000 65536\n", [&] {
              EXPECT_TRUE(IsTrusted(dir, kAnybody, kOthers));
            }), "");
  EXPECT_EQ(InUserNamespace("0 1000 1\n", by_dir), "");
}

}  // namespace
}  // namespace mpool::os
