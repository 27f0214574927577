// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// move.h - lets a home keep its region and pages if its file system is mounted
// again under another device number.
//
// A copy of the file system, mounted beside the original, looks the same. The
// two homes must neither share a region nor take it from each other. Therefore
// a region follows its home only if, in all mount namespaces, the old number
// has no file system any more or belongs to a different file system.
//
// Order:  1 the descriptor gets the new number, and the old one in moved_from;
//         2 the memory gets the name that follows from the new number;
//         3 the adopter changes the number of each page file that had the old;
//         4 the descriptor loses moved_from.
// Crash:  the next opener finds moved_from, and does 2 to 4 again.

#ifndef MPOOL_REGION_MOVE_H_
#define MPOOL_REGION_MOVE_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "os/file.h"
#include "region/layout.h"

namespace mpool::region {

// True if the descriptor was made in this directory while its file system was
// mounted under another device number. FailedPrecondition if its memory is in
// use. REQUIRES: the gate, unless the caller only inspects. Not checkable: the
// caller may hold the gate through another object.
absl::StatusOr<bool> HasMoved(const os::File& home,
                              const FixedHeader& descriptor);
// If the home has moved, writes its present device number to the descriptor and
// renames the memory accordingly. The adopter completes the move by EndMove.
// REQUIRES: the gate, and no process is attached. Not checkable: as above.
absl::Status FollowHome(const os::File& home, FixedHeader* descriptor);
absl::Status EndMove(const os::File& home, const FixedHeader& descriptor);

}  // namespace mpool::region

#endif  // MPOOL_REGION_MOVE_H_
