// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tests/support/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "os/status.h"

namespace mpool::test {
namespace {

constexpr uid_t kNobody = 65534;

absl::Status Failed(std::string_view what, const std::string& path) {
  return os::ErrnoToStatus(
      errno, what, path,
      "this test needs root, or user namespaces (see unshare(2))");
}

absl::Status WriteTo(const std::string& path, const std::string& text) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return Failed("open", path);
  const ssize_t put = ::write(fd, text.data(), text.size());
  const absl::Status status = put == static_cast<ssize_t>(text.size())
                                  ? absl::OkStatus()
                                  : Failed("write", path);
  ::close(fd);
  return status;
}

// Runs a shell command, also one from the directories of root's programs.
absl::Status Run(const std::string& command) {
  const std::string quiet = absl::StrCat(
      "PATH=$PATH:/usr/sbin:/sbin; ", command, " >/dev/null 2>&1");
  if (std::system(quiet.c_str()) == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      command, ": it failed; this test needs root, loop devices and the tools "
      "of ext4, XFS and btrfs"));
}

// A process without the right becomes root in a new user namespace.
absl::Status Unshare(int what) {
  const uid_t uid = ::geteuid();
  const gid_t gid = ::getegid();
  if (::unshare(what) == 0) return absl::OkStatus();
  if (errno != EPERM || ::unshare(CLONE_NEWUSER | what) != 0) {
    return Failed("unshare", "");
  }
  MPOOL_RETURN_IF_ERROR(WriteTo("/proc/self/setgroups", "deny"));
  MPOOL_RETURN_IF_ERROR(
      WriteTo("/proc/self/uid_map", absl::StrCat("0 ", uid, " 1")));
  return WriteTo("/proc/self/gid_map", absl::StrCat("0 ", gid, " 1"));
}

}  // namespace

absl::Status EnterOwnMounts() {
  MPOOL_RETURN_IF_ERROR(Unshare(CLONE_NEWNS));
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    return Failed("make mounts private", "/");
  }
  return absl::OkStatus();
}

absl::Status MountTmpfs(const std::string& directory, uint64_t size_bytes) {
  const std::string options = absl::StrCat("mode=1777,size=", size_bytes);
  if (::mount("tmpfs", directory.c_str(), "tmpfs", 0, options.c_str()) != 0) {
    return Failed("mount a tmpfs", directory);
  }
  return absl::OkStatus();
}

absl::Status MountOverlay(const std::string& lower, const std::string& upper,
                          const std::string& work,
                          const std::string& directory) {
  const std::string options = absl::StrCat(
      "lowerdir=", lower, ",upperdir=", upper, ",workdir=", work);
  if (::mount("overlay", directory.c_str(), "overlay", 0, options.c_str()) !=
      0) {
    return Failed("mount an overlay", directory);
  }
  return absl::OkStatus();
}

absl::Status MakeImage(const std::string& image, uint64_t size_bytes,
                       const std::string& kind) {
  const int fd = ::open(image.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return Failed("open", image);
  const bool sized = ::ftruncate(fd, static_cast<off_t>(size_bytes)) == 0;
  ::close(fd);
  if (!sized) return Failed("resize", image);
  if (kind.starts_with("ext4")) {
    return Run(absl::StrCat("mkfs.ext4", kind.substr(4), " ", image));
  }
  if (kind.starts_with("xfs")) {
    return Run(absl::StrCat("mkfs.xfs", kind.substr(3), " ", image));
  }
  return Run(absl::StrCat("mkfs.btrfs", kind.substr(5), " ", image));
}

LoopDevices::LoopDevices()
    : fd_(::open("/dev/loop-control", O_RDWR | O_CLOEXEC)) {
  while (fd_ >= 0 && ::flock(fd_, LOCK_EX) != 0 && errno == EINTR) {
  }
}

LoopDevices::~LoopDevices() {
  if (fd_ >= 0) ::close(fd_);
}

absl::Status MountImage(const std::string& image, const std::string& directory,
                        const std::string& options) {
  return Run(absl::StrCat("mount -o ", options, " ", image, " ", directory));
}

absl::Status Unmount(const std::string& directory) {
  if (::umount(directory.c_str()) != 0) return Failed("unmount", directory);
  return absl::OkStatus();
}

absl::Status EnterOwnShm() {
  MPOOL_RETURN_IF_ERROR(EnterOwnMounts());
  return MountTmpfs("/dev/shm", uint64_t{256} << 20);
}

absl::Status EnterOwnIpc() { return Unshare(CLONE_NEWIPC); }

absl::Status EnterOwnPids() { return Unshare(CLONE_NEWPID); }

absl::Status MountProc() {
  if (::mount("proc", "/proc", "proc", 0, nullptr) == 0) {
    return absl::OkStatus();
  }
  return Failed("mount", "/proc");
}

absl::Status EnterOwnClock(int64_t ahead_seconds) {
  constexpr int kNewTime = 0x80;  // CLONE_NEWTIME, which an old <sched.h> lacks
  MPOOL_RETURN_IF_ERROR(Unshare(kNewTime));
  return WriteTo("/proc/self/timens_offsets",
                 absl::StrCat("monotonic ", ahead_seconds, " 0"));
}

absl::Status DropRights() {
  if (::geteuid() != 0) return absl::OkStatus();
  if (::setgroups(0, nullptr) != 0 ||
      ::setresgid(kNobody, kNobody, kNobody) != 0 ||
      ::setresuid(kNobody, kNobody, kNobody) != 0) {
    return Failed("drop rights", "");
  }
  return absl::OkStatus();
}

}  // namespace mpool::test
