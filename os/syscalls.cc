// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "os/syscalls.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

namespace mpool::os {
namespace {

// open, openat, fcntl and ioctl of the C library are variadic, so their
// addresses do not have the types of the table. futex and membarrier have no
// function.
int Open(const char* path, int flags, mode_t mode) {
  return ::open(path, flags, mode);
}

int OpenAt(int dir, const char* path, int flags, mode_t mode) {
  return ::openat(dir, path, flags, mode);
}

int FcntlGet(int fd, int command) { return ::fcntl(fd, command); }

int FcntlDup(int fd, int lowest) {
  return ::fcntl(fd, F_DUPFD_CLOEXEC, lowest);
}

int Ioctl(int fd, unsigned long request, void* argument) {
  return ::ioctl(fd, request, argument);
}

int FcntlLock(int fd, int command, struct flock* lock) {
  return ::fcntl(fd, command, lock);
}

// glibc has no ustat any more, and some machines never had the system call.
int Ustat(dev_t device, void* out) {
#ifdef SYS_ustat
  return static_cast<int>(::syscall(SYS_ustat, device, out));
#else
  static_cast<void>(device);
  static_cast<void>(out);
  errno = ENOSYS;
  return -1;
#endif
}

// A direct call, because the renameat2 of glibc without flags is renameat.
int RenameAt2(int from_dir, const char* from, int to_dir, const char* to,
              unsigned flags) {
  return static_cast<int>(
      ::syscall(SYS_renameat2, from_dir, from, to_dir, to, flags));
}

// The first argument of getrlimit is an enum in C++.
int GetLimit(int resource, rlimit* out) {
  return ::getrlimit(static_cast<__rlimit_resource>(resource), out);
}

long Futex(uint32_t* word, int op, uint32_t value, const timespec* timeout) {
  return ::syscall(SYS_futex, word, op, value, timeout, nullptr, 0);
}

int Membarrier(int command, unsigned flags) {
  return static_cast<int>(::syscall(SYS_membarrier, command, flags, 0));
}

// A direct call, because the mlock of AddressSanitizer does nothing.
int Mlock(const void* address, size_t size) {
  return static_cast<int>(::syscall(SYS_mlock, address, size));
}

int Munlock(const void* address, size_t size) {
  return static_cast<int>(::syscall(SYS_munlock, address, size));
}

constexpr Syscalls kReal = {
    .open = Open,
    .openat = OpenAt,
    .close = ::close,
    .read = ::read,
    .pread = ::pread,
    .pwrite = ::pwrite,
    .pwritev = ::pwritev,
    .fsync = ::fsync,
    .fdatasync = ::fdatasync,
    .syncfs = ::syncfs,
    .ftruncate = ::ftruncate,
    .fadvise = ::posix_fadvise,
    .fallocate = ::fallocate,
    .lseek = ::lseek,
    .fstat = ::fstat,
    .fstatat = ::fstatat,
    .statx = ::statx,
    .name_to_handle_at = ::name_to_handle_at,
    .open_by_handle_at = ::open_by_handle_at,
    .fstatfs = ::fstatfs,
    .ustat = Ustat,
    .ioctl = Ioctl,
    .fchmod = ::fchmod,
    .fchown = ::fchown,
    .renameat = ::renameat,
    .renameat2 = RenameAt2,
    .unlinkat = ::unlinkat,
    .shm_open = ::shm_open,
    .shm_unlink = ::shm_unlink,
    .memfd_create = ::memfd_create,
    .mmap = ::mmap,
    .munmap = ::munmap,
    .madvise = ::madvise,
    .mincore = ::mincore,
    .mlock = Mlock,
    .munlock = Munlock,
    .shmget = ::shmget,
    .shmat = ::shmat,
    .shmdt = ::shmdt,
    .shmctl = ::shmctl,
    .getrlimit = GetLimit,
    .fcntl_dup = FcntlDup,
    .fcntl_get = FcntlGet,
    .fcntl_lock = FcntlLock,
    .futex = Futex,
    .membarrier = Membarrier,
    .clock_gettime = ::clock_gettime,
    .nanosleep = ::nanosleep,
    .uname = ::uname,
    .getpid = ::getpid,
    .geteuid = ::geteuid,
    .kill = ::kill,
    .getrandom = ::getrandom,
    .realpath = ::realpath,
};

constinit Syscalls table = kReal;

}  // namespace

Syscalls& Sys() { return table; }

const Syscalls& RealSyscalls() { return kReal; }

}  // namespace mpool::os
