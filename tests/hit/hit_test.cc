// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// hit_test.cc - a hit stores nothing shared and executes one locked
// instruction.

#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "absl/strings/str_cat.h"
#include "tests/pool/support.h"

namespace mpool::pooltest {
namespace {

constexpr PageNo kPages = 32;

class HitTest : public ::testing::Test {
 protected:
  ~HitTest() override {
    static_cast<void>(DbEnv::Remove(dir_.path(), /*force=*/true));
  }

  // Opens an environment with default options and one file that fits.
  void Open() {
    MakeFile(dir_.Below("f"), 0, 4096, kPages, table_);
    env_ = Must(DbEnv::Open(dir_.path()), "open");
    file_ = Must(env_->OpenFile("f"), "file");
  }
  void Warm() {
    for (int round = 0; round < 2; ++round) {
      for (PageNo page = 0; page < kPages; ++page) {
        Must(file_->Get(page), "warm");
      }
    }
  }
  // Makes the region read-only, except the pages with the calling thread's own
  // slot.
  void Protect() {
    Insides* insides = new Insides(dir_.path());  // stays: closing would store
    region::Region& region = insides->region();
    std::byte* base = region.memory().base();
    const uint64_t size = region.memory().header()->size_bytes.load();
    Must(::mprotect(base, size, PROT_READ) == 0 ? absl::OkStatus()
                                                : absl::InternalError("no"),
         "protect the region");
    region.members().ForEachThread([&](uint32_t id, region::ThreadSlot& slot,
                             region::ThreadWord) {
      if (id <= kMaxProcesses) return;
      const uint64_t at = region.memory().OffsetOf(&slot) / 4096 * 4096;
      Must(::mprotect(base + at, 4096, PROT_READ | PROT_WRITE) == 0
               ? absl::OkStatus()
               : absl::InternalError("no"),
           "give the slot back");
    });
  }
  // Returns the exit status of a process that does this to warm, protected
  // pages.
  int EndOf(const std::function<void(MPoolFile&)>& use) {
    os::Child child([&] {
      Watchdog(60);
      // Disable the sanitizer's report, because the fault is expected.
      ::signal(SIGSEGV, SIG_DFL);
      Open();
      Warm();
      Protect();
      use(*file_);
      ::_exit(0);
    });
    return child.Wait();
  }

  os::TempDir dir_;
  Table table_;
  std::unique_ptr<DbEnv> env_;
  std::unique_ptr<MPoolFile> file_;
};

TEST_F(HitTest, StoresToTheThreadsOwnSlotAlone) {
  EXPECT_EQ(EndOf([](MPoolFile& file) {
              for (int i = 0; i < 1000; ++i) {
                Must(file.Get(static_cast<PageNo>(i) % kPages), "get");
              }
            }),
            0);
}

TEST_F(HitTest, TwoGuardsStoreToOwnSlot) {
  EXPECT_EQ(EndOf([](MPoolFile& file) {
              Must(file.Get(0), "one");
              const ReadPage first = Must(file.Get(1), "first");
              const ReadPage again = Must(file.Get(1), "again");
              const ReadPage second = Must(
                  file.Get(2, {.latch = Latch::kNone}), "second");
            }),
            0);
}

// The protection works: a store into the frame's header faults.
TEST_F(HitTest, AnUpdateStoresToTheFramesHeader) {
  const int status = EndOf([](MPoolFile& file) {
    Must(file.GetForUpdate(0), "update");
  });
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV) << status;
}

#if defined(__x86_64__) && defined(NDEBUG) && !defined(MPOOL_STEPS) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

// Counts locked instructions and fences between two traps of a child.
struct Counts {
  uint64_t instructions = 0;
  uint64_t locked = 0;
  uint64_t fences = 0;
};

void Decode(const unsigned char* code, Counts* counts) {
  ++counts->instructions;
  bool lock = false;
  while (*code == 0xf0 || *code == 0x66 || *code == 0x67 || *code == 0xf2 ||
         *code == 0xf3 || *code == 0x2e || *code == 0x36 || *code == 0x3e ||
         *code == 0x26 || *code == 0x64 || *code == 0x65) {
    lock = lock || *code == 0xf0;
    ++code;
  }
  if ((*code & 0xf0) == 0x40) ++code;  // REX
  // An exchange with memory locks without the prefix.
  const bool exchange =
      (code[0] == 0x86 || code[0] == 0x87) && (code[1] & 0xc0) != 0xc0;
  const bool mfence = code[0] == 0x0f && code[1] == 0xae && code[2] == 0xf0;
  if (lock || exchange) ++counts->locked;
  if (mfence) ++counts->fences;
}

void Trap() { asm volatile("int3"); }

Counts CountBetweenTraps(pid_t pid) {
  Counts counts;
  int status = 0;
  auto stopped_by = [&](int signal) {
    return ::waitpid(pid, &status, 0) == pid && WIFSTOPPED(status) &&
           WSTOPSIG(status) == signal;
  };
  EXPECT_TRUE(stopped_by(SIGTRAP)) << status;
  while (counts.instructions < 100000) {
    user_regs_struct registers;
    ::ptrace(PTRACE_GETREGS, pid, nullptr, &registers);
    unsigned char code[16];
    for (size_t i = 0; i < 2; ++i) {
      const long word = ::ptrace(PTRACE_PEEKTEXT, pid,
                                 registers.rip + i * sizeof(long), nullptr);
      std::memcpy(code + i * sizeof(long), &word, sizeof(word));
    }
    if (code[0] == 0xcc) break;  // the second trap
    Decode(code, &counts);
    ::ptrace(PTRACE_SINGLESTEP, pid, nullptr, nullptr);
    EXPECT_TRUE(stopped_by(SIGTRAP)) << status;
    if (!WIFSTOPPED(status)) break;
  }
  return counts;
}

TEST_F(HitTest, ExecutesOneLockedInstructionAndNoFence) {
  os::Child child([&] {
    Watchdog(60);
    Open();
    Warm();
    ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    Trap();
    {
      const absl::StatusOr<ReadPage> page = file_->Get(7);
    }
    Trap();
  });
  const Counts counts = CountBetweenTraps(child.pid());
  EXPECT_GT(counts.instructions, 20u);
  EXPECT_LT(counts.instructions, 1000u);
  EXPECT_EQ(counts.locked, 1u);
  EXPECT_EQ(counts.fences, 0u);
}

// The counter works: an update and its put change the state three times.
TEST_F(HitTest, AnUpdateExecutesMoreLockedInstructions) {
  os::Child child([&] {
    Watchdog(60);
    Open();
    Warm();
    Must(file_->GetForUpdate(7), "once");
    ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    Trap();
    {
      const absl::StatusOr<WritePage> page = file_->GetForUpdate(7);
    }
    Trap();
  });
  EXPECT_GE(CountBetweenTraps(child.pid()).locked, 4u);
}

#endif

}  // namespace
}  // namespace mpool::pooltest
