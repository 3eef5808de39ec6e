# RUN: env PYTHONPATH=%source/passes/compress/Pruning/Inputs:%source/test/Inputs %python %s %terse-opt %t
"""What is removed and what becomes of the rest against their definitions in NumPy float64: of each choice the least squares problem is solved anew."""

import re
import subprocess
import sys

import numpy as np
import irtext
import pruning
import tstats

opt, base = sys.argv[1:]
rng = np.random.default_rng(3)


def damped(hessian, damping):
    return hessian + damping * np.mean(np.diag(hessian)) * np.eye(len(hessian))


def corrected(w, hessian, kept):
    """The least squares solution W'_S, by the normal equations of what is lost."""
    lost = np.setdiff1d(np.arange(w.shape[1]), kept)
    return w[:, kept] + np.linalg.solve(hessian[np.ix_(kept, kept)], hessian[np.ix_(kept, lost)] @ w[:, lost].T).T


def loss(w, hessian, kept):
    error = w.copy()
    error[:, kept] -= corrected(w, hessian, kept)
    return pruning.cost(error, hessian)


def choose(w, hessian, units, size, count):
    left = list(range(units))
    channels = lambda of: np.concatenate([np.arange(u * size, (u + 1) * size) for u in of])
    for _ in range(count):
        left.remove(min(left, key=lambda unit: loss(w, hessian, channels([u for u in left if u != unit]))))
    return channels(left)


def run(text, k, hessian, options, name="down"):
    with open(f"{base}.mlir", "w") as file:
        file.write(text)
    tstats.write(f"{base}.tstats", {name: "in"}, {"in/count": np.array([99]), "in/second_moment": hessian.astype(np.float32)})
    ran = subprocess.run([opt, f"{base}.mlir", f"--terse-prune-structured=stats={base}.tstats {options}", "--terse-print-report"],
                         check=True, capture_output=True, text=True)
    kept = [int(i) for i in re.search(r"kept = array<i64: ([0-9, ]*)>, of = %d" % k, ran.stdout)[1].split(",")]
    return ran.stdout, kept, dict(re.findall(r"terse-prune-structured: (\S+) (.*)", ran.stdout + ran.stderr))


def compare(result, w, hessian, kept, facts, damping):
    """The writer, and the errors that the report gives."""
    wanted = corrected(w.astype(np.float64), damped(hessian, damping), kept)
    assert result.shape == wanted.shape and np.abs(result - wanted).max() < 1e-4 * np.abs(wanted).max(), np.abs(result - wanted).max()
    error, plain = w.astype(np.float64), w.astype(np.float64)
    error[:, kept] -= result
    plain[:, kept] = 0
    whole = pruning.cost(w.astype(np.float64), hessian)
    for fact, rest in (("output-error", error), ("output-error-uncorrected", plain)):
        assert abs(float(facts[fact]) - np.sqrt(pruning.cost(rest, hessian) / whole)) < 1e-4, fact
    assert float(facts["output-error"]) < 0.95 * float(facts["output-error-uncorrected"]), facts


# Gated, with biases, of odd sizes.
for n, k, size, share, multiple, left in [(7, 23, 5, "0.3", 1, 16), (9, 50, 3, "25%", 16, 32), (4, 3, 2, "0.9", 16, 1)]:
    gate, up = rng.standard_normal((2, k, size)).astype(np.float32)
    bias = rng.standard_normal(k).astype(np.float32)
    down, hessian = pruning.problem(rng, n, k, 2 * k, dead=(1,) if k > 3 else ())
    text = f"""
func.func @forward(%x: tensor<1x{size}xf32>) -> tensor<1x{n}xf32> {{
  {irtext.weight("wg", "gate", gate)}
  {irtext.weight("wu", "up", np.ascontiguousarray(up.T))}
  {irtext.weight("b", "bias", bias)}
  {irtext.weight("wd", "down", down)}
  %g = terse.linear %x, %wg bias %b : tensor<{k}xf32> {{name = "gate"}} : tensor<1x{size}xf32>, tensor<{k}x{size}xf32> -> tensor<1x{k}xf32>
  %u = terse.linear %x, %wu {{name = "up", reduction_axis = 0 : i64}} : tensor<1x{size}xf32>, tensor<{size}x{k}xf32> -> tensor<1x{k}xf32>
  %a = terse.activation silu %g : tensor<1x{k}xf32>
  %h = arith.mulf %a, %u : tensor<1x{k}xf32>
  %y = terse.linear %h, %wd {{name = "down"}} : tensor<1x{k}xf32>, tensor<{n}x{k}xf32> -> tensor<1x{n}xf32>
  return %y : tensor<1x{n}xf32>
}}
"""
    for criterion in ("error", "second-moment"):
        result, kept, facts = run(text, k, hessian, f"share={share} multiple={multiple} criterion={criterion} damping=0.02")
        wide = down.astype(np.float64)
        if criterion == "error":
            wanted = choose(wide, damped(hessian, 0.02), k, 1, k - left)
        else:
            wanted = np.sort(np.argsort(-np.diag(hessian) * (wide**2).sum(0), kind="stable")[:left])
        assert list(wanted) == kept, (criterion, wanted, kept)
        assert int(facts["parameters-removed"]) == (k - left) * (2 * size + 1 + n)
        for name, whole in (("gate", gate), ("up", up), ("bias", bias)):
            assert (irtext.dense(name + ".pruned", result).reshape(-1) == whole[kept].reshape(-1)).all(), name
        compare(irtext.dense("down.pruned", result), down, hessian, kept, facts, 0.02)

# Statistics that were measured before serve what comes later: pruned twice, the second time with the same file.
result, once, _ = run(text, k, hessian, "share=0.5 multiple=1 targets=ffn")
again = subprocess.run([opt, f"{base}.mlir", *[f"--terse-prune-structured=stats={base}.tstats share=0.4 multiple=1"] * 2],
                       check=True, capture_output=True, text=True).stdout
assert len(re.search(r"kept = array<i64: ([0-9, ]*)>, of = 3", again)[1].split(",")) == 1, again

# Attention: a KV head goes with its query heads.
kv, group, size, n = 5, 2, 3, 8
k = kv * group * size
out, hessian = pruning.problem(rng, n, k, 3 * k)
q, key, value = (rng.standard_normal((heads * size, n)).astype(np.float32) for heads in (kv * group, kv, kv))
cache = f"tensor<?x{kv}x?x{size}xf32>"
text = f"""
func.func @forward(%x: tensor<?x?x{n}xf32>, %k: {cache}, %v: {cache}, %past: index, %length: index, %c: tensor<1x?x1xf32>, %s: tensor<1x?x1xf32>)
    -> (tensor<?x?x{n}xf32>, {cache}, {cache}) {{
  {irtext.weight("wq", "q", q)}
  {irtext.weight("wk", "k", key)}
  {irtext.weight("wv", "v", value)}
  {irtext.weight("wo", "o", out)}
  %q0 = terse.linear %x, %wq {{name = "q"}} : tensor<?x?x{n}xf32>, tensor<{k}x{n}xf32> -> tensor<?x?x{k}xf32>
  %k0 = terse.linear %x, %wk {{name = "k"}} : tensor<?x?x{n}xf32>, tensor<{kv * size}x{n}xf32> -> tensor<?x?x{kv * size}xf32>
  %v0 = terse.linear %x, %wv {{name = "v"}} : tensor<?x?x{n}xf32>, tensor<{kv * size}x{n}xf32> -> tensor<?x?x{kv * size}xf32>
  %q1 = terse.rope %q0, %c, %s {{num_heads = {kv * group} : i64}} : tensor<?x?x{k}xf32>, tensor<1x?x1xf32>
  %k1 = terse.rope %k0, %c, %s {{num_heads = {kv} : i64}} : tensor<?x?x{kv * size}xf32>, tensor<1x?x1xf32>
  %k2 = terse.cache_update %k, %k1 at %past : {cache}, tensor<?x?x{kv * size}xf32>
  %v2 = terse.cache_update %v, %v0 at %past : {cache}, tensor<?x?x{kv * size}xf32>
  %a = terse.attention %q1, %k2, %v2 length %length {{causal, num_heads = {kv * group} : i64, scale = 1.0 : f64}} : tensor<?x?x{k}xf32>, {cache}, {cache} -> tensor<?x?x{k}xf32>
  %y = terse.linear %a, %wo {{name = "o"}} : tensor<?x?x{k}xf32>, tensor<{n}x{k}xf32> -> tensor<?x?x{n}xf32>
  return %y, %k2, %v2 : tensor<?x?x{n}xf32>, {cache}, {cache}
}}
"""
result, kept, facts = run(text, k, hessian, "share=45% damping=0.02", name="o")
wanted = choose(out.astype(np.float64), damped(hessian, 0.02), kv, group * size, 2)
assert list(wanted) == kept, (wanted, kept)
compare(irtext.dense("o.pruned", result), out, hessian, kept, facts, 0.02)
assert (irtext.dense("q.pruned", result) == q[kept]).all()
rows = [head * size + i for head in sorted({channel // (group * size) for channel in kept}) for i in range(size)]
assert (irtext.dense("k.pruned", result) == key[rows]).all() and (irtext.dense("v.pruned", result) == value[rows]).all()
assert re.search(r"terse.rope .*num_heads = 6 .*tensor<\?x\?x18xf32>", result) and re.search(r"terse.rope .*num_heads = 3 .*tensor<\?x\?x9xf32>", result)
print("ok")
