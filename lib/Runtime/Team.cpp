//===- Team.cpp - threads that run one program together ---------*- C++ -*-===//
#include "terse/Runtime/Team.h"

#include <algorithm>
#include <climits>
#include <cstdio>
#include <cstring>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <system_error>
#include <unistd.h>

namespace terse::rt {

namespace {
inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

/// Threads that meet are microseconds apart. Who waits longer, a millisecond or
/// so, waits for one that another program keeps from its processor, and sleeps:
/// a sleeper is woken ahead of others, while who gives its processor away gets
/// it back after time slices of milliseconds.
constexpr int spinsWithProcessors = 20000;
/// With more threads than processors, the processor is what is waited for.
constexpr int spinsWithoutProcessors = 8;

/// Numbers in a file; how many there are of the two.
int readNumbers(const char *path, long long &first, long long &second) {
  std::FILE *file = std::fopen(path, "re");
  if (!file)
    return 0;
  int count = std::fscanf(file, "%lld %lld", &first, &second);
  std::fclose(file);
  return count;
}

/// Whole CPUs of the control group's quota (version 2, else version 1), or a
/// large number if it has none.
int quotaCpus() {
  const int many = 1 << 20;
  long long quota = 0, period = 0, unused;
  bool found =
      readNumbers("/sys/fs/cgroup/cpu.max", quota, period) == 2 ||
      (readNumbers("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", quota, unused) == 1 &&
       readNumbers("/sys/fs/cgroup/cpu/cpu.cfs_period_us", period, unused) ==
           1);
  if (!found || quota <= 0 || period <= 0)
    return many;
  return int(std::max(1LL, std::min<long long>(many, quota / period)));
}
} // namespace

int availableCpus() {
  int cpus = 0;
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof set, &set) == 0)
    cpus = CPU_COUNT(&set);
  else // more processors than the set holds
    cpus = int(std::thread::hardware_concurrency());
  return std::max(1, std::min(cpus, quotaCpus()));
}

// Spinning pays only while the others really run: with fewer processors than
// threads, whoever spins keeps the one that it waits for from running.
Team::Team(int threads)
    : size_(threads),
      spins_(threads <= availableCpus() ? spinsWithProcessors
                                        : spinsWithoutProcessors) {}

Result<std::unique_ptr<Team>> Team::create(int threads) {
  std::unique_ptr<Team> team(new Team(threads));
  try {
    team->workers_.reserve(size_t(threads) - 1);
    for (int i = 1; i < threads; ++i)
      team->workers_.emplace_back(&Team::work, team.get(), i);
  } catch (const std::system_error &error) {
    return fail(Code::OutOfMemory, "cannot start %d threads: %s", threads,
                error.what());
  }
  return team;
}

Team::~Team() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
    job_.fetch_add(1, std::memory_order_release);
  }
  wake_.notify_all();
  for (std::thread &worker : workers_)
    worker.join();
}

// One counter that only grows: a thread's ticket tells which meeting it came
// to, and that is complete when the counter reaches the next multiple of the
// team's size. A single cache line changes hands, fewer transfers than a count
// and a flag would take.
void Team::arrive() {
  if (size_ == 1)
    return;
  uint64_t ticket = arrived_.fetch_add(1);
  uint64_t all = (ticket / uint64_t(size_) + 1) * uint64_t(size_);
  if (ticket + 1 == all) {
    // Sequentially consistent with the sleeper's count: either it sees that all
    // are there or we see that it sleeps.
    if (waiting_.load() != 0)
      ::syscall(SYS_futex, &arrived_, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr,
                nullptr, 0);
    return;
  }
  for (int i = 0; i < spins_; ++i) {
    if (arrived_.load(std::memory_order_acquire) >= all)
      return;
    pause();
  }
  sleepUntil(all);
}

void Team::sleepUntil(uint64_t all) {
  waiting_.fetch_add(1);
  // The kernel compares the lower half, which comes first in memory.
  for (uint64_t now; (now = arrived_.load()) < all;)
    ::syscall(SYS_futex, &arrived_, FUTEX_WAIT_PRIVATE, uint32_t(now), nullptr,
              nullptr, 0);
  waiting_.fetch_sub(1);
}

void Team::work(int thread) {
  uint32_t seen = 0;
  while (true) {
    for (int i = 0;
         i < spins_ && job_.load(std::memory_order_acquire) == seen; ++i)
      pause();
    if (job_.load(std::memory_order_acquire) == seen) {
      std::unique_lock<std::mutex> lock(mutex_);
      sleeping_.fetch_add(1);
      wake_.wait(lock, [&] { return job_.load() != seen; });
      sleeping_.fetch_sub(1);
    }
    // Jobs cannot be missed: the next one starts after all have arrived.
    ++seen;
    if (stop_)
      return;
    entry_(call_, thread, size_);
    arrive();
  }
}

void Team::run(TerseEntryFn entry, const TerseCall *call) {
  if (size_ == 1)
    return entry(call, 0, 1);
  entry_ = entry;
  call_ = call;
  // Sequentially consistent with the sleeper's count: either the worker sees
  // the job before it sleeps or we see that it sleeps.
  job_.fetch_add(1);
  if (sleeping_.load() != 0) {
    { std::lock_guard<std::mutex> lock(mutex_); }
    wake_.notify_all();
  }
  entry(call, 0, size_);
  arrive();
}

} // namespace terse::rt
