"""Runs MLIR through the target stage and calls the code, without the artifact and its runtime.

A module's @forward is lowered by terse-opt, translated and compiled to a shared object, and called by a small C driver with
real threads. What is tested is thus the lowering alone.
"""
import ctypes
import os
import re
import subprocess
import tempfile

import numpy as np

DTYPES = {"f64": np.float64, "f32": np.float32, "f16": np.float16, "i64": np.int64, "i32": np.int32, "i8": np.int8, "i1": np.bool_,
          "bf16": np.uint16}

DRIVER = """
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
typedef void *P;
extern void _mlir_ciface_forward({all_types}, P, P, P, int64_t, int64_t);
extern int64_t _mlir_ciface_forward_arena({all_types});
static void **args;
static void *weights, *arena;
static int64_t sizes[2], count;
/* Bytes to read ahead that barriers were told of, and whether any are not the weights'. */
int64_t ahead_bytes, ahead_outside;
void terse_barrier(void *barrier, const void *ahead, int64_t bytes) {{
  struct {{ const char *a, *b; int64_t offset, size, stride; }} *w = weights;
  if (bytes) {{
    __atomic_fetch_add(&ahead_bytes, bytes, __ATOMIC_RELAXED);
    if (bytes < 0 || (const char *)ahead < w->b || (const char *)ahead + bytes > w->b + w->size)
      __atomic_store_n(&ahead_outside, 1, __ATOMIC_RELAXED);
  }}
  pthread_barrier_wait(barrier);
}}
static pthread_barrier_t barrier;
static void *run(void *number) {{
  _mlir_ciface_forward({all_args}, weights, arena, &barrier, (int64_t)number, count);
  return 0;
}}
int64_t drive(void **a, void *w, int64_t threads) {{
  args = a; weights = w; count = threads;
  int64_t bytes = _mlir_ciface_forward_arena({all_args});
  char *base = aligned_alloc(64, ((bytes + 63) & ~63ll) + 4096);
  memset(base, 0x7b, bytes + 4096);
  struct {{ void *a, *b; int64_t offset, size, stride; }} d = {{base, base, 0, bytes, 1}};
  arena = &d;
  pthread_barrier_init(&barrier, 0, threads);
  pthread_t ids[64];
  for (int64_t i = 1; i < threads; ++i) pthread_create(&ids[i], 0, run, (void *)i);
  run(0);
  for (int64_t i = 1; i < threads; ++i) pthread_join(ids[i], 0);
  pthread_barrier_destroy(&barrier);
  for (int i = 0; i < 4096; ++i) if (base[bytes + i] != 0x7b) return -1;
  free(base);
  return bytes;
}}
"""


def descriptor(array):
    """A memref descriptor of a contiguous array, and what must live as long."""
    rank = array.ndim
    fields = (ctypes.c_int64 * (3 + 2 * rank))()
    fields[0] = fields[1] = array.ctypes.data
    for i in range(rank):
        fields[3 + i] = array.shape[i]
        fields[3 + rank + i] = int(np.prod(array.shape[i + 1:], dtype=np.int64))
    return fields


def tool(name):
    """The path of a program of LLVM 22, or of this project (on the PATH)."""
    for folder in ["/usr/lib/llvm-22/bin"] + os.environ.get("PATH", "").split(":"):
        if os.access(os.path.join(folder, name), os.X_OK):
            return os.path.join(folder, name)
    raise SystemExit(f"{name} not found")


class Compiled:
    """A module's @forward, callable."""

    def __init__(self, mlir, level="baseline", fuse=True, march="x86-64", before=()):
        self.folder = tempfile.TemporaryDirectory()
        path = lambda name: os.path.join(self.folder.name, name)
        with open(path("a.mlir"), "w") as file:
            file.write(mlir)
        opt = [tool("terse-opt")]
        planned = subprocess.run(opt + [path("a.mlir"), *before, "--terse-lower-to-linalg", f"--terse-bufferize=fuse={str(fuse).lower()}",
                                        "--terse-spmd", "--terse-plan-arena"], check=True, capture_output=True, text=True).stdout
        for name in ("forward", "forward_arena"):
            planned = re.sub(rf"func.func private @{name}\((.*?)\)( -> index)?(?: attributes \{{.*\}})? \{{\n",
                             rf"func.func @{name}(\1)\2 attributes {{llvm.emit_c_interface}} {{\n", planned, count=1)
        self.planned = planned
        signature = re.search(r"func.func @forward\((.*)\) attributes", planned).group(1)
        signature = signature[:signature.index('terse.runtime')]
        self.arguments = re.findall(r"%arg\d+: (memref<[^>]*>|index)( \{[^}]*terse\.output)?", signature)[:]
        if self.arguments and signature.rstrip().endswith("memref<?xi8> {"):
            self.arguments.pop()
        with open(path("b.mlir"), "w") as file:
            file.write(planned)
        subprocess.run(opt + [path("b.mlir"), f"--terse-lower-to-llvm=level={level}", "-o", path("c.mlir")], check=True)
        subprocess.run([tool("mlir-translate"), "--mlir-to-llvmir", path("c.mlir"), "-o", path("c.ll")], check=True)
        types = ", ".join("int64_t" if type == "index" else "P" for type, _ in self.arguments)
        args = ", ".join(f"(int64_t)args[{i}]" if type == "index" else f"args[{i}]" for i, (type, _) in enumerate(self.arguments))
        with open(path("driver.c"), "w") as file:
            file.write(DRIVER.format(all_types=types, all_args=args))
        clang = tool("clang")
        subprocess.run([clang, "-O1", f"-march={march}", "-fPIC", "-shared", "-Wno-override-module", path("c.ll"), path("driver.c"), "-lm",
                        "-Wl,--no-undefined", "-lpthread", "-o", path("a.so")], check=True)
        self.library = ctypes.CDLL(path("a.so"))
        self.library.drive.restype = ctypes.c_int64
        self.arena_bytes = None

    def __call__(self, *inputs, outputs=(), weights=b"", threads=1):
        """`inputs` in order (arrays, ints for index; states change in place), then the shapes of the outputs."""
        arrays, keep, results = [], [], []
        rest, shapes = list(inputs), list(outputs)
        for type, is_output in self.arguments:
            if type == "index":
                arrays.append(ctypes.c_void_p(rest.pop(0)))
                continue
            element = type[7:-1].split("x")[-1]
            if is_output:
                value = np.full(shapes.pop(0), 77, DTYPES[element])
                results.append(value)
            else:
                value = rest.pop(0)
                assert value.dtype == DTYPES[element] and value.flags.c_contiguous, (type, value.dtype)
            keep.append(descriptor(value))
            arrays.append(ctypes.cast(keep[-1], ctypes.c_void_p))
        assert not rest and not shapes, "arguments left over"
        blob = np.frombuffer(bytes(weights) or b"\0", np.uint8).copy()
        keep.append(descriptor(blob))
        table = (ctypes.c_void_p * len(arrays))(*[a.value for a in arrays])
        self.arena_bytes = self.library.drive(table, ctypes.cast(keep[-1], ctypes.c_void_p), ctypes.c_int64(threads))
        assert self.arena_bytes >= 0, "wrote beyond the arena"
        return results[0] if len(results) == 1 else results
