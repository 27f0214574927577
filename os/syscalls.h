// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// syscalls.h - the table of all system calls that mpool makes, each
// replaceable.
//
// Role:        the seam at which tests count calls and make calls fail, slow or
//              short. No other file of the library may name a system call.
// Concurrency: calls read the table without a lock. Replace entries only while
//              no other thread is inside the library.

#ifndef MPOOL_OS_SYSCALLS_H_
#define MPOOL_OS_SYSCALLS_H_

#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>

struct file_handle;
struct flock;
struct rlimit;
struct shmid_ds;
struct timespec;
struct utsname;

namespace mpool::os {

// Each entry has the name, the signature and the errno convention of its call.
// fadvise returns the error number instead, like posix_fadvise.
struct Syscalls {
  int (*open)(const char* path, int flags, mode_t mode);
  int (*openat)(int dir, const char* path, int flags, mode_t mode);
  int (*close)(int fd);
  ssize_t (*read)(int fd, void* data, size_t size);
  ssize_t (*pread)(int fd, void* data, size_t size, off_t offset);
  ssize_t (*pwrite)(int fd, const void* data, size_t size, off_t offset);
  ssize_t (*pwritev)(int fd, const iovec* parts, int count, off_t offset);
  int (*fsync)(int fd);
  int (*fdatasync)(int fd);
  int (*syncfs)(int fd);
  int (*ftruncate)(int fd, off_t size);
  int (*fadvise)(int fd, off_t offset, off_t size, int advice);
  int (*fallocate)(int fd, int mode, off_t offset, off_t size);
  off_t (*lseek)(int fd, off_t offset, int whence);
  int (*fstat)(int fd, struct stat* out);
  int (*fstatat)(int dir, const char* path, struct stat* out, int flags);
  int (*statx)(int dir, const char* path, int flags, unsigned mask,
               struct statx* out);
  int (*name_to_handle_at)(int dir, const char* path,
                           struct file_handle* handle, int* mount, int flags);
  int (*open_by_handle_at)(int mount, struct file_handle* handle, int flags);
  int (*fstatfs)(int fd, struct statfs* out);
  int (*ustat)(dev_t device, void* out);
  int (*ioctl)(int fd, unsigned long request, void* argument);
  int (*fchmod)(int fd, mode_t mode);
  int (*fchown)(int fd, uid_t user, gid_t group);
  int (*renameat)(int from_dir, const char* from, int to_dir, const char* to);
  int (*renameat2)(int from_dir, const char* from, int to_dir, const char* to,
                   unsigned flags);
  int (*unlinkat)(int dir, const char* path, int flags);
  int (*shm_open)(const char* name, int flags, mode_t mode);
  int (*shm_unlink)(const char* name);
  int (*memfd_create)(const char* name, unsigned flags);
  void* (*mmap)(void* hint, size_t size, int protection, int flags, int fd,
                off_t offset);
  int (*munmap)(void* address, size_t size);
  int (*madvise)(void* address, size_t size, int advice);
  int (*mincore)(void* address, size_t size, unsigned char* pages);
  int (*mlock)(const void* address, size_t size);
  int (*munlock)(const void* address, size_t size);
  int (*shmget)(key_t key, size_t size, int flags);
  void* (*shmat)(int id, const void* address, int flags);
  int (*shmdt)(const void* address);
  int (*shmctl)(int id, int command, struct shmid_ds* state);
  int (*getrlimit)(int resource, struct rlimit* out);
  // F_DUPFD_CLOEXEC: the duplicate has the number `lowest` or a higher one.
  int (*fcntl_dup)(int fd, int lowest);
  int (*fcntl_get)(int fd, int command);  // F_GETFD or F_GETFL
  int (*fcntl_lock)(int fd, int command, struct flock* lock);
  long (*futex)(uint32_t* word, int op, uint32_t value,
                const timespec* timeout);
  int (*membarrier)(int command, unsigned flags);
  int (*clock_gettime)(int clock, timespec* out);
  int (*nanosleep)(const timespec* time, timespec* rest);
  int (*uname)(struct utsname* out);
  int (*getpid)();
  uid_t (*geteuid)();
  int (*kill)(pid_t pid, int signal);
  ssize_t (*getrandom)(void* data, size_t size, unsigned flags);
  char* (*realpath)(const char* path, char* resolved);
};

// Returns the table in use. It starts with the real calls.
Syscalls& Sys();

// Returns the real calls, to restore an entry.
const Syscalls& RealSyscalls();

}  // namespace mpool::os

#endif  // MPOOL_OS_SYSCALLS_H_
