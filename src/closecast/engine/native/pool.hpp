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
    {
      std::lock_guard<std::mutex> lock(mutex_);
      closing_ = true;
      ++round_;
    }
    wake_.notify_all();
    for (std::thread& worker : workers_) worker.join();
  }

  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // Call task(0) ... task(count - 1), in any order, and wait for all of them.
  void run(int count, const std::function<void(int)>& task) {
    if (workers_.empty() || count < 2) {
      for (int i = 0; i < count; ++i) task(i);
      return;
    }
    task_ = &task;
    count_ = count;
    next_ = 0;
    busy_ = int(workers_.size());
    {
      std::lock_guard<std::mutex> lock(mutex_);
      ++round_;
    }
    wake_.notify_all();
    take();
    while (busy_ > 0) std::this_thread::yield();
  }

 private:
  void take() {
    for (int i = next_++; i < count_; i = next_++) (*task_)(i);
  }

  void work() {
    for (uint64_t seen = 0;;) {
      for (int spin = 0; spin < 2000 && round_ == seen; ++spin)
        std::this_thread::yield();
      {
        std::unique_lock<std::mutex> lock(mutex_);
        wake_.wait(lock, [&] { return round_ != seen; });
        seen = round_;
      }
      if (closing_) return;
      take();
      --busy_;
    }
  }

  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<uint64_t> round_{0};
  std::atomic<int> next_{0}, busy_{0};
  std::atomic<bool> closing_{false};
  const std::function<void(int)>* task_ = nullptr;
  int count_ = 0;
};

}  // namespace closecast::CLOSECAST_ISA
