# RUN: env PYTHONPATH=%source/test/Inputs %python %s %terse-opt %t
"""Which channels are taken out, and what both layers then hold, against the definitions in NumPy; wrong input."""

import re
import subprocess
import sys

import numpy as np

import tstats
from irtext import dense, weight

opt, base = sys.argv[1:]
rng = np.random.default_rng(7)


def split(weights, moments, absmax, options):
    """Two layers that read one input, the second one's weight [K, N] and with a bias, and the IR that becomes of them."""
    k = moments.shape[0]
    tstats.write(f"{base}.tstats", {"a": "in", "b": "in"}, {"in/count": np.array([500]), "in/abs_max": absmax.astype(np.float32),
                 "in/second_moment": moments.astype(np.float32)})
    n, m = len(weights[0]), len(weights[1])
    with open(f"{base}.mlir", "w") as file:
        file.write(f"""
func.func @forward(%x: tensor<?x5x{k}xf32>) -> (tensor<?x5x{n}xf32>, tensor<?x5x{m}xf32>) {{
  {weight("a", "a.weight", weights[0])}
  {weight("b", "b.weight", weights[1].T)}
  {weight("bias", "b.bias", np.ones(m, np.float32))}
  %y = terse.linear %x, %a {{name = "a", terse.sparsity = "2:4"}} : tensor<?x5x{k}xf32>, tensor<{n}x{k}xf32> -> tensor<?x5x{n}xf32>
  %z = terse.linear %x, %b bias %bias : tensor<{m}xf32> {{name = "b", reduction_axis = 0 : i64}} : tensor<?x5x{k}xf32>, tensor<{k}x{m}xf32> -> tensor<?x5x{m}xf32>
  %u = terse.activation silu %y : tensor<?x5x{n}xf32>
  %v = terse.activation silu %z : tensor<?x5x{m}xf32>
  return %u, %v : tensor<?x5x{n}xf32>, tensor<?x5x{m}xf32>
}}
""")
    ran = subprocess.run([opt, f"{base}.mlir", f"--terse-split-outliers=stats={base}.tstats {options}", "--terse-print-report",
                          "--mlir-elide-elementsattrs-if-larger=1000000000"], capture_output=True, text=True)
    return ran.stdout if ran.returncode == 0 else None, ran.stdout + ran.stderr


for k, share, count in [(37, "1%", 1), (64, "10%", 6), (96, "0.25", 24), (130, "1%", 1), (40, "99%", None), (40, "0", None)]:
    x = rng.standard_normal((500, k)) * rng.uniform(0.5, 2, k)
    x[:, rng.choice(k, 2, replace=False)] *= 50
    moments, absmax = (x.T @ x / len(x)), np.abs(x).max(0)
    weights = [(rng.standard_normal((n, k)) * rng.uniform(0.1, 3, k)).astype(np.float32) for n in (9, 14)]
    for criterion in ("mean-square", "range"):
        for bits in (16, 8):
            text, said = split(weights, moments, absmax, f"share={share} criterion={criterion} bits={bits}")
            facts = dict(re.findall(r"terse-split-outliers: (\S+) (.*)", said))
            if count is None:
                assert facts["inputs-split"] == "0" and facts["inputs-left"] == "1" and ".outliers" not in text, facts
                continue
            scores = absmax if criterion == "range" else np.diag(moments)
            wanted = np.sort(np.argsort(-scores, kind="stable")[:count])
            assert facts["layers-split"] == "2" and facts["outlier-channels"] == str(count), facts
            mask = dense("a.outlier_mask", text)
            assert (np.flatnonzero(mask == 0) == wanted).all() and (np.delete(mask, wanted) == 1).all(), (mask, wanted)
            places = re.search(r"dense<(\[[0-9, ]*\]|\d+|\"0x[0-9A-F]*\")> : tensor<%dxi32>" % count, text)[1]
            places = np.frombuffer(bytes.fromhex(places[3:-1]), np.int32) if places.startswith('"') else np.array(re.findall(r"\d+", places), np.int32)
            assert (places == wanted).all(), places
            for name, w in zip("ab", weights):
                rest = dense(f"{name}.weight", text)
                zeroed = w.copy()
                zeroed[:, wanted] = 0
                assert (rest == zeroed).all(), name
                taken = dense(f"{name}.weight.outliers", text)
                assert taken.dtype == (np.float16 if bits == 16 else np.float32) and (taken == w[:, wanted].astype(taken.dtype)).all(), name
                attributes = re.search(r'terse.linear .*\{(name = "%s.outliers".*)\} :' % name, text)[1]
                assert "terse.outliers" in attributes, attributes
                assert "sparsity" not in attributes, attributes
                assert ("policy = {keep" in attributes) if bits == 16 else ("bits = 8" in attributes and "group_size = 0" in attributes), attributes
            assert text.count("bias") == 1 + 1, "the bias is added once"
            assert len(re.findall(r"arith.addf .*tensor<\?x5x", text)) == 2 and text.count("linalg.generic") == 1, text

ok = [np.ones((9, 40), np.float32), np.ones((14, 40), np.float32)]
eye = np.eye(40)
for options, said in (
    ("share=1", "expected a share of 0 or more and less than 1, such as 1%; got '1'"), ("share=few", "got 'few'"), ("bits=4", "expected bits to be 16 or 8; got 4"),
    ("criterion=size", "expected a criterion of mean-square or range; got 'size'"), ("layers=nothing", "expected layers to match the name of a layer; got 'nothing'"),
    ("stats=none.tstats", "No such file or directory"),
):
    text, got = split(ok, eye, np.ones(40), options)
    assert text is None and said in got, got
text, got = split([np.full((9, 40), 1e6, np.float32), ok[1]], eye, np.ones(40), "share=10%")
assert text is None and "within the range of 'f16'; got 1" in got, got
text, got = split(ok, eye * np.nan, np.ones(40), "share=10%")
assert text is None and "expected finite statistics of the input of layer 'a'" in got, got
