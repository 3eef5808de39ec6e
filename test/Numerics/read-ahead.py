# RUN: %python %s
"""What threads that wait are told to read ahead lies in the weights, with any number of threads, to the last byte of the section."""
import ctypes
import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
from harness import Compiled

SCALES, CODES = 64 * 16 * 2, 64 * 8192
# Two layers that are large enough for their weights to be streamed; those of the second end the section.
LAYERS = f"""func.func @forward(%x: tensor<?x1024xf32>) -> tensor<?x1024xf32> {{
  %s = kernel.weight "s" at 0 : tensor<64x1x16xf16>
  %c0 = kernel.weight "c0" at {SCALES} : tensor<64x8192xi8>
  %c1 = kernel.weight "c1" at {SCALES + CODES} : tensor<64x8192xi8>
  %0 = kernel.qlinear <i4, scale = f16, zero = none> %x, %c0, %s : tensor<?x1024xf32>, tensor<64x8192xi8>, tensor<64x1x16xf16> -> tensor<?x1024xf32>
  %1 = kernel.qlinear <i4, scale = f16, zero = none> %0, %c1, %s : tensor<?x1024xf32>, tensor<64x8192xi8>, tensor<64x1x16xf16> -> tensor<?x1024xf32>
  return %1 : tensor<?x1024xf32>
}}"""

rng = np.random.default_rng(5)
weights = (rng.random(SCALES // 2) * 0.01).astype(np.float16).tobytes() + rng.integers(0, 256, 2 * CODES, np.uint8).tobytes()
compiled = Compiled(LAYERS, before=("--terse-lower-linear=level=baseline", "--convert-kernel-mma"))
told, outside = (ctypes.c_int64.in_dll(compiled.library, name) for name in ("ahead_bytes", "ahead_outside"))
x = rng.standard_normal((3, 1024)).astype(np.float32)
first = None
for threads in (1, 2, 3, 7, 40):
    before = told.value
    got = compiled(x, outputs=[(3, 1024)], weights=weights, threads=threads)
    first = got if first is None else first
    if got.tobytes() != first.tobytes():
        sys.exit(f"FAILED: {threads} threads change the result")
    if not told.value > before:
        sys.exit(f"FAILED: {threads} threads were told of nothing to read ahead")
    if outside.value:
        sys.exit(f"FAILED: {threads} threads were told to read beyond the weights")
