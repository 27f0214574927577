// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// prefork.cc - a preforking server, like nginx. The master opens an environment
// in memory without a name and forks workers that serve from it. The master
// replaces each worker that is killed. The other workers continue in the same
// cache, where every page is as at its last put.
//
//   mkdir /tmp/pages
//   prefork /tmp/pages 8080 4 &         # four workers at 127.0.0.1:8080
//   printf 'PUT 7 hello\nGET 7\nSTATS\n' | nc -q 1 127.0.0.1 8080
//   kill -9 PID                         # of a worker; ask again
//   kill %1                             # SIGTERM ends it
//
// A request is one line. The answer is one line that begins with OK or ERROR:
//
//   GET page           returns the text on a page, 0 to 1023
//   PUT page text      puts a text on it
//   STATS              returns the cache's counters and the worker's number
//
// A worker serves one client at a time. HOME/pages.db has the pages after a
// Sync, or after the last process has closed the environment.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <memory>
#include <set>
#include <sstream>
#include <string>

#include "mpool/mpool.h"

namespace {

constexpr mpool::PageNo kPages = 1024;
constexpr size_t kMaxLine = 4000;

struct Server {
  std::unique_ptr<mpool::DbEnv> env;
  std::unique_ptr<mpool::MPoolFile> file;
  int listener = -1;
  int stop = -1;  // readable after this process received a signal to end
};

absl::Status Failed(const std::string& what) {
  return absl::ErrnoToStatus(errno, what);
}

absl::StatusOr<std::string> Get(Server& server, mpool::PageNo number) {
  auto page = server.file->Get(number);
  if (!page.ok()) return page.status();
  const char* text = reinterpret_cast<const char*>(page->data().data());
  return std::string(text, strnlen(text, page->data().size()));
}

// Stores a text. Put publishes the page; a worker that is killed before its Put
// has changed nothing.
absl::StatusOr<std::string> Put(Server& server, mpool::PageNo number,
                                const std::string& text) {
  auto page = server.file->GetForUpdate(number, {.create = true});
  if (!page.ok()) return page.status();
  const auto bytes = page->data();
  std::memset(bytes.data(), 0, bytes.size());
  std::memcpy(bytes.data(), text.data(),
              std::min(text.size(), bytes.size() - 1));
  page->Put();
  return "";
}

std::string Stats(Server& server) {
  const mpool::EnvStats stats = server.env->Stats();
  std::ostringstream out;
  out << "pid=" << getpid() << " processes=" << stats.processes
      << " repairs=" << stats.repairs << " hits=" << stats.hits
      << " misses=" << stats.misses << " pages_read=" << stats.pages_read;
  return out.str();
}

absl::StatusOr<std::string> Answer(Server& server, const std::string& line) {
  std::istringstream words(line);
  std::string verb, text;
  mpool::PageNo number = 0;
  words >> verb;
  if (verb == "STATS") return Stats(server);
  if (verb != "GET" && verb != "PUT") {
    return absl::InvalidArgumentError("say GET page, PUT page text or STATS");
  }
  if (!(words >> number) || number >= kPages) {
    return absl::InvalidArgumentError("a page is a number from 0 to 1023");
  }
  if (verb == "GET") return Get(server, number);
  std::getline(words >> std::ws, text);
  return Put(server, number, text);
}

// Waits for input. Returns false if this process received a signal to end.
bool AwaitInput(const Server& server, int fd) {
  pollfd both[] = {{server.stop, POLLIN, 0}, {fd, POLLIN, 0}};
  while (poll(both, 2, -1) < 0) {
  }
  return both[0].revents == 0;
}

void Talk(Server& server, int client) {
  std::string input;
  while (input.size() < kMaxLine && AwaitInput(server, client)) {
    char bytes[kMaxLine];
    const ssize_t got = recv(client, bytes, sizeof(bytes), 0);
    if (got <= 0) return;
    input.append(bytes, static_cast<size_t>(got));
    for (size_t end; (end = input.find('\n')) != std::string::npos;) {
      const auto answer = Answer(server, input.substr(0, end));
      input.erase(0, end + 1);
      const std::string reply =
          answer.ok() ? "OK " + *answer + '\n'
                      : "ERROR " + answer.status().ToString() + '\n';
      // Disconnects a client that does not read its answers (SO_SNDTIMEO).
      if (send(client, reply.data(), reply.size(), MSG_NOSIGNAL) !=
          static_cast<ssize_t>(reply.size())) {
        return;
      }
    }
  }
}

// Runs a worker. It may use the handles that it inherited: the first call
// attaches it to the environment, and Close detaches it.
absl::Status Work(Server& server) {
  while (AwaitInput(server, server.listener)) {
    const int client = accept(server.listener, nullptr, nullptr);
    if (client < 0) continue;  // another worker was faster
    const timeval patience = {.tv_sec = 5, .tv_usec = 0};
    setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    Talk(server, client);
    close(client);
  }
  if (absl::Status s = server.file->Close(); !s.ok()) return s;
  return server.env->Close();
}

absl::StatusOr<pid_t> StartWorker(Server& server) {
  const pid_t master = getpid();
  const pid_t pid = fork();
  if (pid < 0) return Failed("fork a worker");
  if (pid > 0) {
    std::cout << "worker " << pid << " started" << std::endl;
    return pid;
  }
  // If the master dies, the workers end. The last worker writes the pages back.
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != master) _exit(1);
  const absl::Status status = Work(server);
  if (!status.ok()) std::cerr << "prefork: worker: " << status << std::endl;
  _exit(status.ok() ? 0 : 1);  // runs no destructor of the master's objects
}

// Replaces workers that were killed, until a signal ends the server or a worker
// ends by itself. Any process repairs the dead when it needs to; FailCheck
// repairs them at once.
absl::Status Watch(Server& server, const sigset_t& signals,
                   std::set<pid_t>* workers) {
  while (sigwaitinfo(&signals, nullptr) == SIGCHLD) {
    int status = 0;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
      workers->erase(pid);
      if (!WIFSIGNALED(status)) return absl::UnknownError("a worker gave up");
      std::cout << "worker " << pid << " was killed" << std::endl;
      if (auto s = server.env->FailCheck(); !s.ok()) return s.status();
      const absl::StatusOr<pid_t> next = StartWorker(server);
      if (!next.ok()) return next.status();
      workers->insert(*next);
    }
  }
  return absl::OkStatus();
}

bool IsPort(const std::string& address) {
  return address.find_first_not_of("0123456789") == std::string::npos;
}

// Returns a listener on a local port, 0 for any, or on the path of a socket.
absl::StatusOr<int> Listen(const std::string& address) {
  const bool is_port = IsPort(address);
  sockaddr_in inet = {};
  inet.sin_family = AF_INET;
  inet.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  inet.sin_port = htons(static_cast<uint16_t>(std::atoi(address.c_str())));
  sockaddr_un local = {};
  local.sun_family = AF_UNIX;
  address.copy(local.sun_path, sizeof(local.sun_path) - 1);
  const auto* where = is_port ? reinterpret_cast<const sockaddr*>(&inet)
                              : reinterpret_cast<const sockaddr*>(&local);
  const socklen_t size = is_port ? sizeof(inet) : sizeof(local);
  const int fd = socket(where->sa_family,
                        SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int again = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &again, sizeof(again));
  if (fd < 0 || bind(fd, where, size) != 0 || listen(fd, SOMAXCONN) != 0) {
    return Failed("listen at " + address);
  }
  socklen_t got = sizeof(inet);
  if (is_port) getsockname(fd, reinterpret_cast<sockaddr*>(&inet), &got);
  std::cout << "serving at "
            << (is_port ? std::to_string(ntohs(inet.sin_port)) : address)
            << std::endl;
  return fd;
}

absl::Status Serve(const char* home, const std::string& address, int count) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  Server server;
  server.stop = signalfd(-1, &signals, SFD_CLOEXEC);
  sigaddset(&signals, SIGCHLD);
  sigprocmask(SIG_BLOCK, &signals, nullptr);

  mpool::EnvOptions options;
  options.backing = mpool::Backing::kAnonymous;
  auto env = mpool::DbEnv::Open(home, options);
  if (!env.ok()) return env.status();
  server.env = *std::move(env);
  auto file = server.env->OpenFile("pages.db", {.create = true});
  if (!file.ok()) return file.status();
  server.file = *std::move(file);
  const absl::StatusOr<int> listener = Listen(address);
  if (!listener.ok()) return listener.status();
  server.listener = *listener;

  std::set<pid_t> workers;
  absl::Status status;
  for (int i = 0; i < count && status.ok(); ++i) {
    const absl::StatusOr<pid_t> pid = StartWorker(server);
    status = pid.status();
    if (pid.ok()) workers.insert(*pid);
  }
  if (status.ok()) status = Watch(server, signals, &workers);
  for (const pid_t pid : workers) kill(pid, SIGTERM);
  for (const pid_t pid : workers) waitpid(pid, nullptr, 0);
  if (!IsPort(address)) unlink(address.c_str());
  status.Update(server.file->Close());
  status.Update(server.env->Close());  // the last process writes dirty pages
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  const int workers = argc == 4 ? std::atoi(argv[3]) : 2;
  if (argc < 3 || argc > 4 || workers < 1) {
    std::cerr << "usage: prefork HOME PORT|SOCKET [WORKERS]\n";
    return 2;
  }
  const absl::Status status = Serve(argv[1], argv[2], workers);
  if (!status.ok()) std::cerr << "prefork: " << status << '\n';
  return status.ok() ? 0 : 1;
}
