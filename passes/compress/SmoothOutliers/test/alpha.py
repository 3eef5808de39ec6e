# RUN: %python %s %terse-opt %t
"""alpha=auto takes the scales that the noise, computed here from its definition in float64, is least for; in f16, of layers of either order."""

import json
import re
import subprocess
import sys

import numpy as np

import tstats
from irtext import dense, weight

opt, base = sys.argv[1:]
rng = np.random.default_rng(5)


def noise(absmax, squares, weights, scales):
    """What rounding to 8 bits does to the outputs: of one step for the input, of a step for each row of the weights."""
    total, step = 0, (absmax / scales).max() / 127
    for w in weights:
        scaled = w * scales
        steps = np.abs(scaled).max(1) / 127
        total += (step**2 * (scaled**2).sum() + (steps**2).sum() * (squares / scales**2).sum()) / 12
    return total


alphas = set()
for k, outliers, spread in [(37, 0, 1.0), (64, 3, 80.0), (96, 1, 1000.0), (40, 20, 30.0)]:
    x = rng.standard_normal((500, k)) * rng.uniform(0.5, 2, k)
    x[:, rng.choice(k, outliers, replace=False)] *= spread
    x[:, 1] = 0
    absmax, squares = np.abs(x).max(0).astype(np.float32).astype(np.float64), (x**2).mean(0)
    weights = [(rng.standard_normal((n, k)) * rng.uniform(0.1, 3, k)).astype(np.float16) for n in (33, 70)]
    weights[1][:, 2] = 0
    largest = np.maximum(np.abs(weights[0]).max(0), np.abs(weights[1]).max(0)).astype(np.float64)
    tstats.write(f"{base}.tstats", {"a": "in", "b": "in"}, {"in/count": np.array([500]), "in/abs_max": absmax.astype(np.float32),
                 "in/second_moment": (x.T @ x / len(x)).astype(np.float32)})
    with open(f"{base}.mlir", "w") as file:
        file.write(f"""
func.func @forward(%x: tensor<?x{k}xf16>) -> (tensor<?x33xf16>, tensor<?x70xf16>) {{
  {weight("g", "gain", np.ones(k, np.float32))}
  {weight("a", "a.weight", weights[0])}
  {weight("b", "b.weight", weights[1].T)}
  %n = terse.norm rms %x, %g {{epsilon = 1.0e-5}} : tensor<?x{k}xf16>, tensor<{k}xf32>
  %y = terse.linear %n, %a {{name = "a"}} : tensor<?x{k}xf16>, tensor<33x{k}xf16> -> tensor<?x33xf16>
  %z = terse.linear %n, %b {{name = "b", reduction_axis = 0 : i64}} : tensor<?x{k}xf16>, tensor<{k}x70xf16> -> tensor<?x70xf16>
  return %y, %z : tensor<?x33xf16>, tensor<?x70xf16>
}}
""")
    ran = subprocess.run([opt, f"{base}.mlir", f"--terse-smooth-outliers=alpha=auto stats={base}.tstats", "--terse-print-report"],
                         check=True, capture_output=True, text=True)
    alpha = json.loads(re.search(r"alphas (.*)", ran.stdout + ran.stderr)[1])["a"]
    candidates = np.arange(21) / 20
    used = (absmax > 0) & (largest > 0)
    scales = np.ones((21, k))
    scales[:, used] = np.clip(absmax[used] ** candidates[:, None] / largest[used] ** (1 - candidates[:, None]), 1e-5, 1e5)
    wide = [w.astype(np.float64) for w in weights]
    noises = [noise(absmax, squares, wide, s) for s in scales]
    chosen = int(round(alpha * 20))
    # Neighbours may be as good up to rounding.
    assert noises[chosen] <= min(noises) * (1 + 1e-4), (alpha, np.argmin(noises) / 20)
    got = dense("a.weight_scale", ran.stdout).astype(np.float64)
    assert np.allclose(got, scales[chosen], rtol=1e-5), (got, scales[chosen])
    assert np.allclose(dense("a.input_scale", ran.stdout) * got, 1, rtol=1e-6)
    alphas.add(alpha)
assert len(alphas) > 1, alphas
print("ok", alphas)
