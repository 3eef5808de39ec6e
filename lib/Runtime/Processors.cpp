//===- Processors.cpp - where threads run -----------------------*- C++ -*-===//
#include "terse/Runtime/Processors.h"

#include <algorithm>
#include <cstdio>
#include <fcntl.h>
#include <thread>
#include <unistd.h>
#include <utility>

namespace terse::rt {

namespace {
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

std::vector<int> allowedProcessors() {
  std::vector<int> processors;
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof set, &set) == 0)
    for (int i = 0; i < CPU_SETSIZE; ++i)
      if (CPU_ISSET(i, &set))
        processors.push_back(i);
  return processors;
}

Pin::Pin(const std::vector<int> &processors, int thread) {
  if (processors.empty() ||
      ::sched_getaffinity(0, sizeof before_, &before_) != 0)
    return;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(processors[size_t(thread) % processors.size()], &one);
  pinned_ = ::sched_setaffinity(0, sizeof one, &one) == 0;
}

Pin::~Pin() {
  if (pinned_)
    (void)::sched_setaffinity(0, sizeof before_, &before_);
}

void Elsewhere::send(pthread_t thread) {
  const int here = ::sched_getcpu();
  if (here < 0 || here >= CPU_SETSIZE ||
      ::pthread_getaffinity_np(thread, sizeof before_, &before_) != 0)
    return;
  cpu_set_t others = before_;
  CPU_CLR(here, &others);
  sent_ = CPU_COUNT(&others) > 0 &&
          ::pthread_setaffinity_np(thread, sizeof others, &others) == 0;
}

void Elsewhere::settle() {
  if (std::exchange(sent_, false))
    (void)::sched_setaffinity(0, sizeof before_, &before_);
}

ReadyTime::ReadyTime()
    : file_(::open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC)) {
  (void)sinceLast();
}

ReadyTime::~ReadyTime() {
  if (file_ >= 0)
    ::close(file_);
}

long long ReadyTime::sinceLast() {
  char text[96] = {};
  long long ran, ready;
  if (file_ < 0 || ::pread(file_, text, sizeof text - 1, 0) <= 0 ||
      std::sscanf(text, "%lld %lld", &ran, &ready) != 2)
    return 0;
  return ready - std::exchange(last_, ready);
}

} // namespace terse::rt
