// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "bench/measurements.h"

namespace mpool::bench {
namespace {

Measurement Hit(HitCase what, bool in_quick) {
  return {what.name, in_quick,
          [what](const Context& context) { return MeasureHit(what, context); }};
}

Measurement Backings(const std::string& name, bool huge_pages, bool in_quick) {
  return {name, in_quick, [=](const Context& context) {
            return MeasureBackings(name, huge_pages, context);
          }};
}

Measurement Memory(MemoryCase what) {
  return {what.name, true, [what](const Context& context) {
            return MeasureMemory(what, context);
          }};
}

}  // namespace

std::vector<Measurement> AllMeasurements() {
  return {
      Hit({"hit.40mb.1t", kSmall}, true),
      Hit({"hit.40mb.2t", kSmall, 2}, true),
      Hit({"hit.40mb.2p", kSmall, 1, true}, false),
      Hit({"hit.400mb.1t", kLarge}, true),
      Hit({"hit.400mb.2t", kLarge, 2}, true),
      Hit({"hit.400mb.2p", kLarge, 1, true}, false),
      Hit({"hit.hot.2t", kSmall, 2, false, true}, true),
      Backings("hit.backing", /*huge_pages=*/false, true),
      Backings("hit.backing.huge", /*huge_pages=*/true, false),
      Memory({"memory.64mb", uint64_t{64} << 20}),
      Memory({"memory.1gb", uint64_t{1} << 30}),
      {"xhit.40mb.1t", false, MeasureExclusiveHit},
      {"miss", false, MeasureMiss},
      {"sync", false, MeasureSync},
      {"repair", false, MeasureRepair},
  };
}

}  // namespace mpool::bench
