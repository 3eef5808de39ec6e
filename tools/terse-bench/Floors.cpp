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
    double seconds =
        std::chrono::duration<double>(Clock::now() - begin).count();
    best = run == 0 ? seconds : std::min(best, seconds);
  }
  return best;
}

namespace {
std::atomic<uint64_t> sink;

Floor measureRate(const char *name, const RateLoop &loop, int threads,
                  const FloorOptions &options) {
  constexpr uint64_t iterations = 400000;
  double seconds =
      timeTogether(threads, options.runs, [&](int) { loop.run(iterations); });
  return {name, loop.instruction, "GOPS", threads,
          double(loop.operations) * iterations * threads / seconds * 1e-9};
}
} // namespace

Result<std::unique_ptr<FloorMeter>>
FloorMeter::create(const FloorOptions &options) {
  std::unique_ptr<FloorMeter> meter(new FloorMeter(options));
  void *data = ::mmap(nullptr, options.bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED)
    return fail(Code::OutOfMemory, "no memory for %llu bytes to read",
                (unsigned long long)options.bytes);
  meter->data_ = static_cast<char *>(data);
  const uint64_t half = options.bytes / 2;
  ::madvise(data, half, MADV_HUGEPAGE);
  ::madvise(meter->data_ + half, options.bytes - half, MADV_NOHUGEPAGE);
  std::memset(data, 1, options.bytes);
  return meter;
}

FloorMeter::~FloorMeter() {
  if (data_)
    ::munmap(data_, options_.bytes);
}

Floor FloorMeter::readBandwidth(int threads) const {
  Floor floor{"read bandwidth", "", "GB/s", threads, 0};
  const uint64_t half = options_.bytes / 2;
  uint64_t part = half / uint64_t(threads) / 4096 * 4096;
  auto measure = [&](const char *data, const char *pages) {
    for (const ReadPattern &pattern : readPatterns(options_.level)) {
      double seconds = timeTogether(threads, options_.runs, [&](int thread) {
        sink += pattern.read(data + uint64_t(thread) * part, part);
      });
      double rate = double(part) * threads / seconds * 1e-9;
      if (rate > floor.value)
        floor.value = rate, floor.how = std::string(pattern.name) + pages;
    }
  };
  measure(data_, "");
  measure(data_ + half, ", small pages");
  return floor;
}

Floor FloorMeter::integerDot(int threads) const {
  return measureRate("integer dot", integerDotLoop(options_.level), threads,
                     options_);
}

std::vector<Floor> FloorMeter::narrowFloats(int threads) const {
  std::vector<Floor> floors;
  for (const RateLoop &loop : narrowFloatLoops(options_.level))
    floors.push_back(measureRate(loop.name, loop, threads, options_));
  return floors;
}

Floor FloorMeter::multiplyAdd(int threads) const {
  return measureRate("f32 multiply-add", multiplyAddLoop(options_.level),
                     threads, options_);
}

Floor FloorMeter::bf16Dot(int threads) const {
  if (options_.level < rt::CpuLevel::Avx512Bf16)
    return multiplyAdd(threads);
  RateLoop loop = bf16DotLoop();
  return measureRate(loop.name, loop, threads, options_);
}

Result<std::vector<Floor>> measureFloors(const FloorOptions &options) {
  Result<std::unique_ptr<FloorMeter>> meter = FloorMeter::create(options);
  if (!meter.ok())
    return meter.status();
  std::vector<int> counts = {1};
  if (options.threads > 1)
    counts.push_back(options.threads);
  std::vector<Floor> floors;
  for (int threads : counts)
    floors.push_back((*meter)->readBandwidth(threads));
  for (int threads : counts)
    floors.push_back((*meter)->integerDot(threads));
  for (int threads : counts)
    floors.push_back((*meter)->multiplyAdd(threads));
  for (int threads : counts)
    for (Floor &floor : (*meter)->narrowFloats(threads))
      floors.push_back(std::move(floor));
  return floors;
}

} // namespace terse::bench
