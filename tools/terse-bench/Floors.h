//===- Floors.h - what the machine allows at most ---------------*- C++ -*-===//
//
// The time of a layer is at least the bytes it reads over the bandwidth, and at
// least its operations over the rate of the instruction that does them. These
// are measured, not looked up: they differ with the machine's load, its memory
// and what the hypervisor leaves.
//
//===----------------------------------------------------------------------===//
#ifndef TERSE_TOOLS_TERSE_BENCH_FLOORS_H
#define TERSE_TOOLS_TERSE_BENCH_FLOORS_H

#include "terse/Runtime/CpuLevel.h"
#include "terse/Runtime/Status.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace terse::bench {

/// One figure of one number of threads.
struct Floor {
  std::string name; ///< "read bandwidth", "integer dot", "f32 multiply-add",
                    ///< "f16 multiply-add", "bf16 dot"
  std::string how;  ///< instruction or pattern that reached it
  std::string unit; ///< GB/s (10^9 bytes), GOPS (10^9 operations; a
                    ///< multiplication and an addition are two)
  int threads;
  double value;
};

struct FloorOptions {
  rt::CpuLevel level;
  int threads = 1;
  /// Memory that is read, beyond any cache.
  uint64_t bytes = 512u << 20;
  /// Each figure is the best of so many runs.
  int runs = 5;
};

/// Measures floors again and again over memory that it keeps.
class FloorMeter {
public:
  static rt::Result<std::unique_ptr<FloorMeter>>
  create(const FloorOptions &options);
  ~FloorMeter();

  Floor readBandwidth(int threads) const;
  Floor integerDot(int threads) const;
  Floor multiplyAdd(int threads) const;
  /// Products of bf16; of f32 where the level has no such instruction.
  Floor bf16Dot(int threads) const;
  /// Of f16 and bf16, as far as processor and level have such instructions.
  std::vector<Floor> narrowFloats(int threads) const;

private:
  explicit FloorMeter(const FloorOptions &options) : options_(options) {}

  FloorOptions options_;
  char *data_ = nullptr; ///< options_.bytes: half of them in large pages, where
                         ///< there are such
};

/// Bandwidth, integer and float rate, each of one thread and of all.
rt::Result<std::vector<Floor>> measureFloors(const FloorOptions &options);

/// Work of one thread; the threads start together.
using ThreadFn = std::function<void(int thread)>;
/// Seconds from the common start to the end of the last; the least of `runs`.
double timeTogether(int threads, int runs, const ThreadFn &work);

/// A way to read memory.
struct ReadPattern {
  const char *name;
  /// Reads `bytes` (a multiple of 4096) at `data`; the result keeps the loads.
  uint64_t (*read)(const char *data, uint64_t bytes);
};
/// The patterns of a level.
std::vector<ReadPattern> readPatterns(rt::CpuLevel level);

/// Independent chains of an instruction, from registers.
struct RateLoop {
  const char *instruction;
  /// Operations of one iteration.
  uint64_t operations;
  void (*run)(uint64_t iterations);
  const char *name = "";
};
RateLoop integerDotLoop(rt::CpuLevel level);
RateLoop multiplyAddLoop(rt::CpuLevel level);
/// Of the level that has it.
RateLoop bf16DotLoop();
/// Of f16 and bf16, named, as far as processor and level have such.
std::vector<RateLoop> narrowFloatLoops(rt::CpuLevel level);

} // namespace terse::bench

#endif // TERSE_TOOLS_TERSE_BENCH_FLOORS_H
