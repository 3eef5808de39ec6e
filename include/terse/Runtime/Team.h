//===- Team.h - threads that run one program together -----------*- C++ -*-===//
#ifndef TERSE_RUNTIME_TEAM_H
#define TERSE_RUNTIME_TEAM_H

#include "terse/Runtime/ArtifactABI.h"
#include "terse/Runtime/Status.h"

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace terse::rt {

/// Processors that this process may use: its affinity mask, cut by a CPU quota
/// of its control group; at least 1.
int availableCpus();

/// A team runs one function on all its threads at once, the caller being
/// thread 0. Who waits spins for about a millisecond, then sleeps.
class Team {
public:
  /// A team of `threads` >= 1 threads, `threads` - 1 of them new.
  static Result<std::unique_ptr<Team>> create(int threads);
  ~Team();
  Team(const Team &) = delete;

  int size() const { return size_; }

  /// Calls `entry(call, i, size())` on thread i and returns when all are done.
  void run(TerseEntryFn entry, const TerseCall *call);

  /// TerseCall::barrier for a call of this team; the argument is the team.
  static void barrier(void *team) { static_cast<Team *>(team)->arrive(); }

private:
  explicit Team(int threads);
  void work(int thread);
  void arrive();
  void sleepUntil(uint64_t all);

  const int size_;
  const int spins_; ///< pauses before sleeping
  alignas(64) std::atomic<uint64_t> arrived_{0};
  std::atomic<int> waiting_{0}; ///< threads asleep at a meeting
  alignas(64) std::atomic<uint32_t> job_{0};
  std::atomic<int> sleeping_{0};
  TerseEntryFn entry_ = nullptr;
  const TerseCall *call_ = nullptr;
  bool stop_ = false;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::thread> workers_;
};

} // namespace terse::rt

#endif // TERSE_RUNTIME_TEAM_H
