# RUN: %python %s
"""The kernels of attention against NumPy: random sizes, odd ones too, and every option."""
import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
import attentions
from harness import Compiled

rng = np.random.default_rng(17)
LEVELS = "avx2", "avx512vnni"  # kernels of the latter compute more rows together, and run anywhere


def passes_of(level):
    return f"--terse-lower-attention=level={level}", "--convert-kernel-mma=emulate=true", "--canonicalize", "--cse"


failed = 0


def check(what, module, inputs, want, tolerance):
    global failed
    for level in LEVELS:
        compiled = Compiled(module, level="avx2", march="x86-64-v3", before=passes_of(level))
        assert "kernel.launch @attention_" in compiled.planned, "expected a kernel"
        for threads in (1, 3):
            got = compiled(*inputs, outputs=[want.shape], threads=threads)
            error = np.abs(got.astype(np.float64) - want).max() / np.abs(want.astype(np.float64)).max()
            if not error < tolerance:
                failed += 1
                print(f"FAILED {what}, {level}, {threads} threads: error {error:.3g}")


cases = [dict(tokens=3, length=40, causal=True), dict(tokens=1, length=37, causal=True, window=19), dict(tokens=9, length=9),
         dict(tokens=2, length=33, softcap=2.0, sinks=True), dict(tokens=7, length=21, bias=(1, "heads", 7, 21)),
         dict(tokens=1, length=21, bias=(2, "heads", 1, 25), causal=True), dict(tokens=5, length=33, bias=(2, 1, 5, 40), padding=True),
         dict(tokens=18, length=50, causal=True, window=17, softcap=5.0, bias=(1, 1, 1, 50), padding=True, slopes=True, sinks=True),
         dict(tokens=6, length=38, causal=True, slopes=True, starts=True), dict(tokens=1, length=30, causal=True, starts=True, window=3, sinks=True),
         dict(tokens=4, length=19, causal=True, bias=(1, 1, 4, 19), element="f16"), dict(tokens=1, length=1, causal=True, padding=True),
         dict(tokens=3, length=64, causal=True, padding=True), dict(tokens=66, length=66, causal=True, slopes=True), dict(tokens=2, length=129, bias=(1, 1, 2, 129)),
         dict(tokens=70, length=135, causal=True, window=65, padding=True, sinks=True), dict(tokens=5, length=200, causal=True, window=50, softcap=3.0),
         dict(tokens=70, length=75, padding=True)]
for number, case in enumerate(cases):
    kv, group = (int(i) for i in rng.integers(1, 5, 2))
    size, value_size = (int(i) for i in rng.choice([1, 3, 8, 17, 64], 2))
    heads = kv * group
    case["bias"] = tuple(heads if n == "heads" else n for n in case["bias"]) if "bias" in case else None
    module, inputs, want = attentions.case(rng, 2, heads, kv, size, value_size, case["length"] + 3, **case)
    check(f"{case} of {heads} heads, {kv} of keys, sizes {size} and {value_size}", module, inputs, want, 3e-3 if case.get("element") else 5e-6)

# A token's result does not depend on what is computed with it, as drafts are checked several at once, nor on threads: of four KV heads three have one each
# and share the fourth, five share all.
for number, (size, options) in enumerate([(17, dict(padding=True)), (8, dict(window=37, sinks=True)), (64, dict(softcap=3.0, slopes=True, element="f16"))]):
    tokens, length, heads = 140, 203, 6
    module, (q, k, v, _, *rest), _ = attentions.case(rng, 2, heads, 2, size, size, length, tokens=tokens, length=length, causal=True, **options)
    for level in LEVELS:
        compiled = Compiled(module, level="avx2", march="x86-64-v3", before=passes_of(level))
        run = lambda first, last, threads=1: compiled(q[:, first:last].copy(), k, v, length - tokens + last, *rest, outputs=[(2, last - first, heads * size)], threads=threads)
        whole = run(0, tokens)
        for threads in (2, 3, 5):
            if not np.array_equal(run(0, tokens, threads), whole):
                failed += 1
                print(f"FAILED {options}, {level}: {threads} threads differ from one")
        for first, last in [(i, i + 1) for i in (0, 1, 2, 64, 65, tokens - 1)] + [(0, 5), (3, 67), (60, 69)]:
            if not np.array_equal(run(first, last), whole[:, first:last]):
                failed += 1
                print(f"FAILED {options}, {level}: tokens {first} to {last} differ from those of {tokens} tokens")

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

def check_quantized_cache(size, value_size, kv, group, key_bits, value_bits, element="f32", rope=False, starts=False, tokens_of_calls=(19, 1, 1, 7), **options):
    """Keys and values enter caches of codes: a prefill, then a token at a time, against NumPy's attention over what is rounded."""
    global failed
    batch, capacity, heads, dtype = 2, (sum(tokens_of_calls) + 31) // 16 * 16, kv * group, np.float16 if element == "f16" else np.float32
    widths = [heads * size, kv * size, kv * value_size]
    width = sum(widths)
    caches = [f"tensor<?x{kv}x?x{n}x{element}>" for n in (size, value_size)]
    part = lambda i: f"""%s{i} = tensor.extract_slice %x[0, 0, {sum(widths[:i])}] [%b, %t, {widths[i]}] [1, 1, 1] : tensor<?x?x{width}x{element}> to tensor<?x?x{widths[i]}x{element}>"""
    turned = f"""%r = terse.rope %s1, %cos, %sin {{num_heads = {kv} : i64}} : tensor<?x?x{widths[1]}x{element}>, tensor<1x?x{size // 2}xf32>""" if rope else ""
    begins = " starts %starts : tensor<?xi64>" if starts else ""
    words = "".join(f", {name} = {value}" if value is not True else f", {name}" for name, value in options.items())
    module = f"""func.func @forward(%kc: {caches[0]} {{terse.state = "k"}}, %vc: {caches[1]} {{terse.state = "v"}}, %x: tensor<?x?x{width}x{element}>, %cos: tensor<1x?x{size // 2}xf32>, %sin: tensor<1x?x{size // 2}xf32>,
      %starts: tensor<?xi64>, %p: index, %n: index) -> (tensor<?x?x{heads * value_size}x{element}>, {caches[0]} {{terse.state = "k"}}, {caches[1]} {{terse.state = "v"}}) {{
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %b = tensor.dim %x, %c0 : tensor<?x?x{width}x{element}>
      %t = tensor.dim %x, %c1 : tensor<?x?x{width}x{element}>
      {part(0)}
      {part(1)}
      {part(2)}
      {turned}
      %kr = terse.quantize_heads {"%r" if rope else "%s1"} {{bits = {key_bits} : i64, num_heads = {kv} : i64}} : tensor<?x?x{widths[1]}x{element}>
      %vr = terse.quantize_heads %s2 {{bits = {value_bits} : i64, num_heads = {kv} : i64}} : tensor<?x?x{widths[2]}x{element}>
      %k = terse.cache_update %kc, %kr at %p{begins} : {caches[0]}, tensor<?x?x{widths[1]}x{element}>
      %v = terse.cache_update %vc, %vr at %p{begins} : {caches[1]}, tensor<?x?x{widths[2]}x{element}>
      %y = terse.attention %s0, %k, %v length %n{begins} {{causal, num_heads = {heads} : i64, scale = 0.4 : f64{words}}} : tensor<?x?x{widths[0]}x{element}>, {", ".join(caches)} -> tensor<?x?x{heads * value_size}x{element}>
      return %y, %k, %v : tensor<?x?x{heads * value_size}x{element}>, {", ".join(caches)} }}"""
    stored = [n * bits // 8 + 4 for n, bits in ((size, key_bits), (value_size, value_bits))]
    for level in LEVELS:
        compiled = Compiled(module, level="avx2", march="x86-64-v3", before=("--terse-integerize", *passes_of(level)))
        assert all(f"x{kv}x?x{n}xi8>" in compiled.planned for n in stored), "expected caches of codes"
        # Where products are integers, queries and weights are rounded to 16 bits.
        tolerance = 4e-3 if element == "f16" else 2e-5 if level == "avx2" else 1e-3
        what = f"quantized cache {size} {value_size} {kv}x{group} k{key_bits} v{value_bits} {element} rope {rope} starts {starts} {options}, {level}"
        for threads in (1, 3):
            new_states = lambda: [rng.integers(-128, 128, (batch, kv, capacity, n)).astype(np.int8) for n in stored]  # what was there before is nobody's concern
            states = new_states()
            held = [np.zeros((batch, kv, capacity, n), dtype) for n in (size, value_size)]
            past, calls = 0, []
            for tokens in tokens_of_calls:
                x = (rng.standard_normal((batch, tokens, width)) * rng.choice([0.1, 1, 3], width)).astype(dtype)
                x[0, 0, widths[0]:] = 3  # a head of one value
                angles = (rng.random((1, tokens, size // 2)) * 6).astype(np.float32)
                first = np.array([past, max(past - 2, 0)]) if starts else np.array([past, past])
                keys = x[..., widths[0]:widths[0] + widths[1]]
                if rope:
                    keys = attentions.reference.rope(keys.astype(np.float32), np.cos(angles), np.sin(angles), kv, False).astype(dtype)
                for rows, n, bits, cache in ((keys, size, key_bits, held[0]), (x[..., -widths[2]:], value_size, value_bits, held[1])):
                    rounded = attentions.reference.quantize_heads(rows, kv, bits).reshape(batch, tokens, kv, n).transpose(0, 2, 1, 3)
                    for b in range(batch):
                        cache[b, :, first[b]:first[b] + tokens] = rounded[b]
                past += tokens
                got = compiled(*states, x, np.cos(angles), np.sin(angles), first.astype(np.int64), int(first[0]), past, outputs=[(batch, tokens, heads * value_size)], threads=threads)
                calls.append((x, angles, got))
                want = attentions.reference.attention(x[..., :widths[0]], *held, past, heads, 0.4, causal=True, starts=first if starts else None, **options).astype(np.float64)
                error = np.abs(got.astype(np.float64) - want).max() / np.abs(want).max()
                if not error < tolerance:
                    failed += 1
                    print(f"FAILED {what}, {threads} threads, {past} tokens: error {error:.3g}")
            x, angles, got = (np.concatenate(parts, 1) for parts in zip(*calls))
            whole = compiled(*new_states(), x, np.cos(angles), np.sin(angles), np.zeros(batch, np.int64), 0, past, outputs=[got.shape], threads=threads)
            if not starts and not np.array_equal(whole, got):
                failed += 1
                print(f"FAILED {what}, {threads} threads: all tokens at once differ")


check_quantized_cache(64, 64, 2, 4, 8, 8, rope=True)
check_quantized_cache(64, 64, 1, 3, 4, 4, rope=True, window=9)
check_quantized_cache(7, 10, 3, 1, 8, 4, starts=True)
check_quantized_cache(32, 48, 1, 4, 8, 8, tokens_of_calls=(63, 1, 1, 70, 1))
check_quantized_cache(32, 48, 2, 2, 4, 8, tokens_of_calls=(15, 2, 48, 1, 3), window=33)
check_quantized_cache(6, 3, 2, 2, 4, 8, element="f16", rope=True, softcap=5.0)
sys.exit(1 if failed else 0)
