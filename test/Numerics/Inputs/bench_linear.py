"""Times the kernels of linear layers beside the machine's floors: python bench_linear.py [--level L] [--bits B] [--group G] [--n N] [--k K] [--sparse]
    [--nf4] [--scale f16|i8]

Not a test. One thread, in its own CPU time; each figure is the best of several runs. Weights are as many copies of the matrix as make
160 MB, read in turn, so that they come from memory. Floors are measured between the candidates.
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import tool

parser = argparse.ArgumentParser()
parser.add_argument("--level", default="avx512vnni")
parser.add_argument("--bits", type=int, default=4)
parser.add_argument("--group", type=int, default=32)
parser.add_argument("--n", type=int, default=5632)
parser.add_argument("--k", type=int, default=2048)
parser.add_argument("--sparse", action="store_true", help="two of four weights, 3 bits a weight")
parser.add_argument("--nf4", action="store_true", help="codes are of NF4's table")
parser.add_argument("--scale", default="f16", choices=["f16", "i8"], help="i8: with scales of rows")
parser.add_argument("--rows", default="1,2,4,8,16,64,256")
parser.add_argument("--keep", help="leave the files in this folder")
options = parser.parse_args()
n, k, bits, group = options.n, options.k, options.bits, options.group or options.k
march = {"baseline": "x86-64", "avx2": "x86-64-v3", "avx512vnni": "cascadelake"}[options.level]
assert k % group == 0 and group % 32 == 0 and n % 16 == 0, "whole groups and panels only"

panels, groups, panel_bytes = n // 16, k // group, k * 16 * (3 if options.sparse else bits) // 8
assert not (options.sparse or options.nf4) or bits == 4, "sparse weights and those of a table have 4 bits"
double = options.scale == "i8"
scales, rows = f"tensor<{panels}x{groups}x16x{options.scale}>", f"tensor<{panels}x16xf32>"
scheme = f"<i{bits}, group = {group}, scale = {options.scale}, zero = none{', codebook = nf4' if options.nf4 else ''}>"
mlir = f"""func.func @forward(%x: tensor<?x{k}xf32>, %c: tensor<{panels}x{panel_bytes}xi8>, %s: {scales}, %r: {rows}) -> tensor<?x{n}xf32> {{
  %0 = kernel.qlinear {scheme} %x, %c, %s {f"rows %r : {rows}" if double else ""} {"{sparse}" if options.sparse else ""}
    : tensor<?x{k}xf32>, tensor<{panels}x{panel_bytes}xi8>, {scales} -> tensor<?x{n}xf32>
  return %0 : tensor<?x{n}xf32>
}}"""

DRIVER = r"""
#include <immintrin.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/mman.h>
static double now(void) { struct timespec t; clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); return t.tv_sec + 1e-9 * t.tv_nsec; }
typedef struct { void *a, *b; int64_t o, d[6]; } M;
static M m1(void *p, int64_t a) { M m = {p, p, 0, {a, 1}}; return m; }
static M m2(void *p, int64_t a, int64_t b) { M m = {p, p, 0, {a, b, b, 1}}; return m; }
static M m3(void *p, int64_t a, int64_t b, int64_t c) { M m = {p, p, 0, {a, b, c, b * c, c, 1}}; return m; }
#ifdef DOUBLE
#define EXTRA &mr,
void _mlir_ciface_KERNEL(M *, M *, M *, M *, M *, M *, M *, int64_t, int64_t);
#else
#define EXTRA
void _mlir_ciface_KERNEL(M *, M *, M *, M *, M *, M *, int64_t, int64_t);
#endif
void _mlir_ciface_ROUND(M *, M *, M *, M *, int64_t, int64_t);
static void *get(size_t n) { void *p = mmap(0, n, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); madvise(p, n, MADV_HUGEPAGE); return p; }
__attribute__((target("avx512f,avx512vnni"))) static double rate512(void) {
  __m512i s[24], w = _mm512_set1_epi8(7), a = _mm512_set1_epi8(3); memset(s, 0, sizeof s);
  double t = now();
  for (int i = 0; i < 200000; ++i) { asm volatile("" : "+v"(w), "+v"(a));
#pragma clang loop unroll(full)
    for (int j = 0; j < 24; ++j) s[j] = _mm512_dpbusd_epi32(s[j], w, a); }
  t = now() - t; volatile int sink = 0; for (int j = 0; j < 24; ++j) sink += _mm512_reduce_add_epi32(s[j]);
  return 200000. * 24 * 128 / t * 1e-9;
}
__attribute__((target("avx2"))) static double rate256(void) {
  __m256i s[8], w = _mm256_set1_epi8(7), a = _mm256_set1_epi8(3); memset(s, 0, sizeof s);
  double t = now();
  for (int i = 0; i < 400000; ++i) { asm volatile("" : "+x"(w), "+x"(a));
#pragma clang loop unroll(full)
    for (int j = 0; j < 8; ++j) { asm volatile("" : "+x"(a)); s[j] = _mm256_add_epi16(s[j], _mm256_maddubs_epi16(w, a)); } }
  t = now() - t; volatile int sink = 0; for (int j = 0; j < 8; ++j) sink += _mm256_extract_epi32(s[j], 0);
  return 400000. * 8 * 64 / t * 1e-9;
}
static double bandwidth(const char *p, size_t n) {
  double best = 0;
  for (int r = 0; r < 3; ++r) {
    double t = now(); __m128i s[8] = {0};
    for (size_t i = 0; i < n; i += 128) {
      __builtin_prefetch(p + i + 4096); __builtin_prefetch(p + i + 4160);
      for (int j = 0; j < 8; ++j) s[j] = _mm_xor_si128(s[j], *(const __m128i *)(p + i + 16 * j)); }
    asm volatile("" ::"x"(s[0]), "x"(s[1]), "x"(s[2]), "x"(s[3]), "x"(s[4]), "x"(s[5]), "x"(s[6]), "x"(s[7]));
    t = now() - t; if (n / t > best) best = n / t; }
  return best * 1e-9;
}
int main(void) {
  const size_t codes = (size_t)PANELS * PANEL_BYTES, scales = (size_t)PANELS * GROUPS * 16 * SCALE_BYTES, each = codes + scales;
  int copies = 160e6 / each + 1; char *w = get(copies * each); for (size_t i = 0; i < copies * each; ++i) w[i] = i * 2654435761u >> 24;
  for (int c = 0; c < copies; ++c) for (size_t i = 0; i < scales; ++i) w[c * each + codes + i] = SCALE_BYTES == 2 && i % 2 == 0 ? 0 : 0x14;
  float *of_rows = get(PANELS * 64); for (int i = 0; i < PANELS * 16; ++i) of_rows[i] = 1e-3f;
  M mr = m2(of_rows, PANELS, 16); (void)mr;
  static const int rows[] = {ROWS};
  printf("%6s %10s %10s %10s %8s %10s %8s %10s\n", "rows", "us", "GB/s", "floor", "part", "GOPS", "part", "round us");
  for (int i = 0; i < sizeof rows / sizeof *rows; ++i) {
    int m = rows[i];
    float *x = get(m * K * 4.), *y = get(m * N * 4.), *xs = get(m * 4.); int8_t *q = get((size_t)m * K); int32_t *sums = get(m * GROUPS * 4.);
    for (size_t j = 0; j < (size_t)m * K; ++j) x[j] = (float)(int32_t)(j * 2654435761u) / 1e9f;
    M mx = m2(x, m, K), mq = m2(q, m, K), ms = m2(sums, m, GROUPS), mxs = m1(xs, m), my = m2(y, m, N);
    double round = 1e9, best = 1e9, floor = bandwidth(w, copies * each), rate = RATE();
    for (int r = 0; r < 5; ++r) { double t = now(); _mlir_ciface_ROUND(&mx, &mq, &ms, &mxs, 0, 1); t = now() - t; if (t < round) round = t; }
    int reps = m > 32 ? 16 : 4 * copies;
    double whole = now();
    for (int r = 0; r < reps; ++r) {
      char *p = w + (r % copies) * each; M mw = m2(p, PANELS, PANEL_BYTES), mws = m3(p + codes, PANELS, GROUPS, 16);
      double t = now(); _mlir_ciface_KERNEL(&mq, &ms, &mxs, &mw, &mws, EXTRA &my, 0, 1); t = now() - t; if (t < best) best = t; }
    whole = (now() - whole) / reps; (void)whole;
    double f2 = bandwidth(w, copies * each), r2 = RATE(); if (f2 > floor) floor = f2; if (r2 > rate) rate = r2;
    double gops = 2. * m * N * K / best * 1e-9, gbs = each / best * 1e-9;
    printf("%6d %10.1f %10.2f %10.2f %8.2f %10.1f %8.2f %10.1f\n", m, best * 1e6, gbs, floor, gbs / floor, gops, gops / rate, round * 1e6);
    fflush(stdout);
  }
}
"""


def opt(text, *passes):
    return subprocess.run([tool("terse-opt"), *passes], input=text, check=True, capture_output=True, text=True).stdout


folder = options.keep or tempfile.mkdtemp()
os.makedirs(folder, exist_ok=True)
path = lambda name: os.path.join(folder, name)
lowered = opt(mlir, f"--terse-select-kernel=level={options.level}", f"--terse-lower-linear=level={options.level}", "--convert-kernel-mma", "--canonicalize", "--cse")
kernel = re.search(r"func.func private @(qlinear\w+)\(", lowered).group(1)
rounding = re.search(r"func.func private @(quantize_rows\w+)\(", lowered).group(1)
lowered = lowered[:lowered.index("func.func @forward")] + lowered[lowered.index("func.func private"):]
lowered = re.sub(r"func.func private @(\w+\(.*?\)) \{\n", r"func.func @\1 attributes {llvm.emit_c_interface} {\n", lowered)
open(path("kernels.mlir"), "w").write(lowered)
llvm = opt(lowered, "--convert-vector-to-scf", "--lower-affine", "--convert-scf-to-cf", "--expand-strided-metadata", "--convert-vector-to-llvm",
           "--convert-math-to-llvm", "--convert-arith-to-llvm", "--convert-index-to-llvm", "--finalize-memref-to-llvm", "--convert-func-to-llvm",
           "--convert-cf-to-llvm", "--reconcile-unrealized-casts")
open(path("kernels.ll"), "w").write(subprocess.run([tool("mlir-translate"), "--mlir-to-llvmir"], input=llvm, check=True, capture_output=True, text=True).stdout)
values = {"KERNEL": kernel, "ROUND": rounding, "PANEL_BYTES": panel_bytes, "PANELS": panels, "GROUPS": groups, "ROWS": options.rows,
          "SCALE_BYTES": 1 if double else 2,
          "RATE": "rate512" if options.level == "avx512vnni" else "rate256"}
source = re.sub(r"KERNEL|ROUND|SCALE_BYTES|PANEL_BYTES|PANELS|GROUPS|ROWS|RATE", lambda match: str(values[match.group(0)]), DRIVER)
open(path("driver.c"), "w").write(f"#define N {n}\n#define K {k}\n" + ("#define DOUBLE\n" if double else "") + source)
subprocess.run([tool("clang"), "-O2", f"-march={march}", "-mprefer-vector-width=512", "-Wno-override-module", "-c", path("kernels.ll"), "-o", path("kernels.o")], check=True)
subprocess.run([tool("clang"), "-O2", path("driver.c"), path("kernels.o"), "-lm", "-o", path("bench")], check=True)
print(f"{options.level}, {scheme}, {n} x {k}")
sys.exit(subprocess.run([path("bench")]).returncode)
