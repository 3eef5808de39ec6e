# RUN: %python %s %terse-opt %t
"""Ranges of static grids by their definitions, of statistics of random values; of inputs that were scaled since; without statistics."""

import re
import subprocess
import sys

import numpy as np

import tstats

opt, base = sys.argv[1:]
rng = np.random.default_rng(2)
K, BINS = 6, 2048
x = rng.standard_normal((4000, K)) * [1, 1, 2, 1, 1, 30]
LIMIT = 2.0 ** np.ceil(np.log2(np.abs(x).max()))
histogram = np.histogram(x, BINS, (-LIMIT, LIMIT))[0]
SCALES = [1.0, 1.0, 1.0, 1.0, 1.0, 0.125]
with open(f"{base}.mlir", "w") as file:
    layers = "\n".join(f'  %{i} = terse.linear %{"xs" if i == "c" else i + "x"}, %w {{name = "{i}"}} : tensor<?x{K}xf32>, tensor<4x{K}xf32> -> tensor<?x4xf32>'
                       for i in "abc")
    file.write(f"""
func.func @forward(%ax: tensor<?x{K}xf32>, %bx: tensor<?x{K}xf32>, %cx: tensor<?x{K}xf32>) -> (tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>) {{
  %codes = terse.weight "codes" = dense<17> : tensor<4x{K}xi8> -> tensor<4x{K}xi8>
  %scales = terse.weight "scales" = dense<1.0> : tensor<4x1xf16> -> tensor<4x1xf16>
  %w = terse.dequantize <i8, scale = f16, zero = none> %codes, %scales : tensor<4x{K}xi8>, tensor<4x1xf16> -> tensor<4x{K}xf32>
  %s = terse.weight "s" = dense<{SCALES}> : tensor<{K}xf32> -> tensor<{K}xf32>
  %xs = terse.scale_channels %cx, %s {{axis = 1 : i64}} : tensor<?x{K}xf32>, tensor<{K}xf32>
{layers}
  return %a, %b, %c : tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>
}}
""")
tensors = {"in/count": np.array([len(x)]), "in/abs_max": np.abs(x).max(0).astype(np.float32), "in/histogram": histogram,
           "in/limit": np.array([LIMIT], np.float32)}
tstats.write(f"{base}.tstats", {"a": "in", "c": "in"}, tensors)


def run(options, ok=True):
    ran = subprocess.run([opt, f"{base}.mlir", f"--terse-quantize-activations=mode=static stats={base}.tstats {options}"],
                         capture_output=True, text=True)
    assert (ran.returncode == 0) == ok, ran.stderr
    return ran.stdout if ok else ran.stderr


text = run("range=max")
steps = [float(step) for step in re.findall(r"terse\.quantize_static .*?scale = (\S+)", text.replace(",", " "))]
assert len(steps) == 2 and text.count("terse.quantize_dynamic") == 1, text
largest = np.abs(x).max(0)
assert np.isclose(steps[0], largest.max() / 127, rtol=1e-6), steps
assert np.isclose(steps[1], (largest * SCALES).max() / 127, rtol=1e-6), steps
assert "high = 127 : i64, low = -127 : i64" in text and "zero = 0 : i64" in text, text

# Without c, whose histogram nobody knows.
assert "expected range=max for the input of layer 'c'" in run("range=mse", ok=False)
tstats.write(f"{base}.tstats", {"a": "in"}, tensors)
got = float(re.search(r"quantize_static .*?scale = (\S+)", run("range=percentile percentile=99").replace(",", " "))[1]) * 127
edge = 2 * LIMIT / BINS
assert 0 <= got - np.quantile(np.abs(x), 0.99) <= 1.01 * edge, (got, np.quantile(np.abs(x), 0.99))
got = float(re.search(r"quantize_static .*?scale = (\S+)", run("range=mse").replace(",", " "))[1])


def squared_error(step):
    return ((np.clip(np.round(x / step), -127, 127) * step - x) ** 2).sum()


steps = np.minimum(LIMIT * np.arange(1, 129) / 128, largest.max()) / 127
assert squared_error(got) <= 1.02 * min(map(squared_error, steps)) < squared_error(largest.max() / 127) , (got, steps)
print("ok")
