//===- Team.cpp - threads that run one program together ---------*- C++ -*-===//
#include "terse/Runtime/Team.h"

#include <algorithm>
#include <chrono>
#include <climits>
#include <linux/futex.h>
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

/// A job of which this part went by with a thread kept from its processor would
/// have ended sooner without that thread.
constexpr double starved = 0.5;
/// Threads that were kept from their processors are done without for so many
/// times what they cost, at least and at most for so long (nanoseconds).
constexpr int64_t patienceFactor = 16, leastPatience = 10'000'000,
                  mostPatience = 1'000'000'000;

/// What a thread that waits reads into its second-level cache: memory would be
/// idle while one thread does small work that the others wait for. Loads, since
/// prefetches do not set off those of the processor's own, and bring half as much.
class ReadAhead {
public:
  /// This thread's; goes on where it stopped at the last meeting before the same
  /// bytes.
  static ReadAhead &of(const void *ahead, int64_t bytes) {
    thread_local ReadAhead lines;
    const auto *begin = static_cast<const char *>(ahead);
    if (begin != lines.begin_ || begin + bytes != lines.end_) {
      lines.begin_ = lines.next_ = begin;
      lines.end_ = begin + bytes;
    }
    return lines;
  }

  /// Few enough that it is soon seen when the wait is over.
  void readSome() {
    constexpr int lines = 8, lineBytes = 64;
    for (int i = 0; i < lines && next_ < end_; ++i, next_ += lineBytes)
      (void)*static_cast<const volatile char *>(next_);
  }

private:
  const char *begin_ = nullptr, *next_ = nullptr, *end_ = nullptr;
};

int64_t nanoseconds() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}
} // namespace

// Spinning pays only while the others really run: with fewer processors than
// threads, whoever spins keeps the one that it waits for from running.
Team::Team(int threads, Placement placement)
    : size_(threads),
      spins_(threads <= availableCpus() ? spinsWithProcessors
                                        : spinsWithoutProcessors),
      shares_(placement == Placement::Shared && threads > 1 &&
              threads <= availableCpus()),
      processors_(placement == Placement::Pinned ? allowedProcessors()
                                                 : std::vector<int>()),
      active_(threads), asleep_(size_t(threads)), elsewhere_(size_t(threads)) {
  std::fill(asleep_.begin() + 1, asleep_.end(), true);
}

Result<std::unique_ptr<Team>> Team::create(int threads, Placement placement) {
  std::unique_ptr<Team> team(new Team(threads, placement));
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
  active_ = size_;
  stop_ = true;
  start();
  for (std::thread &worker : workers_)
    worker.join();
}

// One counter that only grows: a thread's ticket tells which meeting it came
// to, and that is complete when the counter reaches the next multiple of the
// number of threads. A single cache line changes hands, fewer transfers than a
// count and a flag would take.
void Team::arrive(const void *ahead, int64_t bytes) {
  const auto threads = uint64_t(active_);
  if (threads == 1)
    return;
  const uint64_t base = base_, ticket = arrived_.fetch_add(1) - base;
  const uint64_t all = base + (ticket / threads + 1) * threads;
  if (base + ticket + 1 == all) {
    // Sequentially consistent with the sleeper's count: either it sees that all
    // are there or we see that it sleeps.
    if (waiting_.load() != 0) {
      if (shares_)
        noteLateArrival();
      ::syscall(SYS_futex, &arrived_, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr,
                nullptr, 0);
    }
    return;
  }
  // Who waits for the processor that it spins on waits in vain.
  const int spins = crowded_.load(std::memory_order_relaxed)
                        ? spinsWithoutProcessors
                        : spins_;
  ReadAhead &lines = ReadAhead::of(ahead, bytes);
  for (int i = 0; i < spins; ++i) {
    if (arrived_.load(std::memory_order_acquire) >= all)
      return;
    lines.readSome();
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

/// The last one to a meeting had more to do than others, or no processor.
void Team::noteLateArrival() {
  thread_local ReadyTime ready;
  const int64_t elapsed = nanoseconds() - begin_;
  const int64_t lost = std::min<int64_t>(ready.sinceLast(), elapsed);
  if (double(lost_.fetch_add(lost) + lost) > starved * double(elapsed))
    crowded_ = true;
}

uint64_t Team::awaitJob(int thread, uint64_t seen) {
  uint64_t job = seen;
  auto isMine = [&] {
    job = job_.load();
    return job != seen && int(job & 0xffff) > thread;
  };
  for (int i = 0; i < spins_; ++i) {
    if (job_.load(std::memory_order_acquire) != seen)
      break;
    pause();
  }
  if (isMine())
    return job;
  std::unique_lock<std::mutex> lock(mutex_);
  asleep_[size_t(thread)] = true;
  wake_.wait(lock, isMine);
  asleep_[size_t(thread)] = false;
  return job;
}

void Team::work(int thread) {
  const Pin pin(processors_, thread);
  asleep_[size_t(thread)] = false;
  // A job cannot be missed: the next one starts after all of it have arrived.
  for (uint64_t seen = 0;;) {
    seen = awaitJob(thread, seen);
    if (stop_)
      return;
    elsewhere_[size_t(thread)].settle();
    entry_(call_, thread, active_);
    arrive();
  }
}

/// Gives the job to threads 1 .. active_ - 1.
void Team::start() {
  base_ = arrived_.load();
  if (processors_.empty())
    for (int i = 1; i < active_; ++i)
      if (asleep_[size_t(i)])
        elsewhere_[size_t(i)].send(workers_[size_t(i) - 1].native_handle());
  // Sequentially consistent with the sleeper's flag: either the worker sees the
  // job before it sleeps or we see that it sleeps.
  job_ = ((job_.load() >> 16) + 1) << 16 | uint64_t(active_);
  if (std::any_of(asleep_.begin() + 1, asleep_.begin() + active_,
                  [](auto &asleep) { return asleep.load(); })) {
    { std::lock_guard<std::mutex> lock(mutex_); }
    wake_.notify_all();
  }
}

void Team::run(TerseEntryFn entry, const TerseCall *call) {
  const Pin pin(processors_, 0);
  if (size_ == 1)
    return entry(call, 0, 1);
  begin_ = shares_ ? nanoseconds() : 0;
  entry_ = entry;
  call_ = call;
  if (active_ > 1)
    start();
  entry(call, 0, active_);
  arrive();
  if (shares_)
    adapt(nanoseconds());
}

/// Chooses the number of threads of the next job: one less if this one waited
/// for a thread without a processor, one more after a while without.
void Team::adapt(int64_t now) {
  int64_t lost = lost_.exchange(0);
  crowded_ = false;
  if (double(lost) > starved * double(now - begin_)) {
    active_ = std::max(1, active_ - 1);
    patience_ = std::clamp(std::max(2 * patience_, patienceFactor * lost),
                           leastPatience, mostPatience);
    retryAt_ = now + patience_;
  } else if (now >= retryAt_) {
    if (active_ < size_)
      ++active_;
    else if (now >= retryAt_ + patience_)
      patience_ = 0;
    retryAt_ = active_ < size_ ? now + patience_ : retryAt_;
  }
}

} // namespace terse::rt
