// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// claims.h - which owner (environment) caches a page file.
//
// A claim is an OFD read lock on one byte of the directory that holds the file.
// The byte's offset (its place) encodes the file's inode number, the owner and
// if the owner writes. Claims do not lock the page file itself, because a
// program's lock on the whole file would exclude a claim and be excluded by it.
// All claims in one directory share one open file description, so that a claim
// neither opens nor closes a descriptor of a page file.
//
// Concurrency: none; the caller's mutex guards all calls, and forks.
// Crash:       the locks end with the process. A forked child shares the
//              description until LeaveToParent() closes its descriptors.
// Limits:      a file with hard links in two directories has claims in both.
//              Claims in one directory do not exclude claims in the other. A
//              directory that the process may not read has no claims.

#ifndef MPOOL_OS_CLAIMS_H_
#define MPOOL_OS_CLAIMS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "os/file.h"

namespace mpool::os {

class FileClaims {
 private:
  struct Directory {
    File file;
    FileIdentity identity;
    // Number of claims by place. All claims of a place share one lock.
    std::map<uint64_t, uint32_t> counts;
  };

 public:
  // One claim. Move-only; Drop and the destructor release it.
  class Claim {
   public:
    Claim() = default;
    Claim(Claim&& other) noexcept;
    Claim& operator=(Claim&& other) noexcept;
    ~Claim() { Drop(); }

    bool held() const { return directory_ != nullptr; }
    void Drop();

   private:
    friend class FileClaims;
    std::shared_ptr<Directory> directory_;
    uint64_t place_ = 0;
  };

  // Claims the file at `path`, an absolute path, for `owner`. The result is not
  // held() if a claim of another owner excludes it: a writer excludes all other
  // owners, and every other owner excludes a writer. If the file system has no
  // OFD locks, or the process may not read the directory, the claim is held and
  // excludes no claim. Returns the error of opening or locking the directory.
  absl::StatusOr<Claim> Take(const std::string& path, const FileIdentity& file,
                             uint64_t owner, bool for_writing);

  // Closes the descriptors in a forked child, so that only the parent has the
  // claims. Claims that the child copied are void afterwards.
  void LeaveToParent();
  // Forgets descriptors that the program closed.
  void ForgetLost();

 private:
  absl::StatusOr<std::shared_ptr<Directory>> Open(const std::string& path);
  // Returns the directory if it is open already, or null.
  std::shared_ptr<Directory> FindKept(const std::string& name) const;

  // By device and inode number of the directory.
  std::map<std::pair<uint64_t, uint64_t>, std::weak_ptr<Directory>> open_;
};

}  // namespace mpool::os

#endif  // MPOOL_OS_CLAIMS_H_
