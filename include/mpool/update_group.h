// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// update_group.h - changes of several pages that count together or not at all.

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

// Pages that are got for update one after the other and put at once. If the
// process dies, or the group is destroyed, before Commit, each page is as it
// was at its last put; from the moment that Commit stores its one word on, each
// has its new bytes, whoever finishes the put. (What is on disk after a power
// loss is another matter: make the files durable by Sync, or keep a log.)
//
//   UpdateGroup group(*env);
//   auto from = group.Add(*file, 3);   // a WritePage*
//   auto to = group.Add(*file, 8);
//   ...                                // change (*from)->data(), (*to)->data()
//   group.Commit();
//
// Threads that add the same pages in different orders wait for each other for
// ever: add in a common order, or bound the wait.
//
// Thread safety: a group belongs to the thread that added its first page, for
// all calls but the destructor. A thread has one open group at a time. It must
// not outlive its environment's last handle.
class MPOOL_EXPORT UpdateGroup {
 public:
  explicit UpdateGroup(DbEnv& env) noexcept;
  UpdateGroup(const UpdateGroup&) = delete;
  UpdateGroup& operator=(const UpdateGroup&) = delete;
  // Rolls back what was not committed.
  ~UpdateGroup();

  // The page, to change, as MPoolFile::GetForUpdate; the same page again gives
  // the same guard. The group puts it: the guard's own Put and Discard do
  // nothing. Valid until Commit, Rollback or the destructor.
  // Errors: those of GetForUpdate; FailedPrecondition for a second open group
  // of the thread, or another thread; InvalidArgument for a file of another
  // environment; ResourceExhausted past 1024 pages. A page that was lost must
  // be made anew outside of a group. The pages added before stay.
  absl::StatusOr<WritePage*> Add(MPoolFile& file, PageNo page,
                                 const GetOptions& options = {}) noexcept;
  // A new page of the file. Its number stays in use after a rollback; the page
  // reads as cleared then.
  absl::StatusOr<WritePage*> AddNew(MPoolFile& file) noexcept;

  // Puts all pages, changed. The group is empty then and may be used again.
  absl::Status Commit() noexcept;
  // Sets all pages back and puts them, unchanged.
  void Rollback() noexcept;

 private:
  std::unique_ptr<internal::Group> group_;
};

}  // namespace mpool

#endif  // MPOOL_UPDATE_GROUP_H_
