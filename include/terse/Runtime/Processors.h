//===- Processors.h - where threads run -------------------------*- C++ -*-===//
#ifndef TERSE_RUNTIME_PROCESSORS_H
#define TERSE_RUNTIME_PROCESSORS_H

#include <pthread.h>
#include <sched.h>
#include <vector>

namespace terse::rt {

/// Processors that this process may use: its affinity mask, cut by a CPU quota
/// of its control group; at least 1.
int availableCpus();

/// The processors that the calling thread may use; empty if they are too many
/// to be told.
std::vector<int> allowedProcessors();

/// Keeps the calling thread on one processor while it lives: the `thread`-th
/// of these, counted round; on any where there are none.
class Pin {
public:
  Pin(const std::vector<int> &processors, int thread);
  ~Pin();
  Pin(const Pin &) = delete;

private:
  cpu_set_t before_;
  bool pinned_ = false;
};

/// Makes a thread that sleeps wake on another processor than its waker's. Some
/// systems wake it beside the waker, for energy or for what a virtual machine
/// costs, where two that are to run at once then take turns for a long time.
class Elsewhere {
public:
  /// Takes the caller's processor from `thread`, if that leaves it any.
  void send(pthread_t thread);
  /// By that thread: takes all of its processors back.
  void settle();

private:
  cpu_set_t before_;
  bool sent_ = false;
};

/// How long the calling thread has been ready to run without a processor.
class ReadyTime {
public:
  ReadyTime();
  ~ReadyTime();
  ReadyTime(const ReadyTime &) = delete;
  /// Nanoseconds since the last call, or since it is asked at all; 0 where the
  /// system does not tell.
  long long sinceLast();

private:
  int file_;
  long long last_ = 0;
};

} // namespace terse::rt

#endif // TERSE_RUNTIME_PROCESSORS_H
