# RUN: %python %s %terse-opt %t
"""scale=i8: scales are multiples of one of their row, and codes are chosen by the scales as they are stored; with every method."""

import subprocess
import sys

import numpy as np

import tstats
from irtext import dense, unpack

opt, base = sys.argv[1], sys.argv[2]
rng = np.random.default_rng(13)


def check(method, bits, group, symmetric, k, n):
    w = (rng.standard_t(5, (n, k)) * rng.uniform(0.01, 3, (n, 1)) * np.repeat(rng.uniform(0.3, 1, (n, -(-k // group))), group, 1)[:, :k])
    w = w.astype(np.float32)
    w[0] = 0
    x = rng.standard_normal((3 * k, k)) * rng.uniform(0.3, 2, k)
    hessian = (x.T @ x / len(x)).astype(np.float32)
    tstats.write(f"{base}.tstats", {"up": "in"}, {"in/count": np.array([99]), "in/second_moment": hessian})
    kind = f"tensor<{n}x{k}xf32>"
    with open(f"{base}.mlir", "w") as file:
        file.write(f"""
func.func @forward(%x: tensor<1x{k}xf32>) -> tensor<1x{n}xf32> {{
  %w = terse.weight "w" = dense<"0x{w.tobytes().hex()}"> : {kind} -> {kind}
  %y = terse.linear %x, %w {{name = "up"}} : tensor<1x{k}xf32>, {kind} -> tensor<1x{n}xf32>
  return %y : tensor<1x{n}xf32>
}}
""")

    def run(scale):
        flags = f"method={method} bits={bits} head-bits={bits} group-size={group} symmetric={str(symmetric).lower()} scale={scale}"
        flags += f" stats={base}.tstats" if method == "gptq" else ""
        text = subprocess.run([opt, f"{base}.mlir", f"--terse-quantize-weights={flags}"], check=True, capture_output=True, text=True).stdout
        codes, scales = unpack(dense("w.codes", text), bits, k), dense("w.scales", text).astype(np.float64)
        if scale == "i8":
            rows = dense("w.row_scales", text)
            assert rows.shape == (n, 1) and rows.dtype == np.float32 and (rows >= 0).all()
            # Ranges are chosen again with the row's scale, and may be narrower then: with 2 bits the largest was 91.
            assert (np.abs(scales) <= 127).all() and ((np.abs(scales) >= 64).any(1) | (rows[:, 0] == 0)).all(), "most of the byte is used"
            scales *= rows
        zeros = 2 ** (bits - 1) if symmetric and method != "hqq" else dense("w.zero_points", text)
        if method == "hqq":
            assert zeros.dtype == (np.float16 if scale == "i8" else np.float32)
        elif not symmetric:
            zeros = zeros.view(np.uint8)
        zeros = np.broadcast_to(np.float64(zeros), scales.shape)
        columns = np.arange(k) // group
        return codes, scales[:, columns], zeros[:, columns]

    codes, scales, zeros = run("i8")
    values = (codes - zeros) * scales
    assert (values[0] == 0).all()
    if method != "gptq":
        # Each code is that of the nearest value with the scale that is stored.
        ideal = np.where(scales == 0, 0, w / np.where(scales == 0, 1, scales)) + zeros
        wrong = (np.clip(np.rint(ideal), 0, 2**bits - 1) != codes) & (scales != 0)
        assert (np.abs(ideal[wrong] % 1 - 0.5) < 1e-3).all() and wrong.mean() < 0.01

    def error(values):
        e = w - values
        return np.einsum("ni,ij,nj->", e, hessian, e) if method == "gptq" else (e**2).sum()

    codes, scales, zeros = run("f32")
    free = error((codes - zeros) * scales)
    assert error(values) < 1.03 * free, (method, bits, error(values) / free)


for method, bits, group, symmetric, k, n in [("rtn", 4, 32, True, 200, 40), ("rtn", 2, 16, False, 77, 33), ("hqq", 3, 32, True, 96, 35),
                                             ("gptq", 4, 32, True, 200, 35), ("gptq", 2, 32, False, 96, 40), ("rtn", 8, 64, True, 130, 5)]:
    check(method, bits, group, symmetric, k, n)
print("ok")
