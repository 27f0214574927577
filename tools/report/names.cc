// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/report/names.h"

#include <algorithm>

namespace mpool::tools {

Policy PolicyOf(std::string_view name) {
  return name == "lru" ? Policy::kLru : Policy::kClock;
}

SimulatedPolicy SimulatedPolicyOf(std::string_view name) {
  if (name == "lru") return SimulatedPolicy::kLru;
  if (name == "clock") return SimulatedPolicy::kClock;
  return SimulatedPolicy::kOpt;
}

Backing BackingOf(std::string_view name) {
  const auto found =
      std::find(kBackingNames.begin(), kBackingNames.end(), name);
  return static_cast<Backing>(found - kBackingNames.begin());
}

std::string_view NameOf(Policy policy) {
  switch (policy) {
    case Policy::kLru:
      return "lru";
    case Policy::kClock:
      return "clock";
    case Policy::kClock2Q:
      return "clock2q";
  }
  return "unknown";
}

std::string_view NameOf(Backing backing) {
  const auto index = static_cast<size_t>(backing);
  return index < kBackingNames.size() ? kBackingNames[index] : "unknown";
}

std::string_view NameOf(Origin origin) {
  switch (origin) {
    case Origin::kNew:
      return "new";
    case Origin::kReboot:
      return "reboot";
    case Origin::kLost:
      return "lost";
  }
  return "unknown";
}

}  // namespace mpool::tools
