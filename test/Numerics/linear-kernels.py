# RUN: %python %s
"""Kernels of linear layers, of every level, against NumPy: random shapes, every number of bits, groups and zero points.

Levels that the machine has run by their instructions, the others by the instructions' definitions; a few layers run by all definitions.
"""
import json
import os
import re
import subprocess
import sys
import tempfile

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
from harness import Compiled, tool

rng = np.random.default_rng(11)
MARCH = {"baseline": "x86-64", "avx2": "x86-64-v3", "avx512vnni": "cascadelake", "avx512bf16": "cooperlake"}
NEEDS = {"baseline": set(), "avx2": {"avx2", "fma", "f16c"}, "avx512vnni": {"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni"}}
NEEDS["avx512bf16"] = NEEDS["avx512vnni"] | {"avx512_bf16"}
CODES = list(MARCH)[:3]  # kernels of codes are the same at the last level
FLAGS = set(re.search(r"^flags\s*:(.*)$", open("/proc/cpuinfo").read(), re.M).group(1).split())
BEST = [level for level in MARCH if NEEDS[level] <= FLAGS][-1]


def dense(array):
    """An elements attribute of the array's bytes."""
    text = {np.dtype(np.int8): "i8", np.dtype(np.uint8): "i8", np.dtype(np.float16): "f16", np.dtype(np.uint16): "bf16", np.dtype(np.float32): "f32"}[array.dtype]
    type = f"tensor<{'x'.join(map(str, array.shape))}x{text}>"
    return f'dense<"0x{array.tobytes().hex().upper()}"> : {type}', type


def pack_rows(codes, bits):
    """Each row a little-endian bit stream."""
    n, k = codes.shape
    stream = (codes[:, :, None] >> np.arange(bits) & 1).reshape(n, k * bits).astype(np.uint8)
    return np.packbits(stream, axis=1, bitorder="little")


def round_input(x, grid):
    """The values that the grid makes of the input, in float32 as the kernels compute it, and their unit: codes less the zero point."""
    one = np.float32(1)
    if grid is None:
        scale = np.abs(x).max(1, keepdims=True) / np.float32(127)
        return np.rint(x / np.where(scale == 0, one, scale)), scale
    if grid == "none":
        return x, one
    if grid == "tensor":
        low, high = min(x.min(), np.float32(0)), max(x.max(), np.float32(0))
        scale = (high - low) / np.float32(255)
        scale = scale or one
        zero, low, high = np.rint(-low / scale), 0, 255
    else:
        scale, zero, low, high = np.float32(grid[0]), *grid[1:]
    return np.clip(np.rint(x / scale) + zero, low, high) - zero, scale


def grid_text(grid):
    if grid is None or isinstance(grid, str):
        return f" {{grid = #terse.grid<{grid}>}}" if grid else ""
    scale, zero, low, high = grid
    return f" {{grid = #terse.grid<fixed, scale = {np.float32(scale):.9e} : f64, zero = {zero}, low = {low}, high = {high}>}}"


def make_sparse(codes, size, zero):
    """Two of each four codes of a group, at random, become that of 0; some fours lose more."""
    n, k = codes.shape
    for begin in range(0, k, size):
        for at in range(begin, min(k, begin + size), 4):
            part = codes[:, at:min(at + 4, begin + size, k)]
            kept = rng.permuted(np.tile(np.arange(4) < rng.integers(0, 3, (n, 1)), 1), axis=1)
            part[~kept[:, :part.shape[1]]] = zero


# NF4 as bitsandbytes has it.
NF4 = np.array([-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
                -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
                0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0])
TABLE = np.rint(127 * NF4)


def layer(k, n, bits, group, zero, bias, residual, scale, grid=None, sparse=False):
    """A terse.qlinear and what it computes; `bits` of "nf4": codes are of the table; `scale` of int8: scales are multiples of the row's;
    `sparse`: its codes are 2:4."""
    table, bits = bits == "nf4", 4 if bits == "nf4" else bits
    size = group or k
    groups = -(-k // size)
    codes = rng.integers(0, 1 << bits, (n, k)).astype(np.uint8)
    codes[0], codes[-1] = 0, (1 << bits) - 1  # with activations alike, what sums of 16 bits must hold at most
    if sparse:
        make_sparse(codes, size, 1 << (bits - 1))
    scales = rng.integers(-127, 128, (n, groups)).astype(scale) if scale == I8 else (rng.random((n, groups)) * 0.02 + 0.001).astype(scale)
    of_rows = (rng.random((n, 1)) * 2e-4).astype(F32) if scale == I8 else np.ones((n, 1), F32)
    zeros = (rng.random((n, groups)) * (1 << bits)).astype(F16 if scale == I8 else scale) if zero == "float" else \
        rng.integers(0, 1 << bits, (n, groups)).astype(np.uint8) if zero else np.full((n, groups), 1 << (bits - 1), np.uint8)
    added = rng.standard_normal(n).astype(np.float32)
    (c, ct), (s, st), (o, ot), (z, zt), (b, bt) = map(dense, (pack_rows(codes, bits), scales, of_rows, zeros, added))
    scheme = f"<i{bits}, {f'group = {group}, ' if group else ''}scale = {st[-4:-1].strip('x')}, zero = {'float' if zero == 'float' else 'integer' if zero else 'none'}{', codebook = nf4' if table else ''}>"
    rows = f"tensor<?x{n}xf32>"
    mlir = f"""func.func @forward(%x: tensor<?x{k}xf32>{f", %r: {rows}" if residual else ""}) -> {rows} {{
      %c = arith.constant {c}
      %s = arith.constant {s}
      %o = arith.constant {o}
      %z = arith.constant {z}
      %b = arith.constant {b}
      %y = terse.qlinear {scheme} %x, %c, %s {f"rows %o : {ot}" if scale == I8 else ""} {f"zero %z : {zt}" if zero else ""} {f"bias %b : {bt}" if bias else ""}{grid_text(grid)} : tensor<?x{k}xf32>, {ct}, {st} -> {rows}
      {f"%t = arith.addf %r, %y : {rows}" if residual else ""}
      return {"%t" if residual else "%y"} : {rows}
    }}"""

    def want(x, r):
        q, unit = round_input(x, grid)
        total = np.zeros((len(x), n))
        for g in range(groups):
            part = slice(g * size, min(k, (g + 1) * size))
            weights = TABLE[codes[:, part]] if table else codes[:, part].astype(np.float64) - zeros[:, g:g + 1].astype(np.float64)
            total += (q[:, part].astype(np.float64) @ weights.T) * (scales[:, g].astype(np.float64) * of_rows[:, 0])
        return total * unit + (added if bias else 0) + (r if residual else 0)

    return mlir, want


def to_bf16(x):
    """The bits of the nearest bf16, of ties the even one."""
    bits = x.astype(np.float32).view(np.uint32)
    return (bits + np.uint32(0x7fff) + (bits >> np.uint32(16) & np.uint32(1)) >> np.uint32(16)).astype(np.uint16)


def from_bf16(bits):
    return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)


def float_layer(k, n, bias, residual, element, rounds=False):
    """`rounds`: the input is rounded to bf16."""
    weight = rng.standard_normal((n, k)).astype(np.float32)
    stored = to_bf16(weight) if element == BF16 else weight.astype(element)
    weight = from_bf16(stored) if element == BF16 else stored
    added = rng.standard_normal(n).astype(np.float32)
    (w, wt), (b, bt) = dense(stored), dense(added)
    rows = f"tensor<?x{n}xf32>"
    mlir = f"""func.func @forward(%x: tensor<?x{k}xf32>{f", %r: {rows}" if residual else ""}) -> {rows} {{
      %w = arith.constant {w}
      %b = arith.constant {b}
      %y = terse.linear %x, %w {f"bias %b : {bt}" if bias else ""} : tensor<?x{k}xf32>, {wt} -> {rows}
      {f"%t = arith.addf %r, %y : {rows}" if residual else ""}
      return {"%t" if residual else "%y"} : {rows}
    }}"""
    read = (lambda x: from_bf16(to_bf16(x))) if rounds else (lambda x: x)
    return mlir, lambda x, r: read(x).astype(np.float64) @ weight.astype(np.float64).T + (added if bias else 0) + (r if residual else 0)


def narrowed(mlir, k, n, element, norm=""):
    """The layer with a residual, its input, result and residual in `element`, f16 or bf16, by conversions around it. With a norm before it, which
    is "fused" or, as it is returned too, "kept"."""
    wide, rows, narrow_rows = f"tensor<?x{n}xf32>", f"tensor<?x{k}x{element}>", f"tensor<?x{n}x{element}>"
    start = f"%g = arith.constant dense<0.3> : tensor<{k}x{element}>\n%h = terse.norm rms %n, %g {{epsilon = 1.0e-5 : f64}} : {rows}, tensor<{k}x{element}>\n" if norm else ""
    results, last = (f"({narrow_rows}, {rows})", f"return %t, %h : {narrow_rows}, {rows}") if norm == "kept" else (narrow_rows, f"return %t : {narrow_rows}")
    for old, new in ((f"%x: tensor<?x{k}xf32>, %r: {wide}) -> {wide} {{",
                      f"%n: {rows}, %r: {narrow_rows}) -> {results} {{\n{start}%x = arith.extf {'%h' if norm else '%n'} : {rows} to tensor<?x{k}xf32>"),
                     (f"%t = arith.addf %r, %y : {wide}", f"%q = arith.truncf %y : {wide} to {narrow_rows}\n%t = arith.addf %r, %q : {narrow_rows}"),
                     (f"return %t : {wide}", last)):
        assert mlir.count(old) == 1, old
        mlir = mlir.replace(old, new)
    return mlir


def pack(mlir, what="a layer"):
    packed = subprocess.run([tool("terse-opt"), "--terse-pack-weights"], input=mlir, check=True, capture_output=True, text=True).stdout
    assert "terse.qlinear" not in packed and "terse.linear" not in packed, "not packed: " + what
    return re.sub(r'terse\.weight "[^"]*" = (dense<.*?> : tensor<[^>]*>) -> tensor<[^>]*>', r"arith.constant \1", packed)


def lower(packed, level, emulate, tuning=""):
    mma = "--convert-kernel-mma" + ("=emulate" if emulate else "")
    own = BEST if emulate else level
    return Compiled(packed, level=own, march=MARCH[own],
                    before=(f"--terse-select-kernel=level={level} tuning={tuning}", f"--terse-lower-linear=level={level}", "--terse-lower-norm", mma))


def check(what, mlir, want, k, n, rows, residual, level, emulate, sparse=False, tunings=(), alone=False):
    """Results of all tunings (files) are those of the built-in tables, to the bit; `alone`: those of a row are the same alone."""
    packed = pack(mlir, what)
    assert ("{sparse" in packed or ", sparse}" in packed) == sparse, "sparse: " + what
    chosen, *others = [lower(packed, level, emulate, tuning) for tuning in ("", *tunings)]
    for m in rows:
        x, r = rng.standard_normal((m, k)).astype(np.float32), rng.standard_normal((m, n)).astype(np.float32)
        if m > 1:
            x[1] = 0
        x[2:3], x[3:4] = 1, -1
        inputs = [x, r] if residual else [x]
        results = [chosen(*inputs, outputs=[(m, n)], threads=threads) for threads in ((1, 2, 3, 7) if m < 40 else (1, 3))]
        results += [other(*inputs, outputs=[(m, n)], threads=2) for other in others]
        expected = want(x, r)
        error = np.abs(results[0] - expected).max() / np.abs(expected).max()
        if not error <= 2e-6:
            sys.exit(f"FAILED {what}, {level}{' by definition' if emulate else ''}, {m} rows: relative error {error:.3g}")
        if any(other.tobytes() != results[0].tobytes() for other in results):
            sys.exit(f"FAILED {what}, {level}, {m} rows: threads or the tiling change the result")
        for row in range(m) if alone and m < 40 else ():
            one = chosen(*(each[row:row + 1] for each in inputs), outputs=[(1, n)], threads=2)
            if one.tobytes() != results[0][row].tobytes():
                sys.exit(f"FAILED {what}, {level}, {m} rows: row {row} differs from what it is alone")


F16, F32, I8, BF16 = np.float16, np.float32, np.int8, "bf16"
# k, n, bits, group (0: per channel), zero points, bias, residual, type of scales
LAYERS = [
    (96, 64, 4, 32, False, False, False, F16),
    (200, 83, 4, 32, True, True, True, F16),     # partial group, partial panel
    (37, 5, 4, 0, False, True, False, F32),      # one panel, per channel, odd depth
    (1100, 48, 4, 100, False, False, True, F16), # groups that are no multiple of a unit
    (130, 40, 3, 64, True, False, False, F16),
    (320, 96, 3, 32, False, True, False, F32),
    (150, 33, 2, 16, True, False, True, F16),
    (256, 128, 2, 0, False, False, False, F16),
    (90, 50, 8, 32, False, True, False, F16),
    (64, 70, 8, 0, True, False, True, F32),
    (200, 83, 4, 32, False, True, True, I8),
    (77, 35, 3, 16, True, False, False, I8),
    (200, 83, "nf4", 64, False, True, True, F16),
    (101, 33, "nf4", 0, False, False, False, F32),
    (1000, 1100, 4, 100, True, True, True, F16), # large enough for threads to take its last panels as they come
]
# The same with the grid of the input: of the whole tensor, fixed (scale, zero point, range), or none.
GRIDS = [
    (96, 64, 8, 0, False, True, False, F32, "tensor"),
    (75, 37, 8, 0, True, False, True, F32, "tensor"),
    (130, 45, 4, 16, True, False, False, F16, "tensor"),
    (64, 70, 8, 0, False, False, False, F32, (0.02, 3, -128, 127)),
    (101, 33, 8, 64, True, True, False, F16, (0.03, 131, 0, 255)),
    (77, 20, 2, 32, False, False, False, F32, (0.05, 0, -128, 127)),
    (64, 33, 4, 16, "float", True, False, F32, None),
    (150, 50, 8, 128, "float", False, False, F16, "tensor"),
    (96, 65, 4, 32, False, False, True, F32, "none"),
    (77, 50, 4, 16, True, True, False, F16, "none"),
    (300, 21, 8, 128, "float", False, False, F32, "none"),
    (90, 35, 2, 64, True, False, False, F32, "none"),
    (70, 40, 3, 32, False, False, False, F16, "none"),
    (101, 37, 4, 32, False, True, False, I8, "tensor"),
    (90, 40, 2, 32, "float", False, True, I8, "none"),
    (130, 35, 8, 64, True, False, False, I8, (0.03, 131, 0, 255)),
    (130, 40, "nf4", 64, False, True, False, I8, "tensor"),
    (99, 35, "nf4", 32, False, False, True, F16, "none"),
    (64, 20, "nf4", 16, False, False, False, F16, (0.05, 0, -128, 127)),
]
for _ in range(3):  # odd shapes
    GRIDS.append((int(rng.integers(5, 200)), int(rng.integers(1, 90)), int(rng.choice([2, 4, 8])), int(rng.choice([0, 16, 64, 128])),
                  [False, True, "float"][rng.integers(3)], bool(rng.integers(2)), bool(rng.integers(2)), [F16, F32, I8][rng.integers(3)],
                  [None, "tensor", "none", (0.02, 120, 0, 255)][rng.integers(4)]))
FLOATS = [(700, 201, True, True, F32), (33, 21, True, False, F32), (64, 80, False, True, F16), (130, 16, True, True, F32),
          (64, 80, False, True, BF16), (33, 21, True, False, BF16), (1, 5, False, False, BF16), (205, 150, True, True, BF16),
          (int(rng.integers(2, 200)), int(rng.integers(1, 130)), False, True, BF16)]
for number, (k, n, bits, group, zero, bias, residual, scale) in enumerate(LAYERS):
    what = f"{n} x {k}, {bits} bits, scales {scale.__name__}, group {group}, {'zero points' if zero else 'symmetric'}"
    mlir, want = layer(k, n, bits, group, zero, bias, residual, scale)
    for level in CODES:
        if NEEDS[level] <= FLAGS and (level != "baseline" or number in (1, 4, 7, 12)):
            check(what, mlir, want, k, n, (1, 2, 3, 4, 7, 12, 24, 31, 300) if number < 2 else (1, 5, 29), residual, level, False)
        if number in (1, 2, 12) or not NEEDS[level] <= FLAGS:
            check(what, mlir, want, k, n, (1, 3, 26), residual, level, True)
for number, (k, n, bits, group, zero, bias, residual, scale, grid) in enumerate(GRIDS):
    what = f"{n} x {k}, {bits} bits, group {group}, zero points {zero}, grid {grid}"
    mlir, want = layer(k, n, bits, group, zero, bias, residual, scale, grid)
    check(what, mlir, want, k, n, (1, 2, 9, 29), residual, BEST, False)
    if grid != "none" and number % 4 == 1:
        check(what, mlir, want, k, n, (1, 3, 26), residual, CODES[number // 4 % 3], True)
# k, n, group, bias, residual, type of scales, grid
SPARSE = [
    (128, 64, 32, False, False, F16, None),
    (204, 83, 64, True, True, F16, None),   # partial group that is no multiple of a unit, partial panel
    (1000, 48, 0, False, False, F32, (0.02, 3, -128, 127)),
    (150, 21, 100, True, False, F32, "tensor"),
    (130, 40, 64, False, False, I8, None),
]
for number, (k, n, group, bias, residual, scale, grid) in enumerate(SPARSE):
    what = f"{n} x {k}, 2:4, group {group}, grid {grid}"
    mlir, want = layer(k, n, 4, group, False, bias, residual, scale, grid, sparse=True)
    for level in CODES[min(number, 1):]:
        if NEEDS[level] <= FLAGS:
            check(what, mlir, want, k, n, (1, 2, 7, 24, 31, 300) if k == 204 else (1, 3, 26), residual, level, False, True)
    if number < 2:
        check(what, mlir, want, k, n, (1, 5, 29), residual, ["avx512vnni", "avx2"][number], True, True)
for k, n, bias, residual, element in FLOATS:
    for level in MARCH:
        # Products of bf16 are exact in f32 and sums have as many roundings as those of f32: the same tolerance.
        mlir, want = float_layer(k, n, bias, residual, element, rounds=element == BF16 and level == "avx512bf16")
        what = f"{n} x {k}, {element if element == BF16 else element.__name__}"
        if NEEDS[level] <= FLAGS:
            check(what, mlir, want, k, n, (1, 2, 13, 50) if element == BF16 else (1, 2, 13), residual, level, False, alone=True)
        if element == BF16 and level == "avx512bf16":
            check(what, mlir, want, k, n, (1, 2, 9), residual, level, True, alone=True)

# Layers of f16 and bf16 models: the bits of the layer in f32 on the same input, rounded, to which the residual is added; and with a norm
# before them the same whether its result is stored or not.
# k, n, bits (0: weights of bf16), group, bias, grid, element
NARROW = [(200, 83, 4, 32, True, None, "f16"), (130, 48, 4, 32, False, None, "bf16"), (96, 65, 8, 0, True, "tensor", "f16"),
          (75, 37, 3, 64, False, (0.02, 120, 0, 255), "bf16"), (64, 33, 4, 32, True, "none", "f16"), (205, 150, 0, 0, True, None, "bf16"),
          (33, 21, 0, 0, False, None, "f16")]
for k, n, bits, group, bias, grid, element in NARROW:
    mlir, _ = layer(k, n, bits, group, False, bias, True, F16, grid) if bits else float_layer(k, n, bias, True, BF16)
    to, back = (to_bf16, from_bf16) if element == BF16 else (lambda x: x.astype(F16), lambda x: x.astype(F32))
    for level in MARCH:
        if not NEEDS[level] <= FLAGS:
            continue
        wide = lower(pack(mlir), level, False)
        narrow, *normed = (lower(pack(narrowed(mlir, k, n, element, norm)), level, False)
                           for norm in (("", "fused", "kept") if level == BEST else ("",)))
        for m in (1, 2, 5, 29):
            x, r = to(rng.standard_normal((m, k)).astype(F32)), to(rng.standard_normal((m, n)).astype(F32))
            plain = wide(back(x), np.zeros((m, n), F32), outputs=[(m, n)])
            expected = to(back(to(plain)) + back(r))
            for threads in (1, 3):
                if narrow(x, r, outputs=[(m, n)], threads=threads).tobytes() != expected.tobytes():
                    sys.exit(f"FAILED {n} x {k} in {element}, {bits} bits, grid {grid}, {level}, {m} rows: not what f32 gives, rounded")
            if normed and normed[0](x, r, outputs=[(m, n)], threads=2).tobytes() != normed[1](x, r, outputs=[(m, n), (m, k)], threads=2)[0].tobytes():
                sys.exit(f"FAILED {n} x {k} in {element}, {bits} bits, grid {grid}, {level}, {m} rows: the norm changes when its result is not stored")

# Any bits, numbers that are none among them: the instruction gives what its definition says.
if NEEDS["avx512bf16"] <= FLAGS:
    k, n, m = 6, 200, 300
    for spread in (256, 24):
        exponents = lambda shape: (rng.integers(0, spread, shape) + (256 - spread) // 2).astype(np.uint32)
        weight = (rng.integers(0, 1 << 16, (n, k)).astype(np.uint32) & 0x807f | exponents((n, k)) << 7).astype(np.uint16)
        x = (rng.integers(0, 1 << 32, (m, k)).astype(np.uint32) & 0x807fffff | exponents((m, k)) << 23).view(np.float32)
        w, wt = dense(weight)
        packed = pack(f"""func.func @forward(%x: tensor<?x{k}xf32>) -> tensor<?x{n}xf32> {{
          %w = arith.constant {w}
          %y = terse.linear %x, %w : tensor<?x{k}xf32>, {wt} -> tensor<?x{n}xf32>
          return %y : tensor<?x{n}xf32>
        }}""")
        native, defined = (lower(packed, "avx512bf16", emulate)(x, outputs=[(m, n)]) for emulate in (False, True))
        differ = (native.view(np.uint32) != defined.view(np.uint32)) & ~(np.isnan(native) & np.isnan(defined))
        if differ.any():
            sys.exit(f"FAILED vdpbf16ps: {differ.sum()} of {differ.size} results are not those of its definition")

# Blocks of all sizes, chosen by files.
with tempfile.TemporaryDirectory() as folder:
    tunings = []
    for number, (one, few, many, unpacked, unpacked_from, prefetch) in enumerate([
            (3, (2, 3), (3, 1), (1, 1), 1, 0), (2, (4, 2), (2, 1), (5, 2), 6, 64000), (1, (5, 1), (7, 2), (3, 1), 0, 640)]):
        numbers = {"one_panels": one, "few_rows": few[0], "few_panels": few[1], "many_rows": many[0], "many_panels": many[1], "one_prefetch": prefetch // 2,
                   "unpacked_rows": unpacked[0], "unpacked_panels": unpacked[1], "unpacked_from": unpacked_from, "prefetch": prefetch, "far_prefetch": prefetch}
        tunings.append(os.path.join(folder, f"{number}.json"))
        with open(tunings[-1], "w") as file:
            json.dump({"terse_tuning": 1, "entries": [{"level": level, "format": format, **numbers}
                                                      for level in MARCH for format in ("w4", "w3-float", "w4-2:4", "f32", "bf16")]}, file)
    for k, n, bits, group, zero, grid in [(200, 150, 4, 32, True, None), (96, 65, 3, 32, False, "none")]:
        mlir, want = layer(k, n, bits, group, zero, True, True, F16, grid)
        check(f"tiled: {n} x {k}, {bits} bits, group {group}, grid {grid}", mlir, want, k, n, (1, 2, 5, 31), True, BEST, False, False, tunings)
    mlir, want = layer(204, 83, 4, 64, False, True, True, F16, sparse=True)
    check("tiled: 2:4", mlir, want, 204, 83, (1, 2, 7, 30), True, BEST, False, True, tunings)
    mlir, want = float_layer(33, 100, True, False, F32)
    check("tiled: f32", mlir, want, 33, 100, (1, 2, 7), False, BEST, False, False, tunings)
    mlir, want = float_layer(33, 100, True, False, BF16, rounds=True)
    check("tiled: bf16", mlir, want, 33, 100, (1, 2, 7), False, "avx512bf16", not NEEDS["avx512bf16"] <= FLAGS, False, tunings)
