// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// prefork_test.cc - the server of examples/prefork: the answers that its
// clients get while its workers are killed, and the source of the answers.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <set>
#include <sstream>

#include "mpool/mpool.h"
#include "tests/examples/program.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_home.h"

namespace mpool {
namespace {

using test::Program;
using ::testing::HasSubstr;

class Client {
 public:
  explicit Client(const std::string& path)
      : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un where = {};
    where.sun_family = AF_UNIX;
    path.copy(where.sun_path, sizeof(where.sun_path) - 1);
    Connect(&where, sizeof(where));
  }
  explicit Client(int port)
      : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in where = {};
    where.sin_family = AF_INET;
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    where.sin_port = htons(static_cast<uint16_t>(port));
    Connect(&where, sizeof(where));
  }
  ~Client() { ::close(fd_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void Send(const std::string& line) const {
    const std::string bytes = line + "\n";
    ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }
  // Returns the next line, or an empty string if the worker is gone.
  std::string Answer() const {
    std::string answer;
    for (char byte = 0; ::recv(fd_, &byte, 1, 0) == 1 && byte != '\n';) {
      answer += byte;
    }
    return answer;
  }
  std::string Ask(const std::string& line) const {
    Send(line);
    return Answer();
  }
  std::map<std::string, uint64_t> Stats() const {
    std::map<std::string, uint64_t> stats;
    std::istringstream words(Ask("STATS"));
    for (std::string word; words >> word;) {
      const size_t equals = word.find('=');
      if (equals == std::string::npos) continue;
      stats[word.substr(0, equals)] = std::stoull(word.substr(equals + 1));
    }
    return stats;
  }
  pid_t Worker() const { return static_cast<pid_t>(Stats()["pid"]); }

 private:
  void Connect(const void* where, socklen_t size) const {
    EXPECT_EQ(::connect(fd_, static_cast<const sockaddr*>(where), size), 0);
  }
  const int fd_;
};

class PreforkTest : public ::testing::Test {
 protected:
  explicit PreforkTest(const std::string& address = "")
      : address_(address.empty() ? home_.Below("socket") : address),
        server_("prefork", {home_.path(), address_, "2"}) {
    const std::string said = server_.Line();
    EXPECT_THAT(said, HasSubstr("serving at "));
    if (!address.empty()) port_ = std::stoi(said.substr(said.rfind(' ')));
    for (int i = 0; i < 2; ++i) {
      EXPECT_THAT(server_.Line(), HasSubstr(" started"));
    }
  }
  // Waits until the server reports that it replaced `worker`.
  void AwaitSuccessorOf(pid_t worker) {
    EXPECT_EQ(server_.Line(),
              "worker " + std::to_string(worker) + " was killed");
    EXPECT_THAT(server_.Line(), HasSubstr(" started"));
  }
  void Stop() {
    ::kill(server_.pid(), SIGTERM);
    EXPECT_EQ(server_.End(), 0);
    EXPECT_EQ(server_.Line(), "");
    EXPECT_THAT(test::AllOf(home_.path()), ::testing::ElementsAre("pages.db"));
  }

  test::TempHome home_;
  const std::string address_;
  int port_ = 0;
  Program server_;
};
class TcpPreforkTest : public PreforkTest {
 protected:
  TcpPreforkTest() : PreforkTest("0") {}
};

TEST_F(PreforkTest, AllWorkersServeFromOneCache) {
  const Client one(address_);
  const Client two(address_);
  ASSERT_EQ(one.Ask("PUT 3 hello world"), "OK ");
  EXPECT_EQ(two.Ask("GET 3"), "OK hello world");
  EXPECT_NE(one.Worker(), two.Worker());
  const auto stats = two.Stats();
  EXPECT_EQ(stats.at("misses"), 1u);
  EXPECT_EQ(stats.at("pages_read"), 0u);
  EXPECT_EQ(stats.at("hits"), 1u);
  Stop();
}

TEST_F(TcpPreforkTest, SigtermWritesPutPages) {
  {
    const Client client(port_);
    EXPECT_EQ(client.Ask("PUT 1 kept"), "OK ");
  }
  Stop();
  EXPECT_EQ(test::BytesOf(home_.Below("pages.db"), 4096, 5),
            std::string("kept\0", 5));
}

TEST_F(PreforkTest, SigtermLeavesConnectedClients) {
  const Client idle(address_);
  EXPECT_EQ(idle.Ask("GET 0").substr(0, 5), "ERROR");
  Stop();
  EXPECT_EQ(idle.Answer(), "");
}

TEST_F(PreforkTest, MalformedRequestGetsError) {
  const Client client(address_);
  EXPECT_THAT(client.Ask("HELLO"), HasSubstr("ERROR INVALID_ARGUMENT"));
  EXPECT_THAT(client.Ask("GET"), HasSubstr("from 0 to 1023"));
  EXPECT_THAT(client.Ask("PUT 1024 x"), HasSubstr("from 0 to 1023"));
  EXPECT_THAT(client.Ask("GET -1"), HasSubstr("from 0 to 1023"));
  EXPECT_THAT(client.Ask("GET 5"), HasSubstr("ERROR NOT_FOUND"));
  Stop();
}

TEST_F(PreforkTest, KilledWorkersAreReplaced) {
  std::set<pid_t> seen;
  for (uint64_t round = 1; round <= 6; ++round) {
    SCOPED_TRACE(round);
    const std::string page = std::to_string(round);
    const Client victim(address_);
    ASSERT_EQ(victim.Ask("PUT " + page + " put before the kill"), "OK ");
    const pid_t worker = victim.Worker();
    EXPECT_TRUE(seen.insert(worker).second);
    ASSERT_EQ(::kill(worker, SIGKILL), 0);
    EXPECT_EQ(victim.Answer(), "");
    AwaitSuccessorOf(worker);
    const Client next(address_);
    EXPECT_NE(next.Worker(), worker);
    for (uint64_t old = 1; old <= round; ++old) {
      EXPECT_EQ(next.Ask("GET " + std::to_string(old)),
                "OK put before the kill");
    }
    const auto stats = next.Stats();
    EXPECT_EQ(stats.at("repairs"), round);
    // Each page was loaded once, when it was made. No worker has read a page.
    EXPECT_EQ(stats.at("misses"), round);
    EXPECT_EQ(stats.at("pages_read"), 0u);
  }
  Stop();
}

// The kill hits the asked worker at any point of its work.
TEST_F(PreforkTest, KilledPutIsWholeOrAbsent) {
  std::string before;
  for (int round = 0; round < 20; ++round) {
    const std::string after(1500, static_cast<char>('a' + round));
    const Client victim(address_);
    const pid_t worker = victim.Worker();
    // The worker joins the environment at its first get.
    EXPECT_NE(victim.Ask("GET 0"), "");
    victim.Send("PUT 0 " + after);
    if (round % 2 == 1) ::usleep(static_cast<useconds_t>(round * 20));
    ASSERT_EQ(::kill(worker, SIGKILL), 0);
    const bool answered = victim.Answer() == "OK ";
    AwaitSuccessorOf(worker);
    std::string found = Client(address_).Ask("GET 0");
    if (found.starts_with("ERROR NOT_FOUND")) found = "OK ";
    if (answered) {
      EXPECT_EQ(found, "OK " + after);
    }
    EXPECT_TRUE(found == "OK " + before || found == "OK " + after) << found;
    before = found.substr(3);
  }
  EXPECT_EQ(Client(address_).Stats().at("repairs"), 20u);
  Stop();
}

TEST_F(PreforkTest, WorkersWithoutMasterWritePutPages) {
  const Client client(address_);
  ASSERT_EQ(client.Ask("PUT 0 kept"), "OK ");
  ASSERT_EQ(::kill(server_.pid(), SIGKILL), 0);
  EXPECT_EQ(server_.End(), -SIGKILL);
  // A socket closes once every process that has it has ended.
  EXPECT_EQ(client.Answer(), "");
  while (!server_.Line().empty()) {
  }
  EXPECT_EQ(test::BytesOf(home_.Below("pages.db"), 0, 5),
            std::string("kept\0", 5));
}

}  // namespace
}  // namespace mpool
