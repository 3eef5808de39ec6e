# RUN: %python %s
"""The kernels of attention against NumPy: random sizes, odd ones too, and every option."""
import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
import attentions
from harness import Compiled

rng = np.random.default_rng(17)
PASSES = ("--terse-lower-attention", "--canonicalize", "--cse")
failed = 0


def check(what, module, inputs, want, tolerance):
    global failed
    compiled = Compiled(module, level="avx2", march="x86-64-v3", before=PASSES)
    assert "kernel.launch @attention_" in compiled.planned, "expected a kernel"
    for threads in (1, 3):
        got = compiled(*inputs, outputs=[want.shape], threads=threads)
        error = np.abs(got.astype(np.float64) - want).max() / np.abs(want.astype(np.float64)).max()
        if not error < tolerance:
            failed += 1
            print(f"FAILED {what}, {threads} threads: error {error:.3g}")


cases = [dict(tokens=3, length=40, causal=True), dict(tokens=1, length=37, causal=True, window=19), dict(tokens=9, length=9),
         dict(tokens=2, length=33, softcap=2.0, sinks=True), dict(tokens=7, length=21, bias=(1, "heads", 7, 21)),
         dict(tokens=1, length=21, bias=(2, "heads", 1, 25), causal=True), dict(tokens=5, length=33, bias=(2, 1, 5, 40), padding=True),
         dict(tokens=18, length=50, causal=True, window=17, softcap=5.0, bias=(1, 1, 1, 50), padding=True, slopes=True, sinks=True),
         dict(tokens=6, length=38, causal=True, slopes=True, starts=True), dict(tokens=1, length=30, causal=True, starts=True, window=3, sinks=True),
         dict(tokens=4, length=19, causal=True, bias=(1, 1, 4, 19), element="f16"), dict(tokens=1, length=1, causal=True, padding=True)]
for number, case in enumerate(cases):
    kv, group = (int(i) for i in rng.integers(1, 5, 2))
    size, value_size = (int(i) for i in rng.choice([1, 3, 8, 17, 64], 2))
    heads = kv * group
    case["bias"] = tuple(heads if n == "heads" else n for n in case["bias"]) if "bias" in case else None
    module, inputs, want = attentions.case(rng, 2, heads, kv, size, value_size, case["length"] + 3, **case)
    check(f"{case} of {heads} heads, {kv} of keys, sizes {size} and {value_size}", module, inputs, want, 3e-3 if case.get("element") else 5e-6)

# Keys and values that are rows of tokens, parts of one wider tensor, are read where they lie.
heads, size, batch, tokens = 3, 5, 2, 21
x = rng.standard_normal((batch, tokens, 3 * heads * size)).astype(np.float32)
part = lambda i: f"""%s{i} = tensor.extract_slice %x[0, 0, {i * heads * size}] [%b, %t, {heads * size}] [1, 1, 1] : tensor<?x?x{3 * heads * size}xf32> to tensor<?x?x{heads * size}xf32>"""
heads_of = lambda i: f"""%e{i} = tensor.expand_shape %s{i} [[0], [1], [2, 3]] output_shape [%b, %t, {heads}, {size}] : tensor<?x?x{heads * size}xf32> into tensor<?x?x{heads}x{size}xf32>
  %i{i} = tensor.empty(%b, %t) : tensor<?x{heads}x?x{size}xf32>
  %h{i} = linalg.transpose ins(%e{i} : tensor<?x?x{heads}x{size}xf32>) outs(%i{i} : tensor<?x{heads}x?x{size}xf32>) permutation = [0, 2, 1, 3]"""
module = f"""func.func @forward(%x: tensor<?x?x{3 * heads * size}xf32>) -> tensor<?x?x{heads * size}xf32> {{
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %b = tensor.dim %x, %c0 : tensor<?x?x{3 * heads * size}xf32>
  %t = tensor.dim %x, %c1 : tensor<?x?x{3 * heads * size}xf32>
  {part(0)}
  {part(1)}
  {heads_of(1)}
  {part(2)}
  {heads_of(2)}
  %y = terse.attention %s0, %h1, %h2 length %t {{num_heads = {heads} : i64, scale = 0.4 : f64}} :
    tensor<?x?x{heads * size}xf32>, tensor<?x{heads}x?x{size}xf32>, tensor<?x{heads}x?x{size}xf32> -> tensor<?x?x{heads * size}xf32>
  return %y : tensor<?x?x{heads * size}xf32> }}"""
q, k, v = np.split(x, 3, axis=2)
by_head = lambda a: a.reshape(batch, tokens, heads, size).transpose(0, 2, 1, 3)
check("rows of tokens", module, [x], attentions.reference.attention(q, by_head(k), by_head(v), tokens, heads, 0.4).astype(np.float32), 5e-6)
sys.exit(1 if failed else 0)
