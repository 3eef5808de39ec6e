# RUN: %python %s
"""Every operation of the terse dialect by its plain lowering, against NumPy in float64."""
import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
import attentions
import reference
from harness import Compiled

rng = np.random.default_rng(7)
checks = 0


def check(what, got, want, tolerance=2e-6):
    """Largest difference relative to the largest value."""
    global checks
    checks += 1
    want = np.asarray(want, np.float64)
    error = np.abs(got.astype(np.float64) - want).max(initial=0) / max(np.abs(want).max(initial=0), 1e-3)
    if got.shape != want.shape or not error <= tolerance:
        print(f"FAILED {what}: relative error {error:.3g}, tolerance {tolerance:.3g}, shapes {got.shape} {want.shape}")
        print("want", want.ravel()[:8], "got", got.ravel()[:8])
        sys.exit(1)


def f32(*shape):
    return rng.standard_normal(shape).astype(np.float32)


compiles = 0


def run(what, mlir, inputs, shapes, want, tolerance=2e-6, threads=(1, 2, 3), **options):
    """Compiles (with fusion every other time), runs with several numbers of threads: bit-identical, and near `want`."""
    global compiles
    compiles += 1
    compiled = Compiled(mlir, fuse=compiles % 2 == 0, **options)
    first = None
    for count in threads:
        copies = [x.copy() if isinstance(x, np.ndarray) else x for x in inputs]
        got = compiled(*copies, outputs=shapes, threads=count)
        results = list(got) if isinstance(got, list) else [got]
        if first is None:
            first = results
            for i, (result, expected) in enumerate(zip(results, want)):
                check(f"{what} result {i}", result, expected, tolerance)
        for a, b in zip(first, results):
            if a.tobytes() != b.tobytes():
                sys.exit(f"FAILED {what}: {count} threads give another result than {threads[0]}")


def linear():
    for axis, bias, (b, s, k, n) in ((1, True, (1, 1, 7, 5)), (0, False, (2, 3, 16, 33)), (1, False, (1, 5, 65, 9)), (0, True, (3, 1, 9, 4))):
        shape = f"{n}x{k}" if axis == 1 else f"{k}x{n}"
        x, w, c = f32(b, s, k), f32(*((n, k) if axis == 1 else (k, n))), f32(n)
        mlir = f"""func.func @forward(%x: tensor<?x?x{k}xf32>, %w: tensor<{shape}xf32>, %c: tensor<{n}xf32>) -> tensor<?x?x{n}xf32> {{
          %y = terse.linear %x, %w {f"bias %c : tensor<{n}xf32>" if bias else ""} {{reduction_axis = {axis} : i64}} : tensor<?x?x{k}xf32>, tensor<{shape}xf32> -> tensor<?x?x{n}xf32>
          return %y : tensor<?x?x{n}xf32> }}"""
        run(f"linear {axis}", mlir, (x, w, c), [(b, s, n)], [reference.linear(x, w, c if bias else None, axis)])
    # f16 weights and activations, sums in f32; rank 2, static.
    x, w = f32(3, 37).astype(np.float16), f32(5, 37).astype(np.float16)
    run("linear f16", """func.func @forward(%x: tensor<3x37xf16>, %w: tensor<5x37xf16>) -> tensor<3x5xf16> {
      %y = terse.linear %x, %w : tensor<3x37xf16>, tensor<5x37xf16> -> tensor<3x5xf16>
      return %y : tensor<3x5xf16> }""", (x, w), [(3, 5)], [reference.linear(x, w)], 1e-3)
    x, w = rng.standard_normal((3, 37)), rng.standard_normal((5, 37))
    run("linear f64", """func.func @forward(%x: tensor<?x37xf64>, %w: tensor<5x37xf64>) -> tensor<?x5xf64> {
      %y = terse.linear %x, %w : tensor<?x37xf64>, tensor<5x37xf64> -> tensor<?x5xf64>
      return %y : tensor<?x5xf64> }""", (x, w), [(3, 5)], [reference.linear(x, w)], 1e-14)


def rotate():
    # Sylvester's, Paley's of both kinds and of a higher multiple, the cosine transform with powers of two and without.
    for n, block in ((2, None), (64, None), (20, None), (28, None), (176, None), (104, None), (54, None), (184, None), (7, None), (96, 12), (6, 2)):
        x = f32(2, 3, n)
        attribute, size = (f"{{block = {block} : i64}} ", block) if block else ("", n)
        want = (x.astype(np.float64).reshape(2, 3, -1, size) @ reference.rotation_matrix(size)).reshape(2, 3, n)
        run(f"rotate {n} {block}", f"""func.func @forward(%x: tensor<?x?x{n}xf32>) -> tensor<?x?x{n}xf32> {{
          %y = terse.rotate %x {attribute}: tensor<?x?x{n}xf32>
          return %y : tensor<?x?x{n}xf32> }}""", (x,), [(2, 3, n)], [want])
    x = f32(5, 24).astype(np.float16)
    run("rotate f16", """func.func @forward(%x: tensor<5x24xf16>) -> tensor<5x24xf16> {
      %y = terse.rotate %x : tensor<5x24xf16>
      return %y : tensor<5x24xf16> }""", (x,), [(5, 24)], [x.astype(np.float64) @ reference.rotation_matrix(24)], 1e-3)


def matmul():
    a, b = f32(2, 3, 5, 7), f32(2, 3, 7, 4)
    run("matmul", """func.func @forward(%a: tensor<?x3x?x?xf32>, %b: tensor<?x3x?x4xf32>) -> tensor<?x3x?x4xf32> {
      %y = terse.matmul %a, %b : tensor<?x3x?x?xf32>, tensor<?x3x?x4xf32> -> tensor<?x3x?x4xf32>
      return %y : tensor<?x3x?x4xf32> }""", (a, b), [(2, 3, 5, 4)], [a.astype(np.float64) @ b])
    a, b = rng.integers(-100, 100, (5, 7)).astype(np.int8), rng.integers(-100, 100, (7, 4)).astype(np.int8)
    run("matmul i8", """func.func @forward(%a: tensor<?x7xi8>, %b: tensor<7x4xi8>) -> tensor<?x4xi32> {
      %y = terse.matmul %a, %b : tensor<?x7xi8>, tensor<7x4xi8> -> tensor<?x4xi32>
      return %y : tensor<?x4xi32> }""", (a, b), [(5, 4)], [a.astype(np.int64) @ b.astype(np.int64)], 0)


def rowwise():
    x, scale, bias = f32(2, 3, 19), f32(19), f32(19)
    for kind in ("rms", "layer"):
        for has_bias in (False, True) if kind == "layer" else (False,):
            mlir = f"""func.func @forward(%x: tensor<?x?x19xf32>, %s: tensor<19xf32>, %b: tensor<19xf32>) -> tensor<?x?x19xf32> {{
              %y = terse.norm {kind} %x, %s {"bias %b : tensor<19xf32>" if has_bias else ""} {{epsilon = 0.01 : f64}} : tensor<?x?x19xf32>, tensor<19xf32>
              return %y : tensor<?x?x19xf32> }}"""
            run(f"norm {kind}", mlir, (x, scale, bias), [x.shape], [reference.norm(kind, x, scale, bias if has_bias else None, 0.01)])
    for axis in range(3):
        x = f32(2, 5, 3) * 20
        run(f"softmax {axis}", f"""func.func @forward(%x: tensor<?x?x3xf32>) -> tensor<?x?x3xf32> {{
          %y = terse.softmax %x {{axis = {axis} : i64}} : tensor<?x?x3xf32>
          return %y : tensor<?x?x3xf32> }}""", (x,), [x.shape], [reference.softmax(x, axis)], 5e-6)
    x = np.concatenate([f32(1, 500) * 4, [[0, -0.0, 1e-8, 50, -50, 90, -100, 3e38]]], 1).astype(np.float32)
    kinds = ("relu", "silu", "gelu", "gelu_tanh", "quick_gelu", "sigmoid")
    for part in (np.ascontiguousarray(x[:, :-1]), np.ascontiguousarray(x[:, -1:])):
        with np.errstate(over="ignore", invalid="ignore"):
            want = [reference.activation(kind, part) for kind in kinds]
        if part.shape[1] == 1:  # x^3 overflows f32 at 3e38: the limit of gelu_tanh is x itself.
            want[3] = part
        body = "".join(f"%{kind} = terse.activation {kind} %x : tensor<?x?xf32>\n" for kind in kinds)
        types = ", ".join(["tensor<?x?xf32>"] * len(kinds))
        run("activation", f"""func.func @forward(%x: tensor<?x?xf32>) -> ({types}) {{
          {body} return {", ".join("%" + kind for kind in kinds)} : {types} }}""", (part,), [part.shape] * len(kinds), want)


def embedding():
    table = f32(11, 6)
    ids = np.array([[0, 10, -1, -11, 11], [99, -12, -(2 ** 62), 2 ** 62, 3]])
    run("embedding", """func.func @forward(%i: tensor<?x?xi64>, %t: tensor<11x6xf32>) -> tensor<?x?x6xf32> {
      %y = terse.embedding %i, %t : tensor<?x?xi64>, tensor<11x6xf32> -> tensor<?x?x6xf32>
      return %y : tensor<?x?x6xf32> }""", (ids, table), [(2, 5, 6)], [reference.embedding(ids, table)], 0)


def rope():
    for interleaved in (False, True):
        for half, batch in ((4, 1), (3, 2)):
            x, cos, sin = f32(2, 5, 24), f32(batch, 5, half), f32(batch, 5, half)
            angles = f"tensor<{1 if batch == 1 else '?'}x?x{half}xf32>"
            run(f"rope {half} {interleaved}", f"""func.func @forward(%x: tensor<?x?x24xf32>, %c: {angles}, %s: {angles}) -> tensor<?x?x24xf32> {{
              %y = terse.rope %x, %c, %s {{num_heads = 3 : i64{", interleaved" if interleaved else ""}}} : tensor<?x?x24xf32>, {angles}
              return %y : tensor<?x?x24xf32> }}""", (x, cos, sin), [x.shape], [reference.rope(x, cos, sin, 3, interleaved)])


def attention():
    size, value_size, capacity = 6, 5, 11
    cases = [dict(tokens=3, length=8, causal=True), dict(tokens=1, length=11, causal=True, window=3), dict(tokens=4, length=4),
             dict(tokens=3, length=7, softcap=2.0), dict(tokens=3, length=9, causal=True, bias=(1, 4, 3, 9)),
             dict(tokens=2, length=6, bias=(2, 1, 1, 11), padding=True), dict(tokens=5, length=5, causal=True, padding=True),
             dict(tokens=3, length=9, causal=True, window=2, softcap=5.0, bias=(2, 4, 3, 9), padding=True),
             dict(tokens=3, length=9, causal=True, starts=True, sinks=True), dict(tokens=4, length=9, causal=True, slopes=True, window=4, starts=True)]
    for case in cases:
        mlir, inputs, want = attentions.case(rng, 2, 4, 2, size, value_size, capacity, **case)
        run(f"attention {case}", mlir, inputs, [want.shape], [want], 5e-6)


def cache_update():
    for starts in (None, np.array([4, 0]), np.array([9, -3])):
        cache, update = f32(2, 3, 9, 4), f32(2, 2, 12)
        want = cache.copy()
        for b, first in enumerate((5, 5) if starts is None else np.clip(starts, 0, 7)):
            want[b, :, first:first + 2] = update[b].reshape(2, 3, 4).transpose(1, 0, 2)
        place = "" if starts is None else " starts %s : tensor<?xi64>"
        compiled = Compiled(f"""func.func @forward(%c: tensor<?x3x?x4xf32> {{terse.state = "k"}}, %u: tensor<?x?x12xf32>, %p: index, %s: tensor<?xi64>) -> (tensor<?x3x?x4xf32> {{terse.state = "k"}}) {{
          %y = terse.cache_update %c, %u at %p{place} : tensor<?x3x?x4xf32>, tensor<?x?x12xf32>
          return %y : tensor<?x3x?x4xf32> }}""")
        assert "memref.copy" not in compiled.planned and compiled.planned.count("kernel.launch @") == 1, "expected an update in place"
        compiled(cache, update, 5, np.zeros(2, np.int64) if starts is None else starts, threads=2)
        check(f"cache_update {starts}", cache, want, 0)


def quantize():
    for bits in (2, 3, 4, 8):
        for columns, group, zero, scale in ((37, 0, False, "f32"), (64, 16, True, "f16"), (21, 8, True, "f32"), (40, 8, False, "f16")):
            size = group or columns
            groups = -(-columns // size)
            codes = rng.integers(0, 2 ** bits, (5, columns))
            packed = reference.pack_codes(codes, bits)
            scales = (rng.random((5, groups)) + 0.1).astype(np.float16 if scale == "f16" else np.float32)
            zeros = rng.integers(0, 2 ** bits, (5, groups)).astype(np.uint8)
            scheme = f"<i{bits}{f', group = {group}' if group else ''}, scale = {scale}, zero = {'integer' if zero else 'none'}>"
            types = f"tensor<5x{packed.shape[1]}xi8>, tensor<5x{groups}x{scale}>"
            zero_text = f"zero %z : tensor<5x{groups}xi8>" if zero else ""
            want = reference.dequantize(codes, scales, zeros if zero else None, bits, size)
            signature = f"%c: tensor<5x{packed.shape[1]}xi8>, %s: tensor<5x{groups}x{scale}>, %z: tensor<5x{groups}xi8>"
            ids, x, bias = np.array([[0, 4, -1], [-5, 9, 2]]), f32(2, 3, columns), f32(5)
            run(f"codes {scheme}", f"""func.func @forward(%i: tensor<?x?xi64>, %x: tensor<?x?x{columns}xf32>, {signature}, %b: tensor<5xf32>)
                -> (tensor<5x{columns}xf32>, tensor<?x?x{columns}xf32>, tensor<?x?x5xf32>) {{
              %t = terse.dequantize {scheme} %c, %s {zero_text} : {types} -> tensor<5x{columns}xf32>
              %e = terse.embedding %i, %t : tensor<?x?xi64>, tensor<5x{columns}xf32> -> tensor<?x?x{columns}xf32>
              %y = terse.qlinear {scheme} %x, %c, %s {zero_text} bias %b : tensor<5xf32> : tensor<?x?x{columns}xf32>, {types} -> tensor<?x?x5xf32>
              return %t, %e, %y : tensor<5x{columns}xf32>, tensor<?x?x{columns}xf32>, tensor<?x?x5xf32> }}""",
                (ids, x, packed.view(np.int8), scales, zeros.view(np.int8), bias), [(5, columns), (2, 3, columns), (2, 3, 5)],
                [want, reference.embedding(ids, want), reference.linear(reference.quantize_dynamic(x), want, bias)], 5e-6, threads=(1, 2))
    x = f32(3, 5, 33)
    x[1, 2] = 0
    for bits in (8, 5):
        run(f"quantize_dynamic {bits}", f"""func.func @forward(%x: tensor<?x?x33xf32>) -> tensor<?x?x33xf32> {{
          %y = terse.quantize_dynamic %x {{bits = {bits} : i64}} : tensor<?x?x33xf32>
          return %y : tensor<?x?x33xf32> }}""", (x,), [x.shape], [reference.quantize_dynamic(x, bits)], 2e-7)


def half():
    """Conversions of f16 in integer arithmetic: every value there, a sweep of values back."""
    every = np.arange(65536, dtype=np.uint16).view(np.float16)
    widen = """func.func @forward(%x: tensor<?xf16>) -> tensor<?xf32> {
      %y = arith.extf %x : tensor<?xf16> to tensor<?xf32>
      return %y : tensor<?xf32> }"""
    got = Compiled(widen)(every, outputs=[every.shape])
    want = every.astype(np.float32)
    assert ((got == want) | (np.isnan(got) & np.isnan(want))).all() and (np.signbit(got) == np.signbit(want)).all(), "extf f16"
    bits = np.concatenate([rng.integers(0, 2 ** 32, 200000, dtype=np.uint64).astype(np.uint32),
                           (np.arange(2 ** 19, dtype=np.uint32) << 12) + (0x33000000 - (1 << 20)),
                           (np.arange(2 ** 16, dtype=np.uint32) << 12) + 0x47000000])
    values = bits.view(np.float32)
    got = Compiled("""func.func @forward(%x: tensor<?xf32>) -> tensor<?xf16> {
      %y = arith.truncf %x : tensor<?xf32> to tensor<?xf16>
      return %y : tensor<?xf16> }""")(values, outputs=[values.shape])
    with np.errstate(over="ignore", invalid="ignore"):
        want = values.astype(np.float16)
    same = (got.view(np.uint16) == want.view(np.uint16)) | (np.isnan(got) & np.isnan(want))
    assert same.all(), ("truncf f16", values[~same][:5], got[~same][:5], want[~same][:5])
    global checks
    checks += 2
    # With instructions for conversions: rounded once each.
    x, y = f32(4, 9).astype(np.float16), f32(4, 9).astype(np.float16)
    for level, march in (("baseline", "x86-64"), ("avx2", "x86-64-v3"), ("avx512vnni", "x86-64-v4")):
        compiled = Compiled("""func.func @forward(%x: tensor<?x9xf16>, %y: tensor<?x9xf16>) -> tensor<?x9xf16> {
          %s = arith.addf %x, %y : tensor<?x9xf16>
          %e = math.sqrt %s : tensor<?x9xf16>
          %r = arith.mulf %e, %s : tensor<?x9xf16>
          return %r : tensor<?x9xf16> }""", level=level, march=march)
        if level == "baseline" or level[:6] in open("/proc/cpuinfo").read():
            with np.errstate(invalid="ignore"):
                total = (x.astype(np.float32) + y).astype(np.float16)
                want = np.sqrt(total.astype(np.float32)).astype(np.float16) * total.astype(np.float32)
            got = compiled(x, y, outputs=[x.shape])
            same = np.isclose(got, want, 1e-3, 1e-6) | (np.isnan(got) & np.isnan(want))
            assert same.all(), (level, got, want)
            checks += 1


groups = [linear, rotate, matmul, rowwise, embedding, rope, attention, cache_update, quantize, half]
names = sys.argv[1:]
for group in groups:
    if not names or group.__name__ in names:
        group()
        print(group.__name__, "ok", flush=True)
print(f"{checks} checks passed")
