//===- Team.h - threads that run one program together -----------*- C++ -*-===//
#ifndef TERSE_RUNTIME_TEAM_H
#define TERSE_RUNTIME_TEAM_H

#include "terse/Runtime/ArtifactABI.h"
#include "terse/Runtime/Processors.h"
#include "terse/Runtime/Status.h"

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace terse::rt {

/// A team runs one function on all its threads at once, the caller being
/// thread 0. Who waits spins for about a millisecond, then sleeps.
class Team {
public:
  /// How threads and processors come together.
  enum class Placement {
    /// As the system wishes.
    Free,
    /// As the system wishes, and with fewer threads, for a time, when other
    /// programs keep some from running: waiting for these costs more than they
    /// give. Free if there are more threads than processors.
    Shared,
    /// Thread i stays on the i-th processor that the process may use, counted
    /// round where there are more threads; the caller's thread during a run.
    Pinned,
  };

  /// A team of `threads` >= 1 threads, `threads` - 1 of them new.
  static Result<std::unique_ptr<Team>>
  create(int threads, Placement placement = Placement::Free);
  ~Team();
  Team(const Team &) = delete;

  int size() const { return size_; }

  /// Calls `entry(call, i, n)` on threads i < n, n being size() unless
  /// processors are shared, and returns when all are done.
  void run(TerseEntryFn entry, const TerseCall *call);

  /// TerseCall::barrier for a call of this team; the argument is the team.
  static void barrier(void *team, const void *ahead, int64_t bytes) {
    static_cast<Team *>(team)->arrive(ahead, bytes);
  }

private:
  Team(int threads, Placement placement);
  void work(int thread);
  uint64_t awaitJob(int thread, uint64_t seen);
  void start();
  void arrive(const void *ahead = nullptr, int64_t bytes = 0);
  void sleepUntil(uint64_t all);
  void noteLateArrival();
  void adapt(int64_t now);

  const int size_;
  const int spins_; ///< pauses before sleeping
  const bool shares_;
  std::vector<int> processors_; ///< those to pin to
  int active_;        ///< threads of the job that runs, or ran last
  uint64_t base_ = 0; ///< arrivals before that job
  alignas(64) std::atomic<uint64_t> arrived_{0};
  std::atomic<int> waiting_{0}; ///< threads asleep at a meeting
  /// Nanoseconds that threads which others waited for had no processor, in the
  /// job that runs.
  std::atomic<int64_t> lost_{0};
  std::atomic<bool> crowded_{false}; ///< that was most of the job so far
  int64_t begin_ = 0; ///< of that job, nanoseconds
  /// When one thread more is tried again, and how long that waits; nanoseconds.
  int64_t retryAt_ = 0, patience_ = 0;
  /// Jobs so far, times 2^16, plus the threads of the last one.
  alignas(64) std::atomic<uint64_t> job_{0};
  TerseEntryFn entry_ = nullptr;
  const TerseCall *call_ = nullptr;
  bool stop_ = false;
  std::mutex mutex_;
  std::condition_variable wake_;
  /// Threads that wait for a job without a processor, or did not begin yet.
  std::vector<std::atomic<bool>> asleep_;
  std::vector<Elsewhere> elsewhere_; ///< of these
  std::vector<std::thread> workers_;
};

} // namespace terse::rt

#endif // TERSE_RUNTIME_TEAM_H
