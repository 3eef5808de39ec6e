# RUN: %python %s
"""Attention of ONNX Runtime's own domain, in all its forms, against ONNX Runtime (against NumPy where it has no kernel)."""
import os
import sys
import tempfile

import numpy as np
import onnxruntime
from onnx import helper

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
import importing
from models import *

onnxruntime.set_default_logger_severity(3)
rng = np.random.default_rng(5)
failures = 0
H, D, E = 3, 6, 5  # heads, sizes of keys and of values


def f32(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def check(what, got, want, tolerance=4e-6):
    global failures
    error = np.abs(got - want).max() / np.abs(want).max() if got.shape == want.shape else np.inf
    if not error < tolerance:
        failures += 1
        print(f"FAILED {what}: error {error:.3g}, {got.shape} {want.shape}")


def build(op, inputs, outputs, **attributes):
    """A model of one node; `inputs` [(name, shape, type) or a constant or None], `outputs` [(name, shape)]."""
    names, values, initializers = [], [], []
    for i in inputs:
        if i is None:
            names.append("")
        elif isinstance(i, tuple):
            names.append(i[0])
            values.append(value(*i))
        else:
            names.append(i.name)
            initializers.append(i)
    made = helper.make_node(op, names, [o[0] for o in outputs], name="node", domain="com.microsoft", **attributes)
    return model([made], values, [value(*o) for o in outputs], initializers, domains=["com.microsoft"])


def compare(what, content, runs, oracle=None):
    session = onnxruntime.InferenceSession((oracle or content).SerializeToString(), providers=["CPUExecutionProvider"])
    with tempfile.TemporaryDirectory() as folder:
        compiled = importing.Model(save(content, folder))
        for number, inputs in enumerate(runs):
            got, want = compiled(inputs), session.run(None, inputs)
            for output, expected in zip(session.get_outputs(), want):
                check(f"{what}, run {number}, {output.name}", got[output.name], expected)


I32 = TensorProto.INT32

# Attention: the projection is part of it; queries and keys of one size, values of another.
C, K = 2 * H * D + H * E, 7
w, c = constant("w", f32(K, C)), constant("c", f32(C))
x = ("x", ["b", "s", K])
sizes = dict(num_heads=H, qkv_hidden_sizes=[H * D, H * D, H * E])
y = [("y", ["b", "s", H * E])]


def masks(batch, queries, keys, rank):
    """Integers, 1 where a key is read; each query reads some."""
    shape = {2: (batch, keys), 3: (batch, queries, keys), 4: (batch, 1, keys, keys)}[rank]
    mask = rng.integers(0, 2, shape).astype(np.int32)
    mask[..., 0] = 1
    return mask


compare("Attention", build("Attention", [x, w, c], y, **sizes), [{"x": f32(2, 5, K)}, {"x": f32(1, 1, K)}])
compare("Attention ends, unidirectional", build("Attention", [x, w, c, ("m", ["b"], I32)], y, unidirectional=1, scale=0.3, **sizes),
        [{"x": f32(3, 6, K), "m": np.array([6, 3, 1], np.int32)}])
twice = build("Attention", [("x", [3, "s", K]), w, c, ("m", [6], I32)], [("y", [3, "s", H * E])], **sizes)
compare("Attention ends and begins", twice, [{"x": f32(3, 6, K), "m": np.array([6, 5, 4, 0, 2, 3], np.int32)}])
compare("Attention mask", build("Attention", [x, w, c, ("m", ["b", "s"], I32)], y, **sizes), [{"x": f32(2, 6, K), "m": masks(2, 6, 6, 2)}])
compare("Attention mask of queries", build("Attention", [x, w, c, ("m", ["b", "s", "s"], I32)], y, mask_filter_value=-1e9, **sizes), [{"x": f32(2, 6, K), "m": masks(2, 6, 6, 3)}])
compare("Attention bias", build("Attention", [x, w, c, None, None, ("a", [1, H, "s", "s"])], y, **sizes), [{"x": f32(2, 6, K), "a": f32(1, H, 6, 6)}])
w, c = constant("w", f32(K, 3 * H * D)), constant("c", f32(3 * H * D))
past = ("p", [2, "b", H, "before", D])
cached = build("Attention", [x, w, c, ("m", ["b", "total"], I32), past], [("y", ["b", "s", H * D]), ("q", [2, "b", H, "total", D])], num_heads=H, unidirectional=1)
compare("Attention past", cached, [{"x": f32(2, n, K), "p": f32(2, 2, H, before, D), "m": np.ones((2, n + before), np.int32)} for n, before in ((3, 4), (1, 7), (5, 0))])
square = build("Attention", [x, w, c, ("m", ["b", 1, "max", "max"], I32), past], [("y", ["b", "s", H * D]), ("q", [2, "b", H, "total", D])], num_heads=H)
same = build("Attention", [x, w, c, None, past], [("y", ["b", "s", H * D]), ("q", [2, "b", H, "total", D])], num_heads=H, unidirectional=1)
feeds = {"x": f32(2, 3, K), "p": f32(2, 2, H, 4, D)}
with tempfile.TemporaryDirectory() as folder:  # not on a CPU, but a triangle is what unidirectional means
    got = importing.Model(save(square, folder))({**feeds, "m": np.tril(np.ones((2, 1, 7, 7), np.int32))})
    check("Attention square mask", got["y"], onnxruntime.InferenceSession(same.SerializeToString()).run(None, feeds)[0])

# MultiHeadAttention: parts apart, with biases, a cache, other keys than queries.
q, k, v = ("q", ["b", "s", H * D]), ("k", ["b", "t", H * D]), ("v", ["b", "t", H * E])
y = [("y", ["b", "s", H * E])]
c = constant("c", f32(2 * H * D + H * E))


def parts(batch, queries, keys, **more):
    return {"q": f32(batch, queries, H * D), "k": f32(batch, keys, H * D), "v": f32(batch, keys, H * E), **more}


compare("MultiHeadAttention", build("MultiHeadAttention", [q, k, v], y, num_heads=H), [parts(2, 3, 5), parts(1, 7, 2)])
compare("MultiHeadAttention bias, mask", build("MultiHeadAttention", [q, k, v, c, ("m", ["b", "t"], I32)], y, num_heads=H, scale=0.7),
        [parts(2, 3, 5, m=masks(2, 3, 5, 2))])
compare("MultiHeadAttention ends", build("MultiHeadAttention", [q, k, v, None, ("m", ["b"], I32)], y, num_heads=H), [parts(2, 3, 5, m=np.array([5, 2], np.int32))])
compare("MultiHeadAttention mask of queries, bias", build("MultiHeadAttention", [q, k, v, None, ("m", ["b", "s", "t"], I32), ("a", ["b", 1, "s", "t"])], y, num_heads=H),
        [parts(2, 3, 5, m=masks(2, 3, 5, 3), a=f32(2, 1, 3, 5))])
kept = build("MultiHeadAttention", [q, k, ("v", ["b", "t", H * D]), None, None, None, ("pk", ["b", H, "p", D]), ("pv", ["b", H, "p", D])],
             [("y", ["b", "s", H * D]), ("nk", ["b", H, "total", D]), ("nv", ["b", H, "total", D])], num_heads=H, unidirectional=1)
compare("MultiHeadAttention past", kept, [{**parts(2, n, n, pk=f32(2, H, p, D), pv=f32(2, H, p, D)), "v": f32(2, n, H * D)} for n, p in ((1, 5), (4, 3))])
cross = build("MultiHeadAttention", [q, ("k", ["b", H, "t", D]), ("v", ["b", H, "t", D])], [("y", ["b", "s", H * D])], num_heads=H)
compare("MultiHeadAttention of a cache", cross, [{"q": f32(2, 1, H * D), "k": f32(2, H, 6, D), "v": f32(2, H, 6, D)}])
names = [("q", ["b", 1, H * D]), ("k", ["b", 1, H * D]), ("v", ["b", 1, H * D])]
mask, before = ("m", ["b", "total"], I32), [("pk", ["b", H, "p", D]), ("pv", ["b", H, "p", D])]
results = [("y", ["b", 1, H * D]), ("nk", ["b", H, "total", D]), ("nv", ["b", H, "total", D])]
step = build("DecoderMaskedMultiHeadAttention", names + [mask, None] + before, results, num_heads=H)
same = build("MultiHeadAttention", names + [None, mask, None] + before, results, num_heads=H)
compare("DecoderMaskedMultiHeadAttention", step, [{**{n: f32(2, 1, H * D) for n in "qkv"}, "m": masks(2, 1, 6, 2), "pk": f32(2, H, 5, D), "pv": f32(2, H, 5, D)}],
        oracle=same)  # on a CPU with a shared buffer only


def attend(q, k, v):
    """[B, S, H, D] each, by definition."""
    scores = np.einsum("bshd,bthd->bhst", q, k, dtype=np.float64) / np.sqrt(q.shape[-1])
    p = np.exp(scores - scores.max(-1, keepdims=True))
    return np.einsum("bhst,bthd->bshd", p / p.sum(-1, keepdims=True), v).reshape(q.shape[0], q.shape[1], -1)


with tempfile.TemporaryDirectory() as folder:  # not on a CPU
    packed = f32(2, 4, H, 3, D)
    run = importing.Model(save(build("MultiHeadAttention", [("q", ["b", "s", H, 3, D])], [("y", ["b", "s", H * D])], num_heads=H), folder))
    check("MultiHeadAttention packed", run({"q": packed})["y"], attend(*np.moveaxis(packed, 3, 0)))
    query, pair = f32(2, 3, H * D), f32(2, 5, H, 2, D)
    run = importing.Model(save(build("MultiHeadAttention", [q, ("k", ["b", "t", H, 2, D])], [("y", ["b", "s", H * D])], num_heads=H), folder))
    check("MultiHeadAttention packed keys", run({"q": query, "k": pair})["y"], attend(query.reshape(2, 3, H, D), *np.moveaxis(pair, 3, 0)))

# GroupQueryAttention: sequences of different lengths over several steps; rows that a sequence has count.
HQ, KV, D = 4, 2, 16
cos, sin = [constant(name, f(np.outer(np.arange(64), 1 / 100 ** (np.arange(D // 2) / 8))).astype(np.float32)) for name, f in (("cos", np.cos), ("sin", np.sin))]
qw, kw, sink = constant("qw", f32(D)), constant("kw", f32(D)), constant("sink", f32(HQ))


def grouped(extra=(), **attributes):
    inputs = [("q", ["b", "s", (HQ + 2 * KV) * D]), None, None, ("pk", ["b", KV, "p", D]), ("pv", ["b", KV, "p", D]), ("n", ["b"], I32), ("total", [], I32), cos, sin]
    return build("GroupQueryAttention", inputs + list(extra), [("y", ["b", "s", HQ * D]), ("nk", ["b", KV, "t", D]), ("nv", ["b", KV, "t", D])],
                 num_heads=HQ, kv_num_heads=KV, do_rotary=1, **attributes)


def ragged(what, content, lengths=(7, 4, 1), steps=4, oracle=None, prepare=lambda q: q):
    session = onnxruntime.InferenceSession((oracle or content).SerializeToString(), providers=["CPUExecutionProvider"])
    lengths, batch = np.array(lengths), len(lengths)
    with tempfile.TemporaryDirectory() as folder:
        compiled = importing.Model(save(content, folder))
        caches = [[np.zeros((batch, KV, 0, D), np.float32)] * 2] * 2  # ours, theirs
        for step in range(steps):
            new = lengths.max() if step == 0 else 1
            lengths = lengths + (step > 0)
            feeds = {"q": f32(batch, new, (HQ + 2 * KV) * D), "n": (lengths - 1).astype(np.int32), "total": np.array(caches[0][0].shape[2] + new, np.int32)}
            got = compiled({**feeds, "pk": caches[0][0], "pv": caches[0][1]})
            want = session.run(None, {**feeds, "q": prepare(feeds["q"]), "pk": caches[1][0], "pv": caches[1][1]})
            caches = [[got["nk"], got["nv"]], want[1:]]
            for b, length in enumerate(lengths):
                rows = np.s_[b, :length] if step == 0 else np.s_[b]
                check(f"{what}, step {step}, sequence {b}", got["y"][rows], want[0][rows])
                for ours, theirs in zip(*caches):
                    check(f"{what}, step {step}, cache of sequence {b}", ours[b, :, :length], theirs[b, :, :length])


ragged("GroupQueryAttention", grouped())
ragged("GroupQueryAttention window, softcap", grouped(local_window_size=3, softcap=2.0))
ragged("GroupQueryAttention smooth softmax", grouped(smooth_softmax=1))
ragged("GroupQueryAttention sinks", grouped([None, None, sink]))


def normed(q):
    """What of queries, keys and values a norm of each head makes (not on a CPU)."""
    heads = q.reshape(*q.shape[:2], HQ + 2 * KV, D)
    scale = np.concatenate([np.repeat(numpy_helper.to_array(w)[None], n, 0) for w, n in ((qw, HQ), (kw, KV))])
    part = heads[:, :, :HQ + KV]
    part = part / np.sqrt((part * part).mean(-1, keepdims=True) + 1e-3) * scale
    return np.concatenate([part, heads[:, :, HQ + KV:]], 2).reshape(q.shape).astype(np.float32)


ragged("GroupQueryAttention norms", grouped([None, None, None, None, None, qw, kw], qk_norm_epsilon=1e-3), oracle=grouped(), prepare=normed)
sys.exit(1 if failures else 0)
