"""Runs a pruning pass on one layer, for the tests of these passes."""

import re
import subprocess

import numpy as np

import tstats


def problem(rng, n, k, tokens, dead=()):
    """A weight [n, k] and the mean of x x^T over correlated inputs."""
    x = rng.standard_normal((tokens, k)) @ rng.standard_normal((k, k)) * rng.uniform(0.1, 3, k)
    x[:, list(dead)] = 0
    return rng.standard_normal((n, k)).astype(np.float32), (x.T @ x / tokens).astype(np.float32).astype(np.float64)


def cost(error, hessian):
    """Squared error of the outputs."""
    return np.einsum("ni,ij,nj->", error, hessian, error)


def run(opt, base, name, w, hessian, options, axis=1):
    """What the pass `name` makes of w [n, k], and its facts."""
    n, k = w.shape
    stored = np.ascontiguousarray(w.T if axis == 0 else w)
    kind = f"tensor<{stored.shape[0]}x{stored.shape[1]}xf32>"
    with open(f"{base}.mlir", "w") as file:
        file.write(f"""
func.func @forward(%x: tensor<1x{k}xf32>) -> tensor<1x{n}xf32> {{
  %w = terse.weight "w" = dense<"0x{stored.tobytes().hex()}"> : {kind} -> {kind}
  %y = terse.linear %x, %w {{name = "up", reduction_axis = {axis} : i64}} : tensor<1x{k}xf32>, {kind} -> tensor<1x{n}xf32>
  return %y : tensor<1x{n}xf32>
}}
""")
    tstats.write(f"{base}.tstats", {"up": "in"}, {"in/count": np.array([99]), "in/second_moment": hessian.astype(np.float32)})
    ran = subprocess.run([opt, f"{base}.mlir", f"--{name}=head=true stats={base}.tstats {options}", "--terse-print-report"],
                         check=True, capture_output=True, text=True)
    found = re.search(r'"w\.pruned" = dense<"0x([0-9A-F]*)">', ran.stdout)
    return (np.frombuffer(bytes.fromhex(found[1]), np.float32).reshape(n, k),
            dict(re.findall(name + r": (\S+) (.*)", ran.stdout + ran.stderr)))
