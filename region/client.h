// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// client.h - the interface through which the region calls the layer above it.

#ifndef MPOOL_REGION_CLIENT_H_
#define MPOOL_REGION_CLIENT_H_

#include "absl/status/status.h"
#include "mpool/stats.h"
#include "region/repair_pass.h"
#include "region/shalloc.h"
#include "region/thread.h"

namespace mpool::region {

// kAlone: no other process is attached.
enum class Sharing { kAlone, kShared };

// The layer above the region: formats, checks, adopts and repairs its tables.
class RegionClient {
 public:
  virtual ~RegionClient() = default;
  // Builds the tables of a new region. No other process can see it yet.
  virtual absl::Status Format(const Thread& self) = 0;
  // Returns an error if a table that the root leads to has a wrong place or
  // wrong contents. Adds the chunks of the tables to `reached`. kAlone: no
  // table is being changed. Reads only.
  virtual absl::Status Check(Sharing sharing, Reachable* reached) = 0;
  // Repairs the tables as far as possible and releases everything that the dead
  // held; see adopt.h. Adds to `reached` the chunks that Check did not add.
  // Called only while no other process is attached.
  virtual void Adopt(const Thread& self, Reachable* reached,
                     RepairReport* report) = 0;
  // Forgets, without closing them, the fds that the program closed. Returns an
  // error if the layer needs one of them. EnterChild calls it first.
  virtual absl::Status ForgetLost() { return absl::OkStatus(); }
  // Repairs what the dead process of the pass left in this layer's tables.
  virtual void RepairClient(const RepairPass& pass) = 0;
};

}  // namespace mpool::region

#endif  // MPOOL_REGION_CLIENT_H_
