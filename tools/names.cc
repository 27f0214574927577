// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/names.h"

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
  if (name == "heap") return Backing::kHeap;
  if (name == "file") return Backing::kFile;
  return Backing::kPosixShm;
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
  switch (backing) {
    case Backing::kPosixShm:
      return "posix-shm";
    case Backing::kFile:
      return "file";
    case Backing::kSysV:
      return "sysv";
    case Backing::kAnonymous:
      return "anonymous";
    case Backing::kDevZero:
      return "dev-zero";
    case Backing::kHeap:
      return "heap";
    case Backing::kSysVPrivate:
      return "sysv-private";
  }
  return "unknown";
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
