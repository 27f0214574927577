// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "os/file_handle.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "os/assert.h"
#include "os/syscalls.h"

namespace mpool::os {
namespace {

// The kernel's struct with room for the longest handle that is kept.
union HandleBuffer {
  struct file_handle handle;
  std::byte bytes[sizeof(struct file_handle) + FileHandle::kMaxBytes];
};

}  // namespace

FileHandle HandleOf(const File& file) {
  MPOOL_ASSERT(file.is_open());
  HandleBuffer buffer{};
  buffer.handle.handle_bytes = FileHandle::kMaxBytes;
  int mount = 0;
  FileHandle handle;
  if (Sys().name_to_handle_at(file.fd(), "", &buffer.handle, &mount,
                              AT_EMPTY_PATH) != 0) {
    return handle;
  }
  const uint32_t length = buffer.handle.handle_bytes;
  const int type = buffer.handle.handle_type;
  if (length == 0 || length > FileHandle::kMaxBytes || type < 0 ||
      type > 0xffff) {
    return handle;
  }
  const uint32_t head = length | static_cast<uint32_t>(type) << 16;
  auto* out = reinterpret_cast<std::byte*>(handle.words.data());
  std::memcpy(out, &head, sizeof head);
  std::memcpy(out + sizeof head, buffer.handle.f_handle, length);
  return handle;
}

Presence PresenceOf(const File& anchor, const FileHandle& handle) {
  MPOOL_ASSERT(anchor.is_open());
  const auto* in = reinterpret_cast<const std::byte*>(handle.words.data());
  uint32_t head = 0;
  std::memcpy(&head, in, sizeof head);
  const uint32_t length = head & 0xff;
  if (length == 0 || length > FileHandle::kMaxBytes) return Presence::kUnknown;
  HandleBuffer buffer{};
  buffer.handle.handle_bytes = length;
  buffer.handle.handle_type = static_cast<int>(head >> 16);
  std::memcpy(buffer.handle.f_handle, in + sizeof head, length);
  // O_PATH, so that the close ends no record lock of the process.
  const int fd =
      Sys().open_by_handle_at(anchor.fd(), &buffer.handle, O_PATH | O_CLOEXEC);
  if (fd < 0) return errno == ESTALE ? Presence::kGone : Presence::kUnknown;
  struct stat status = {};
  const int looked = Sys().fstat(fd, &status);
  Sys().close(fd);
  if (looked != 0) return Presence::kUnknown;
  // A process may still have the file open. A file without a link gets none
  // again, except a file that was opened with O_TMPFILE.
  return status.st_nlink == 0 ? Presence::kGone : Presence::kPresent;
}

}  // namespace mpool::os
