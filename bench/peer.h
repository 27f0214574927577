// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// peer.h - a forked process that runs commands in parallel to this process.

#ifndef MPOOL_BENCH_PEER_H_
#define MPOOL_BENCH_PEER_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mpool::bench {

class Peer {
 public:
  // Called in the child with each command; destroyed there at the end.
  using Body = std::function<absl::StatusOr<double>(uint32_t command)>;

  // REQUIRES: no other thread runs in this process.
  static absl::StatusOr<std::unique_ptr<Peer>> Fork(Body body);

  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  // Ends the child and waits for it.
  ~Peer();

  // Sends a command, which the child starts at once. Finish waits for the
  // answer.
  absl::Status Start(uint32_t command);
  absl::StatusOr<double> Finish();

  // Kills the child with SIGKILL.
  void Kill() const;

 private:
  Peer(pid_t child, int socket) : child_(child), socket_(socket) {}

  const pid_t child_;
  const int socket_;
};

}  // namespace mpool::bench

#endif  // MPOOL_BENCH_PEER_H_
