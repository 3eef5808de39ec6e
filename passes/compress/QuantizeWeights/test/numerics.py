# RUN: %python %s %terse-opt %t
"""Codes, scales and zero points against the formulas, written here once more in NumPy."""

import subprocess
import sys

import numpy as np

from irtext import dense, unpack

opt, base = sys.argv[1], sys.argv[2]
rng = np.random.default_rng(7)


def check(bits, group, symmetric, scale, search, axis, k, n):
    w = (rng.standard_normal((n, k)) * rng.uniform(0.01, 3, (n, 1))).astype(np.float32)
    w[0] = 0
    stored = w.T if axis == 0 else w
    kind = f"tensor<{stored.shape[0]}x{stored.shape[1]}xf32>"
    module = f"""
func.func @forward(%x: tensor<1x{k}xf32>) -> tensor<1x{n}xf32> {{
  %w = terse.weight "w" = dense<"0x{stored.tobytes().hex()}"> : {kind} -> {kind}
  %y = terse.linear %x, %w {{reduction_axis = {axis} : i64}} : tensor<1x{k}xf32>, {kind} -> tensor<1x{n}xf32>
  return %y : tensor<1x{n}xf32>
}}
"""
    path = f"{base}.mlir"
    with open(path, "w") as file:
        file.write(module)
    flags = (f"head-bits={bits} bits={bits} group-size={group} symmetric={str(symmetric).lower()} "
             f"scale={scale} clip-search={str(search).lower()}")
    text = subprocess.run([opt, path, f"--terse-quantize-weights={flags}"],
                          check=True, capture_output=True, text=True).stdout
    codes = unpack(dense("w.codes", text), bits, k).astype(np.float32)
    scales = dense("w.scales", text).astype(np.float32)
    size = group or k
    groups = -(-k // size)
    assert scales.shape == (n, groups), scales.shape
    column_group = np.arange(k) // size
    half, last = 2 ** (bits - 1), 2**bits - 1
    if symmetric:
        zeros = np.full((n, groups), half, np.float32)
    else:
        zeros = dense("w.zero_points", text).view(np.uint8).astype(np.float32)
    assert codes.max() <= last
    values = (codes - zeros[:, column_group]) * scales[:, column_group]
    assert (values[0] == 0).all()

    # Whatever the scales are, each code must be that of the nearest value.
    with np.errstate(divide="ignore", invalid="ignore"):
        s, z = scales[:, column_group], zeros[:, column_group]
        ideal = np.clip(np.rint(np.where(s == 0, 0, w / s)) + z, 0, last)
    wrong = ideal != codes
    # A tie may fall to the other side where w / s and w * (1 / s) round differently.
    fraction = np.abs(np.where(s == 0, 0, w / np.where(s == 0, 1, s)) % 1 - 0.5)
    assert (fraction[wrong] < 1e-4).all() and wrong.mean() < 0.01, wrong.sum()

    # The scales of the whole range.
    def error(v):
        padded = np.zeros((n, groups * size))
        padded[:, :k] = (v.astype(np.float64) - w) ** 2
        return padded.reshape(n, groups, size).sum(-1)

    padded = np.zeros((n, groups * size), np.float32)
    padded[:, :k] = w
    by_group = padded.reshape(n, groups, size)
    high, low = np.maximum(by_group.max(-1), 0), np.minimum(by_group.min(-1), 0)
    if symmetric:
        whole = np.where(high > -low, high, low) / np.float32(-half)
    else:
        whole = (high - low) / np.float32(last)
    if scale == "f16":
        whole = whole.astype(np.float16).astype(np.float32)
    if not search:
        assert np.allclose(scales, whole, rtol=0, atol=0), np.abs(scales - whole).max()
        if not symmetric:
            zero = np.rint(-low / np.where(whole == 0, 1, whole))
            assert (zero == zeros).all()
    else:
        s = np.where(whole == 0, 1, whole)[:, column_group]
        z = np.full_like(s, half) if symmetric else np.rint(-low / np.where(whole == 0, 1, whole))[:, column_group]
        plain = (np.clip(np.rint(w / s) + z, 0, last) - z) * s
        assert (error(values) <= error(plain) * (1 + 1e-5) + 1e-12).all()
        if bits <= 4:
            assert error(values).sum() < 0.99 * error(plain).sum()


for bits in (2, 3, 4, 8):
    for symmetric in (True, False):
        check(bits, 32, symmetric, "f16", False, 1, 96, 40)
        check(bits, 32, symmetric, "f16", True, 0, 80, 35)  # a partial group, [K, N]
        check(bits, 0, symmetric, "f32", True, 1, 45, 3)  # a row of bits that is no multiple of 8
print("ok")
