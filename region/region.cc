// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "region/region.h"

#include <string>
#include <utility>

#include "os/assert.h"
#include "os/status.h"
#include "region/adopt.h"
#include "region/child.h"

namespace mpool::region {

Region::Region(os::File home, const os::FileIdentity& identity,
               const RegionOptions& options)
    : options_(options),
      home_files_(std::move(home), identity),
      memory_(home_files_.home().path(), {.huge_pages = options.huge_pages,
                                          .prefault = options.prefault,
                                          .lock_memory = options.lock_memory}),
      repairer_(memory_, members_),
      members_(memory_, home_files_, generation_, repairer_) {}

Region::~Region() {
  // A forked child that is not attached has neither the lock nor its page.
  if (generation_.value() == 0) {
    members_.ForgetLife();
    home_files_.ForgetLost();
  }
}

absl::StatusOr<std::unique_ptr<Region>> Region::Prepare(
    os::File home, const RegionOptions& options) {
  MPOOL_ASSIGN_OR_RETURN(const os::FileInfo info, home.Info());
  std::unique_ptr<Region> region(
      new Region(std::move(home), info.identity, options));
  MPOOL_RETURN_IF_ERROR(region->generation_.Map());
  return region;
}

absl::Status Region::Attach(RegionClient& client, const os::ByteLock* gate) {
  MPOOL_ASSERT(client_ == nullptr);
  MPOOL_ASSERT(gate == nullptr || gate->held());
  client_ = &client;
  repairer_.set_client(&client);
  Adopter adopter(memory_, members_, repairer_, client,
                  std::string(home_files_.home().path()));
  Attacher attacher(memory_, home_files_, generation_, members_, adopter,
                    client, options_, &attached_);
  return attacher.Attach(gate);
}

Leaver Region::MakeLeaver() {
  return Leaver(memory_, home_files_, members_, options_.named);
}

absl::Status Region::EnterChild(
    const std::function<absl::Status(uint32_t)>& ready, absl::Duration wait) {
  MPOOL_ASSERT(client_ != nullptr);
  Leaver leaver = MakeLeaver();
  return ChildEntry(memory_, home_files_, generation_, members_, leaver,
                    *client_, options_)
      .Enter(ready, wait);
}

absl::StatusOr<os::ByteLock> Region::BeginLeave(bool* is_last,
                                                absl::Duration wait) {
  return MakeLeaver().Begin(is_last, wait);
}

void Region::Leave(os::ByteLock gate) {
  MakeLeaver().Leave(std::move(gate), Leaver::Unnamed::kEnd);
}

absl::Status Region::LeaveAndRemove(os::ByteLock gate) {
  MPOOL_ASSERT(gate.held() && options_.named);
  const bool is_repaired = members_.inherited().none();
  // The caller's lock keeps the gate.
  Leave(os::ByteLock());
  if (!is_repaired) return absl::OkStatus();
  MPOOL_RETURN_IF_ERROR(home_files_.ReopenHome());
  MPOOL_ASSIGN_OR_RETURN(const std::optional<FixedHeader> descriptor,
                         ReadDescriptor(home_files_.home()));
  return RemoveRegionFiles(home_files_.home(), descriptor);
}

bool Region::IsInheritedOnly() const {
  return options_.shared && !options_.named &&
         memory_.header()->magic.load(std::memory_order_acquire) == kMagic;
}

}  // namespace mpool::region
