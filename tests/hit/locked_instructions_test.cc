// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// locked_instructions_test.cc - one warm get and put, stepped instruction by
// instruction, executes exactly one locked instruction: the exchange that
// publishes the ledger entry.

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

#include <array>
#include <cstring>
#include <functional>

#include "gtest/gtest.h"
#include "tests/hit/warm_pool.h"

namespace mpool::internal {
namespace {

struct Counted {
  uint64_t instructions = 0;
  uint64_t locked = 0;  // LOCK prefix, or an exchange with memory
  uint64_t fences = 0;  // mfence
  bool finished = false;
};

constexpr uint8_t kBreakpoint = 0xcc;

bool IsPrefix(uint8_t byte) {
  constexpr std::array<uint8_t, 11> kPrefixes = {0x66, 0x67, 0xf0, 0xf2,
                                                 0xf3, 0x2e, 0x36, 0x3e,
                                                 0x26, 0x64, 0x65};
  for (const uint8_t prefix : kPrefixes) {
    if (byte == prefix) return true;
  }
  return false;
}

void Classify(const std::array<uint8_t, 16>& code, Counted* counted) {
  size_t i = 0;
  bool lock = false;
  for (; i < 12 && IsPrefix(code[i]); ++i) lock = lock || code[i] == 0xf0;
  if ((code[i] & 0xf0) == 0x40) ++i;  // REX
  const bool in_memory = code[i + 1] < 0xc0;
  const bool exchange = (code[i] == 0x86 || code[i] == 0x87) && in_memory;
  if (lock || exchange) ++counted->locked;
  if (code[i] == 0x0f && code[i + 1] == 0xae &&
      (code[i + 2] & 0xf8) == 0xf0) {
    ++counted->fences;
  }
  ++counted->instructions;
}

std::array<uint8_t, 16> CodeAt(pid_t child, uint64_t address) {
  std::array<uint8_t, 16> code{};
  for (size_t i = 0; i < code.size(); i += 8) {
    const long word = ptrace(PTRACE_PEEKTEXT, child, address + i, nullptr);
    std::memcpy(&code[i], &word, sizeof(word));
  }
  return code;
}

// Runs `body` between two breakpoints in a child and steps through it.
Counted StepThrough(const std::function<void()>& warm_up,
                    const std::function<void()>& body) {
  const pid_t child = fork();
  if (child == 0) {
    warm_up();
    ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    asm volatile("int3");
    body();
    asm volatile("int3");
    _exit(0);
  }
  Counted counted;
  int status = 0;
  waitpid(child, &status, 0);
  while (WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP) {
    user_regs_struct registers{};
    ptrace(PTRACE_GETREGS, child, nullptr, &registers);
    const std::array<uint8_t, 16> code = CodeAt(child, registers.rip);
    if (code[0] == kBreakpoint) {
      counted.finished = true;
      break;
    }
    Classify(code, &counted);
    ptrace(PTRACE_SINGLESTEP, child, nullptr, nullptr);
    waitpid(child, &status, 0);
  }
  kill(child, SIGKILL);
  waitpid(child, &status, 0);
  return counted;
}

TEST(LockedInstructionsTest, AWarmGetAndPutLocksOnce) {
  WarmPool pool;
  const Counted counted = StepThrough([&] { pool.GetAndPutAll(); },
                                      [&] { pool.GetAndPut(3); });
  ASSERT_TRUE(counted.finished);
  EXPECT_EQ(counted.locked, 1u);
  EXPECT_EQ(counted.fences, 0u);
  EXPECT_GT(counted.instructions, 30u);
  RecordProperty("instructions", static_cast<int>(counted.instructions));
}

TEST(LockedInstructionsTest, AnUpdateLocksMoreAndIsCounted) {
  WarmPool pool;
  const Counted counted = StepThrough([&] { pool.GetAndPutAll(); },
                                      [&] { pool.Update(3); });
  ASSERT_TRUE(counted.finished);
  EXPECT_GT(counted.locked, 3u);
}

}  // namespace
}  // namespace mpool::internal
