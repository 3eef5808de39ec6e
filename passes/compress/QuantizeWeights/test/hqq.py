# RUN: %python %s %terse-opt %t
"""method=hqq against the paper's equations (half-quadratic splitting with the proximal operator of |x|^p), written here in NumPy in float64; its values
through the plain code for `zero = float`."""

import subprocess
import sys

import numpy as np

from irtext import dense, unpack

opt, base = sys.argv[1], sys.argv[2]
rng = np.random.default_rng(11)
P, BETA, GROWTH, STEPS = 0.5, 10.0, 1.01, 20


def solve(x, zero, last, store):
    """The zero point of a group whose values in steps are `x`, from `zero` on."""
    best, best_error, beta = zero, np.inf, BETA
    for _ in range(STEPS):
        codes = np.clip(np.rint(x + zero), 0, last)
        difference = x - (codes - zero)
        error = np.abs(difference).sum()
        if error >= best_error:
            break
        best, best_error = zero, error
        size = np.maximum(np.abs(difference), 1e-12)
        kept = np.sign(difference) * np.maximum(np.abs(difference) - size ** (P - 1) / beta, 0)
        zero = store((codes - (x - kept)).mean())
        beta *= GROWTH
    return best


def check(bits, group, scale, search, axis, k, n, sparse=False):
    w = (rng.standard_t(4, (n, k)) * rng.uniform(0.01, 3, (n, 1)) + 0.01).astype(np.float32)
    w[0] = 0
    if sparse:
        w[:, rng.permutation(k)[: k // 2]] = 0
    stored = w.T if axis == 0 else w
    kind = f"tensor<{stored.shape[0]}x{stored.shape[1]}xf32>"
    mark = ', terse.sparsity = "unstructured"' if sparse else ""
    path = f"{base}.mlir"
    with open(path, "w") as file:
        file.write(f"""
func.func @forward(%x: tensor<1x{k}xf32>) -> tensor<1x{n}xf32> {{
  %w = terse.weight "w" = dense<"0x{stored.tobytes().hex()}"> : {kind} -> {kind}
  %y = terse.linear %x, %w {{reduction_axis = {axis} : i64{mark}}} : tensor<1x{k}xf32>, {kind} -> tensor<1x{n}xf32>
  return %y : tensor<1x{n}xf32>
}}
""")

    def run(method, symmetric):
        flags = (f"method={method} symmetric={symmetric} bits={bits} head-bits={bits} group-size={group} scale={scale} "
                 f"clip-search={str(search).lower()}")
        text = subprocess.run([opt, path, f"--terse-quantize-weights={flags}"], check=True, capture_output=True, text=True).stdout
        return unpack(dense("w.codes", text), bits, k), dense("w.scales", text), dense("w.zero_points", text), text

    codes, scales, zeros, text = run("hqq", "true")
    assert "zero = float" in text and zeros.dtype == scales.dtype == {"f16": np.float16, "f32": np.float32}[scale]
    _, start_scales, start_zeros, _ = run("rtn", "false")
    assert (scales == start_scales).all()
    size, last = group or k, 2**bits - 1
    column_group = np.arange(k) // size
    scales, zeros, start_zeros = scales.astype(np.float64), zeros.astype(np.float64), start_zeros.view(np.uint8).astype(np.float64)
    safe = np.where(scales == 0, 1, scales)

    # Each code is that of the nearest value; ties may fall to the other side in f32.
    x = np.where(scales[:, column_group] == 0, 0, w / safe[:, column_group])
    ideal = x + zeros[:, column_group]
    wrong = np.clip(np.rint(ideal), 0, last) != codes
    assert (np.abs(ideal[wrong] % 1 - 0.5) < 1e-4).all() and wrong.mean() < 0.01, wrong.sum()
    values = (codes - zeros[:, column_group]) * scales[:, column_group]
    assert (values[0] == 0).all()
    if sparse:
        assert (zeros == np.rint(zeros)).all() and (values[w == 0] == 0).all()

    def store(zero):
        if sparse:
            return np.rint(np.clip(zero, 0, last))
        return np.float64(np.float16(zero) if scale == "f16" else np.float32(zero))

    expected = np.array([[solve(x[row, column_group == g], start_zeros[row, g], last, store) for g in range(zeros.shape[1])] for row in range(n)])
    # A code that rounds to the other side leads elsewhere: few may, and to errors no larger.
    near = np.abs(zeros - expected) <= 2e-3
    assert near.mean() > 0.97, near.mean()

    def error(zero):
        z = zero[:, column_group]
        return np.abs(x + z - np.clip(np.rint(x + z), 0, last)).sum()

    assert abs(error(zeros) / error(expected) - 1) < 2e-3, (error(zeros), error(expected))
    # It is for this: nearer than with whole zero points.
    assert error(zeros) < (1 if sparse else 0.99 if bits < 8 else 1) * error(start_zeros) + 1e-9, (error(zeros), error(start_zeros))


for bits in (2, 3, 4, 8):
    check(bits, 32, "f16", False, 1, 96, 33)
    check(bits, 32, "f16", True, 0, 80, 35)  # a shorter last group, [K, N]
    check(bits, 0, "f32", True, 1, 45, 3)  # a row of bits that is no multiple of 8
check(3, 16, "f16", True, 1, 72, 9, sparse=True)
print("ok")
