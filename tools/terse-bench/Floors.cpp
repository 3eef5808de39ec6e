//===- Floors.cpp - what the machine allows at most -------------*- C++ -*-===//
#include "Floors.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <sys/mman.h>
#include <thread>

namespace terse::bench {

using namespace rt;

double timeTogether(int threads, int runs, const ThreadFn &work) {
  using Clock = std::chrono::steady_clock;
  double best = 0;
  for (int run = 0; run < runs; ++run) {
    std::atomic<int> ready{0};
    std::atomic<bool> go{false};
    std::vector<std::thread> others;
    for (int thread = 1; thread < threads; ++thread)
      others.emplace_back([&, thread] {
        ++ready;
        while (!go.load(std::memory_order_acquire))
          std::this_thread::yield();
        work(thread);
      });
    while (ready.load() != threads - 1)
      std::this_thread::yield();
    Clock::time_point begin = Clock::now();
    go.store(true, std::memory_order_release);
    work(0);
    for (std::thread &other : others)
      other.join();
    double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    best = run == 0 ? seconds : std::min(best, seconds);
  }
  return best;
}

namespace {
/// Memory in large pages where the system gives them, filled.
class Memory {
public:
  explicit Memory(uint64_t bytes) : bytes_(bytes) {
    void *data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED)
      return;
    data_ = static_cast<char *>(data);
    ::madvise(data, bytes, MADV_HUGEPAGE);
    std::memset(data, 1, bytes);
  }
  ~Memory() {
    if (data_)
      ::munmap(data_, bytes_);
  }
  const char *data() const { return data_; }

private:
  char *data_ = nullptr;
  uint64_t bytes_;
};

std::atomic<uint64_t> sink;

Floor measureBandwidth(const char *data, uint64_t bytes, int threads,
                       const FloorOptions &options) {
  Floor floor{"read bandwidth", "", "GB/s", threads, 0};
  uint64_t part = bytes / uint64_t(threads) / 4096 * 4096;
  for (const ReadPattern &pattern : readPatterns(options.level)) {
    double seconds = timeTogether(threads, options.runs, [&](int thread) {
      sink += pattern.read(data + uint64_t(thread) * part, part);
    });
    double rate = double(part) * threads / seconds * 1e-9;
    if (rate > floor.value)
      floor.value = rate, floor.how = pattern.name;
  }
  return floor;
}

Floor measureRate(const char *name, const RateLoop &loop, int threads,
                  const FloorOptions &options) {
  constexpr uint64_t iterations = 400000;
  double seconds = timeTogether(threads, options.runs,
                                [&](int) { loop.run(iterations); });
  return {name, loop.instruction, "GOPS", threads,
          double(loop.operations) * iterations * threads / seconds * 1e-9};
}
} // namespace

Result<std::vector<Floor>> measureFloors(const FloorOptions &options) {
  Memory memory(options.bytes);
  if (!memory.data())
    return fail(Code::OutOfMemory, "no memory for %llu bytes to read",
                (unsigned long long)options.bytes);
  std::vector<int> counts = {1};
  if (options.threads > 1)
    counts.push_back(options.threads);
  std::vector<Floor> floors;
  for (int threads : counts)
    floors.push_back(
        measureBandwidth(memory.data(), options.bytes, threads, options));
  for (int threads : counts)
    floors.push_back(measureRate("integer dot", integerDotLoop(options.level),
                                 threads, options));
  for (int threads : counts)
    floors.push_back(measureRate("f32 multiply-add",
                                 multiplyAddLoop(options.level), threads,
                                 options));
  return floors;
}

} // namespace terse::bench
