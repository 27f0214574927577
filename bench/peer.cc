// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "bench/peer.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "os/status.h"

namespace mpool::bench {
namespace {

struct Answer {
  double value = 0;
  char error[512] = {};  // empty if there was no error
};

// The socket keeps message boundaries, so each call transfers a whole message.
template <class T>
bool Send(int socket, const T& message) {
  return send(socket, &message, sizeof(T), MSG_NOSIGNAL) == ssize_t{sizeof(T)};
}
template <class T>
bool Receive(int socket, T* message) {
  return recv(socket, message, sizeof(T), 0) == ssize_t{sizeof(T)};
}

void Serve(int socket, const Peer::Body& body) {
  uint32_t command = 0;
  while (Receive(socket, &command)) {
    const absl::StatusOr<double> value = body(command);
    Answer answer{.value = value.value_or(0)};
    const std::string text = value.ok() ? "" : value.status().ToString();
    text.copy(answer.error, sizeof(answer.error) - 1);
    if (!Send(socket, answer)) return;
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Peer>> Peer::Fork(Body body) {
  int sockets[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) {
    return os::ErrnoToStatus(errno, "make sockets", "for the second process");
  }
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child == 0) {
    close(sockets[0]);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() == parent) {
      Serve(sockets[1], body);
      body = nullptr;
    }
    _exit(0);
  }
  const int error = errno;
  close(sockets[1]);
  if (child > 0) return std::unique_ptr<Peer>(new Peer(child, sockets[0]));
  close(sockets[0]);
  return os::ErrnoToStatus(error, "fork", "the second process");
}

Peer::~Peer() {
  close(socket_);
  while (waitpid(child_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

absl::Status Peer::Start(uint32_t command) {
  if (Send(socket_, command)) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("second process ", child_, ": it is gone"));
}

absl::StatusOr<double> Peer::Finish() {
  Answer answer;
  if (!Receive(socket_, &answer)) {
    return absl::InternalError(
        absl::StrCat("second process ", child_, ": it ended unasked"));
  }
  if (answer.error[0] == '\0') return answer.value;
  return absl::InternalError(
      absl::StrCat("second process ", child_, ": ", answer.error));
}

void Peer::Kill() const { kill(child_, SIGKILL); }

}  // namespace mpool::bench
