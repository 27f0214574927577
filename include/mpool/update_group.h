// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// update_group.h - atomic changes of several pages.

#ifndef MPOOL_UPDATE_GROUP_H_
#define MPOOL_UPDATE_GROUP_H_

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mpool/export.h"
#include "mpool/options.h"
#include "mpool/page.h"
#include "mpool/types.h"

namespace mpool {

class DbEnv;
class MPoolFile;

namespace internal {
class Group;
}  // namespace internal

// Pages that are got for update one after the other and put together. If the
// process dies or the group is destroyed before Commit, each page is as at its
// last put. Commit stores one word; after that store each page has its new
// bytes, even if a repairer finishes the put. This does not cover a power loss:
// make the files durable by Sync, or keep a log.
//
//   UpdateGroup group(*env);
//   auto from = group.Add(*file, 3);   // a WritePage*
//   auto to = group.Add(*file, 8);
//   ...                                // change (*from)->data(), (*to)->data()
//   group.Commit();
//
// Threads that add the same pages in different orders may deadlock. Add in a
// common order, or bound the wait.
//
// Thread safety: a group belongs to the thread that added its first page. Only
// that thread may make calls, except the destructor. A thread has one open
// group at a time. A group must not outlive its environment's last handle.
class MPOOL_EXPORT UpdateGroup {
 public:
  explicit UpdateGroup(DbEnv& env) noexcept;
  UpdateGroup(const UpdateGroup&) = delete;
  UpdateGroup& operator=(const UpdateGroup&) = delete;
  // Rolls back all uncommitted changes.
  ~UpdateGroup();

  // Returns the page for update, as MPoolFile::GetForUpdate; a page of the
  // group returns the same guard again. The group puts the page: Put and
  // Discard of the guard do nothing. The guard is valid until Commit, Rollback
  // or the destructor.
  // Returns the errors of GetForUpdate, and:
  // - FailedPrecondition: a second open group of the thread, or another thread
  // - InvalidArgument: a file of another environment
  // - ResourceExhausted: more than 1024 pages
  //
  // A lost page must be
  // written again outside of a group. After an error the pages added before
  // stay in the group.
  absl::StatusOr<WritePage*> Add(MPoolFile& file, PageNo page,
                                 const GetOptions& options = {}) noexcept;
  // Adds a new page of the file. After a rollback its number stays in use, and
  // the page reads as zeros.
  absl::StatusOr<WritePage*> AddNew(MPoolFile& file) noexcept;

  // Puts all pages with their changes. The group is then empty and may be used
  // again. FailedPrecondition for a group that a forked child inherited, and in
  // another thread than that of the first page; the group stays open then.
  absl::Status Commit() noexcept;
  // Sets all pages back and releases them unchanged.
  void Rollback() noexcept;

 private:
  std::unique_ptr<internal::Group> group_;
};

}  // namespace mpool

#endif  // MPOOL_UPDATE_GROUP_H_
