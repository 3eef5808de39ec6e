"""Times the sum of x x^T beside multiply-adds from registers: python bench_gram.py [--sizes 2048,5632]

Not a test. One thread, in its own CPU time; only the half of the symmetric sum that is computed counts. Floors are measured between the candidates.
"""
import argparse
import os
import subprocess
import sys
import tempfile

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..")
DRIVER = r"""
#include "Gram.h"
#include <cstdio>
#include <cstdlib>
#include <ctime>
static double now() { timespec t; clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); return t.tv_sec + 1e-9 * t.tv_nsec; }
#define MEASURE(NAME, BYTES, TARGET) \
  __attribute__((target(TARGET))) static double NAME() { \
    typedef float Lanes __attribute__((vector_size(BYTES))); \
    Lanes sums[12], a = Lanes{} + 1e-9f, b = Lanes{} + 1e-9f; \
    for (Lanes &sum : sums) sum = Lanes{} + 1; \
    double begin = now(); \
    for (int i = 0; i < 4000000; ++i) { \
      asm volatile("" : "+x"(a), "+x"(b)); \
      _Pragma("clang loop unroll(full)") for (int j = 0; j < 12; ++j) sums[j] += a * b; \
    } \
    double seconds = now() - begin; \
    for (Lanes &sum : sums) asm volatile("" : "+x"(sum)); \
    return 4000000. * 12 * 2 * BYTES / 4 / seconds * 1e-9; \
  }
MEASURE(measure8, 32, "avx2,fma")
MEASURE(measure16, 64, "avx512f")
int main() {
  for (long n : {SIZES}) {
    const long tokens = 1024;
    std::vector<float> rows(n * tokens);
    for (float &value : rows) value = rand() / float(RAND_MAX);
    for (int run = 0; run < 5; ++run) {
      terse::Gram gram(n);
      double begin = now();
      gram.add(rows.data(), tokens, [](int64_t count, llvm::function_ref<void(int64_t)> work) { for (int64_t i = 0; i < count; ++i) work(i); });
      double rate = double(n) * n * tokens / (now() - begin) * 1e-9, floor = __builtin_cpu_supports("avx512f") ? measure16() : measure8();
      printf("%5ld channels: %6.1f GFLOPS, %.2f of %.1f\n", n, rate, rate / floor, floor);
    }
  }
}
"""
parser = argparse.ArgumentParser()
parser.add_argument("--sizes", default="2048,5632")
options = parser.parse_args()
with tempfile.TemporaryDirectory() as folder:
    main, program = os.path.join(folder, "main.cpp"), os.path.join(folder, "bench")
    open(main, "w").write(DRIVER.replace("SIZES", options.sizes))
    calibrate = os.path.join(SOURCE, "lib", "Calibrate")
    subprocess.run(["clang++-22", "-O3", "-std=c++17", "-ffp-contract=fast", "-w", f"-I{calibrate}", f"-I{SOURCE}/include", "-I/usr/lib/llvm-22/include", main, os.path.join(calibrate, "Gram.cpp"),
                    "-o", program], check=True)
    sys.exit(subprocess.run([program]).returncode)
