# RUN: %python %s %terse-opt %t
"""The scales are AWQ's by its definition (Lin et al., 2024), of the alpha that is best by outputs in float64, and rounding with them loses less."""

import json
import re
import subprocess
import sys

import numpy as np

import tstats
from irtext import dense, unpack, weight

opt, base = sys.argv[1:]
rng = np.random.default_rng(9)


def run(passes):
    ran = subprocess.run([opt, f"{base}.mlir", *passes, "--terse-print-report"], check=True, capture_output=True, text=True)
    return ran.stdout, ran.stdout + ran.stderr


def output_error(w, scales, text, hessian, group):
    """||(w' - w) x|| / ||w x|| of the codes in `text`, their columns divided by the scales again."""
    k = w.shape[1]
    columns = np.arange(k) // group
    values = (unpack(dense("w.codes", text), 3, k) - 4.0) * dense("w.scales", text).astype(np.float64)[:, columns] / scales
    cost = lambda e: np.einsum("ni,ij,nj->", e, hessian, e)
    return np.sqrt(cost(values - w) / cost(w))


for n, k, group, spread in [(48, 96, 32, 30.0), (300, 70, 70, 10.0), (20, 64, 16, 1.0)]:
    x = rng.standard_normal((400, k)) @ (np.eye(k) + 0.2 * rng.standard_normal((k, k)))
    x[:, rng.choice(k, 4, replace=False)] *= spread
    w = rng.standard_normal((n, k)).astype(np.float32)
    hessian = (x.T @ x / len(x)).astype(np.float32)
    means = np.abs(x).mean(0).astype(np.float32)
    tstats.write(f"{base}.tstats", {"up": "in"}, {"in/count": np.array([400]), "in/abs_mean": means, "in/second_moment": hessian})
    with open(f"{base}.mlir", "w") as file:
        file.write(f"""
func.func @forward(%x: tensor<1x{k}xf32>) -> tensor<1x{n}xf32> {{
  {weight("g", "gain", np.ones(k, np.float32))}
  {weight("w", "w", w)}
  %n = terse.norm rms %x, %g {{epsilon = 1.0e-5}} : tensor<1x{k}xf32>, tensor<{k}xf32>
  %y = terse.linear %n, %w {{name = "up"}} : tensor<1x{k}xf32>, tensor<{n}x{k}xf32> -> tensor<1x{n}xf32>
  %z = terse.softmax %y {{axis = 1 : i64}} : tensor<1x{n}xf32>
  return %z : tensor<1x{n}xf32>
}}
""")
    awq = f"--terse-awq-scale=bits=3 group-size={group} stats={base}.tstats head=true rows={n}"
    rounding = f"--terse-quantize-weights=bits=3 head-bits=3 group-size={group} stats={base}.tstats"
    text, facts = run([awq, rounding])
    alpha = json.loads(re.search(r"alphas (.*)", facts)[1])["up"]
    powers = means.astype(np.float64) ** alpha
    scales = powers / np.sqrt(powers.max() * powers.min())
    assert np.allclose(dense("up.input_scale", text), 1 / scales, rtol=1e-5)
    wide = hessian.astype(np.float64)
    error = output_error(w, scales, text, wide, group)
    said = float(re.search(r"quantize-weights: output-error (\S+)", facts)[1])
    assert abs(error - said) < 2e-3 * said, (error, said)
    plain, _ = run([rounding])
    without = output_error(w, np.ones(k), plain, wide, group)
    assert error <= without * 1.001, (alpha, error, without)
    assert spread == 1 or error < 0.95 * without, (alpha, error, without)
print("ok")
