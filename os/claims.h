// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// claims.h - which owner (environment) caches a page file.
//
// A claim is an OFD read lock on one byte of the directory that holds the file.
// The byte's place tells the file's inode number, the owner and if the owner
// writes. Locks on the page file itself are the program's own: a lock on the
// whole file would exclude a claim there, and be excluded by it.
// All claims of one directory sit on one open file description, so that a claim
// opens and closes no descriptor of a page file.
//
// Concurrency: none; the caller's mutex guards all calls, and forks.
// Crash:       the locks go with the process. A forked child shares the
//              description: LeaveToParent() closes its descriptors.
// Limits:      a file with hard links in two directories has two places for
//              claims. A directory that the process may not read has none.

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
    // Claims by place: one lock stands for all claims of a byte.
    std::map<uint64_t, uint32_t> counts;
  };

 public:
  // One claim. Move-only; destruction gives it back.
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
  // held() if another owner's claim excludes it: a writer excludes all, and is
  // excluded by all. Where the file system has no such locks, or the directory
  // cannot be read, the claim is held and excludes none.
  absl::StatusOr<Claim> Take(const std::string& path, const FileIdentity& file,
                             uint64_t owner, bool for_writing);

  // In a forked child: closes the descriptors, so that the claims are the
  // parent's alone. Claims that were copied are void from then on.
  void LeaveToParent();
  // The program may have closed descriptors: forgets those that are lost.
  void ForgetLost();

 private:
  absl::StatusOr<std::shared_ptr<Directory>> Open(const std::string& path);

  // By device and inode number.
  std::map<std::pair<uint64_t, uint64_t>, std::weak_ptr<Directory>> open_;
};

}  // namespace mpool::os

#endif  // MPOOL_OS_CLAIMS_H_
