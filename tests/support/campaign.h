// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// campaign.h - MPOOL_SEED replays a run, MPOOL_ROUNDS lengthens it.

#ifndef MPOOL_TESTS_SUPPORT_CAMPAIGN_H_
#define MPOOL_TESTS_SUPPORT_CAMPAIGN_H_

#include <cstdint>
#include <cstdlib>
#include <random>

namespace mpool::test {

inline uint64_t FromEnvironment(const char* name, uint64_t by_default) {
  const char* text = std::getenv(name);
  return text == nullptr ? by_default : std::strtoull(text, nullptr, 0);
}

// Returns the seed of the whole process; random unless given.
inline uint64_t Seed() {
  static const uint64_t seed = FromEnvironment(
      "MPOOL_SEED", (uint64_t{std::random_device()()} << 8) ^ 0x51);
  return seed;
}

inline uint64_t Rounds(uint64_t by_default) {
  return FromEnvironment("MPOOL_ROUNDS", by_default);
}

}  // namespace mpool::test

#endif  // MPOOL_TESTS_SUPPORT_CAMPAIGN_H_
