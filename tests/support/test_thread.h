// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// test_thread.h - threads of a test that may end before their body returns.

#ifndef MPOOL_TESTS_SUPPORT_TEST_THREAD_H_
#define MPOOL_TESTS_SUPPORT_TEST_THREAD_H_

#include <pthread.h>

#include <cstddef>
#include <cstdlib>
#include <functional>
#include <utility>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

namespace mpool::os {

// A thread that the test may cancel.
class TestThread {
 public:
  explicit TestThread(std::function<void()> body) : body_(std::move(body)) {
    if (pthread_create(&thread_, nullptr, Start, this) != 0) std::abort();
  }
  ~TestThread() { Join(); }
  TestThread(const TestThread&) = delete;
  TestThread& operator=(const TestThread&) = delete;

  void Cancel() { pthread_cancel(thread_); }
  // Waits for the end of the thread. Returns true if the body returned; false
  // if cancellation or pthread_exit ended it.
  bool Join() {
    if (!joined_ && pthread_join(thread_, nullptr) != 0) std::abort();
    joined_ = true;
    return ended_;
  }

 private:
  // AddressSanitizer treats the frames that the end of a thread unwound as
  // frames in use. The destructor unpoisons them.
  struct Forget {
    ~Forget() {
#ifdef __SANITIZE_ADDRESS__
      constexpr size_t kBytes = size_t{256} << 10;
      char* here = static_cast<char*>(__builtin_frame_address(0));
      ASAN_UNPOISON_MEMORY_REGION(here - kBytes, kBytes);
#endif
    }
  };
  static void* Start(void* self) {
    const Forget forget;
    static_cast<TestThread*>(self)->body_();
    static_cast<TestThread*>(self)->ended_ = true;
    return nullptr;
  }

  std::function<void()> body_;
  pthread_t thread_{};
  bool ended_ = false;
  bool joined_ = false;
};

// Returns true if cancellation or pthread_exit ended `body` in a thread.
inline bool IsCutShort(std::function<void()> body) {
  return !TestThread(std::move(body)).Join();
}

}  // namespace mpool::os

#endif  // MPOOL_TESTS_SUPPORT_TEST_THREAD_H_
