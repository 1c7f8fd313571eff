// Threads that share out the parts of a step.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace closecast::CLOSECAST_ISA {

class Pool {
 public:
  explicit Pool(int threads) {
    for (int i = 1; i < threads; ++i) workers_.emplace_back([this] { work(); });
  }

  ~Pool() {
    closing_ = true;
    publish(0);
    for (std::thread& worker : workers_) worker.join();
  }

  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // Call task(0) ... task(count - 1), in any order, and wait for all of them; a thread
  // that the system does not let run is not waited for.
  void run(int count, const std::function<void(int)>& task) {
    if (workers_.empty() || count < 2) {
      for (int i = 0; i < count; ++i) task(i);
      return;
    }
    task_ = &task;
    done_ = 0;
    publish(count);
    take();
    while (done_ < count) std::this_thread::yield();
  }

 private:
  // A ticket is a round, how many tasks it has and the next of them: one number, so
  // that a thread that comes late cannot take a task of another round for its own.
  static constexpr int FIELD = 21;
  static constexpr uint64_t MASK = (uint64_t(1) << FIELD) - 1;

  void publish(int count) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      const uint64_t round = (ticket_ >> (2 * FIELD)) + 1;
      ticket_ = round << (2 * FIELD) | uint64_t(count) << FIELD;
    }
    wake_.notify_all();
  }

  void take() {
    for (;;) {
      const uint64_t ticket = ticket_++, i = ticket & MASK;
      if (i >= (ticket >> FIELD & MASK)) return;
      (*task_)(int(i));
      ++done_;
    }
  }

  void work() {
    for (uint64_t seen = 0;;) {
      const auto is_new = [&] { return ticket_ >> (2 * FIELD) != seen; };
      for (int spin = 0; spin < 2000 && !is_new(); ++spin) std::this_thread::yield();
      {
        std::unique_lock<std::mutex> lock(mutex_);
        wake_.wait(lock, is_new);
        seen = ticket_ >> (2 * FIELD);
      }
      if (closing_) return;
      take();
    }
  }

  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<uint64_t> ticket_{0};
  std::atomic<int> done_{0};
  std::atomic<bool> closing_{false};
  const std::function<void(int)>* task_ = nullptr;
};

}  // namespace closecast::CLOSECAST_ISA
