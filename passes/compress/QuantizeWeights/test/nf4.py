# RUN: %python %s %terse-opt %t
"""format=nf4: codes of QLoRA's NormalFloat. The table is made here as its paper makes it, of quantiles of the normal distribution; codes are the nearest
values of it in multiples of 1/127; GPTQ as its paper has it."""

import subprocess
import sys
from statistics import NormalDist

import numpy as np

import tstats
from irtext import dense, unpack

opt, base = sys.argv[1], sys.argv[2]
rng = np.random.default_rng(17)


def normal_float():
    """Dettmers et al. (2023), as bitsandbytes makes it: 8 quantiles above 0, 7 below, 0; divided by the largest."""
    offset = 0.9677083
    above = [NormalDist().inv_cdf(p) for p in np.linspace(offset, 0.5, 9)[:-1]]
    below = [-NormalDist().inv_cdf(p) for p in np.linspace(offset, 0.5, 8)[:-1]]
    values = np.sort(np.array(above + below + [0.0]))
    return values / values.max()


NF4 = normal_float()
TABLE = np.rint(127 * NF4)
assert len(np.unique(TABLE)) == 16 and np.abs(TABLE / 127 - NF4).max() < 0.004
MIDDLES = (TABLE[1:] + TABLE[:-1]) / 2


def nearest(x):
    return (x[..., None] > MIDDLES).sum(-1)


def problem(n, k):
    x = rng.standard_normal((3 * k, k)) @ rng.standard_normal((k, k)) * rng.uniform(0.3, 2, k)
    w = (rng.standard_normal((n, k)) * rng.uniform(0.01, 3, (n, 1))).astype(np.float32)
    w[0], w[1, :k // 3] = 0, 0
    return w, (x.T @ x / len(x)).astype(np.float32)


def run(w, hessian, group, options, axis=1):
    """Codes, scales a column, and the IR."""
    n, k = w.shape
    stored = np.ascontiguousarray(w.T if axis == 0 else w)
    kind = f"tensor<{stored.shape[0]}x{stored.shape[1]}xf32>"
    tstats.write(f"{base}.tstats", {"up": "in"}, {"in/count": np.array([99]), "in/second_moment": hessian})
    with open(f"{base}.mlir", "w") as file:
        file.write(f"""
func.func @forward(%x: tensor<1x{k}xf32>) -> tensor<1x{n}xf32> {{
  %w = terse.weight "w" = dense<"0x{stored.tobytes().hex()}"> : {kind} -> {kind}
  %y = terse.linear %x, %w {{name = "up", reduction_axis = {axis} : i64}} : tensor<1x{k}xf32>, {kind} -> tensor<1x{n}xf32>
  return %y : tensor<1x{n}xf32>
}}
""")
    text = subprocess.run([opt, f"{base}.mlir", f"--terse-quantize-weights=format=nf4 head-bits=4 group-size={group} {options}"], check=True,
                          capture_output=True, text=True).stdout
    assert "zero = none, codebook = nf4>" in text
    scales = dense("w.scales", text).astype(np.float64)
    if "scale=i8" in options and group:
        scales *= dense("w.row_scales", text)
    return unpack(dense("w.codes", text), 4, k), scales[:, np.arange(k) // (group or k)], text


def by_group(values, group):
    n, k = values.shape
    size = group or k
    padded = np.zeros((n, -(-k // size) * size))
    padded[:, :k] = values
    return padded.reshape(n, -1, size)


for group, k, n, axis in [(64, 200, 35, 0), (32, 96, 33, 1), (0, 77, 3, 1)]:
    w, hessian = problem(n, k)
    # Without search: the scale is max|x| / 127 in f16, as QLoRA has it, and codes are the nearest.
    codes, scales, _ = run(w, hessian, group, "clip-search=false", axis)
    whole = (np.abs(by_group(w, group)).max(-1) / 127).astype(np.float32).astype(np.float16).astype(np.float64)
    assert (scales == whole[:, np.arange(k) // (group or k)]).all()
    x = np.where(scales == 0, 0, w / np.where(scales == 0, 1, scales))
    wrong = nearest(x) != codes
    assert wrong.mean() < 0.005 and (np.abs(x[wrong][:, None] - MIDDLES).min(1) < 1e-3 if wrong.any() else True), wrong.sum()
    values = TABLE[codes] * scales
    assert (values[w == 0] == 0).all()
    # That the table is rounded changes little: the error with NF4's own values, of scales that are not.
    most = np.abs(by_group(w, group)).max(-1)[:, np.arange(k) // (group or k)]
    own = NF4[np.abs(np.where(most == 0, 0, w / np.where(most == 0, 1, most))[..., None] - NF4).argmin(-1)] * most
    assert 0.97 < ((values - w) ** 2).sum() / ((own - w) ** 2).sum() < 1.03
    # Other ranges and signs are better in each group.
    codes, scales, _ = run(w, hessian, group, "", axis)
    searched = TABLE[codes] * scales
    errors = [by_group((v - w) ** 2, group).sum(-1) for v in (searched, values)]
    assert (errors[0] <= errors[1] * (1 + 1e-5) + 1e-12).all() and errors[0].sum() < 0.97 * errors[1].sum()
    assert (scales < 0).any() and (scales > 0).any()


def cost(w, values, hessian):
    return np.einsum("ni,ij,nj->", w - values, hessian.astype(np.float64), w - values)


for group, k, n, scale in [(64, 130, 40, "f16"), (32, 96, 35, "i8"), (0, 70, 5, "f32")]:
    w, hessian = problem(n, k)
    options = f"method=gptq stats={base}.tstats damping=0.02 scale={scale}"
    codes, scales, _ = run(w, hessian, group, options + " sweeps=0 act-order=false")
    # Algorithm 1 of Frantar et al. (2022), with the scales that are given.
    h = hessian.astype(np.float64)
    upper = np.linalg.cholesky(np.linalg.inv(h + 0.02 * np.mean(np.diag(h)) * np.eye(k))).T
    left, wanted = w.astype(np.float64), np.zeros_like(codes)
    for j in range(k):
        s = np.where(scales[:, j] == 0, 1, scales[:, j])
        wanted[:, j] = nearest(np.where(scales[:, j] == 0, 0, left[:, j] / s))
        error = (left[:, j] - TABLE[wanted[:, j]] * scales[:, j]) / upper[j, j]
        left[:, j:] -= np.outer(error, upper[j, j:])
    live = scales != 0
    same = ((wanted == codes) | ~live).all(1).mean()
    assert same > 0.85 and ((wanted == codes) | ~live).mean() > 0.97, same
    before = cost(w, TABLE[codes] * scales, hessian)
    # Coordinate descent makes it better, and ends where no other code of any value would be.
    codes, scales, _ = run(w, hessian, group, options + " sweeps=60")
    after = cost(w, TABLE[codes] * scales, hessian)
    assert after < 0.95 * before, (before, after)
    gradient = (w - TABLE[codes] * scales) @ h
    for step in (-1, 1):
        change = (TABLE[np.clip(codes.astype(int) + step, 0, 15)] - TABLE[codes]) * scales
        assert (2 * change * gradient - change**2 * np.diag(h)).max() < 1e-4 * after / n
print("ok")
