# RUN: %python %s
"""Operators of ONNX Runtime's own domain against ONNX Runtime."""
import itertools
import os
import sys
import tempfile
from math import erf

import numpy as np
import onnxruntime
from onnx import helper, numpy_helper

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
import importing
from models import *

onnxruntime.set_default_logger_severity(3)
rng = np.random.default_rng(3)
failures = 0


def f32(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def compare(what, content, runs, rows=None):
    """All outputs for each set of inputs; `rows` of the first output that mean something."""
    global failures
    session = onnxruntime.InferenceSession(content.SerializeToString(), providers=["CPUExecutionProvider"])
    with tempfile.TemporaryDirectory() as folder:
        compiled = importing.Model(save(content, folder))
        for inputs in runs:
            got, want = compiled(inputs), session.run(None, inputs)
            for index, (output, expected) in enumerate(zip(session.get_outputs(), want)):
                result = got[output.name]
                if index == 0 and rows is not None:
                    result, expected = result[rows], expected[rows]
                error = np.abs(result - expected).max() / max(np.abs(expected).max(), 1e-30)
                if result.shape != expected.shape or not error < 2e-6:
                    failures += 1
                    print(f"FAILED {what}, {output.name}: {error:.3g}, {result.shape} {expected.shape}")


def microsoft(op, inputs, outputs, values, results, initializers=(), **attributes):
    made = helper.make_node(op, inputs, outputs, name="node", domain="com.microsoft", **attributes)
    return model([made], values, results, initializers, domains=["com.microsoft"])


# GroupQueryAttention: packed or not, with and without a past, window, softcap, scale, both rotations.
H, KV, D = 4, 2, 16
cos, sin = [constant(name, f(np.outer(np.arange(64), 1 / 100 ** (np.arange(D // 2) / 8))).astype(np.float32)) for name, f in (("cos", np.cos), ("sin", np.sin))]
total = value("total", [], TensorProto.INT32)
lengths = value("lengths", ["b"], TensorProto.INT32)
past = [value(name, ["b", KV, "p", D]) for name in ("pk", "pv")]
present = [value(name, ["b", KV, "t", D]) for name in ("k1", "v1")]
output = [value("y", ["b", "s", H * D])] + present


def feeds(batch, new, before, packed, valid=None):
    inputs = {"q": f32(batch, new, (H + 2 * KV) * D if packed else H * D), "pk": f32(batch, KV, before, D), "pv": f32(batch, KV, before, D),
              "lengths": (np.full(batch, before + new) if valid is None else np.array(valid)).astype(np.int32) - 1,
              "total": np.array(before + new, np.int32)}
    if not packed:
        inputs.update(k=f32(batch, new, KV * D), v=f32(batch, new, KV * D))
    return inputs


def attention(packed, **attributes):
    tensors = [value("q", ["b", "s", (H + 2 * KV) * D if packed else H * D])]
    if not packed:
        tensors += [value(name, ["b", "s", KV * D]) for name in ("k", "v")]
    names = ["q", "" if packed else "k", "" if packed else "v", "pk", "pv", "lengths", "total", "cos", "sin"]
    # total_sequence_length is an input, so the sizes do not tell what it is.
    return microsoft("GroupQueryAttention", names, ["y", "k1", "v1"], tensors + past + [lengths, total], output, [cos, sin],
                     num_heads=H, kv_num_heads=KV, do_rotary=1, **attributes)


for packed, attributes in itertools.product((True, False), ({}, {"rotary_interleaved": 1}, {"local_window_size": 3},
                                                            {"softcap": 2.0, "scale": 0.5})):
    compare(f"GroupQueryAttention packed={packed} {attributes}", attention(packed, **attributes),
            [feeds(2, 7, 0, packed), feeds(2, 1, 9, packed), feeds(1, 3, 5, packed)])
# Prompts of different lengths, padded at the end.
content = attention(True)
ragged = feeds(2, 7, 0, True, valid=[7, 4])
compare("GroupQueryAttention padded 0", content, [ragged], rows=np.s_[0])
compare("GroupQueryAttention padded 1", content, [ragged], rows=np.s_[1, :4])

# RotaryEmbedding.
for interleaved, ids in itertools.product((0, 1), ("matrix", "offset")):
    positions = value("ids", ["b", "s"] if ids == "matrix" else [1], INT64)
    content = microsoft("RotaryEmbedding", ["x", "ids", "cos", "sin"], ["y"], [value("x", ["b", "s", H * D]), positions], [value("y", ["b", "s", H * D])],
                        [cos, sin], interleaved=interleaved)
    given = rng.integers(0, 64, (2, 5)) if ids == "matrix" else np.array([11])
    compare(f"RotaryEmbedding {interleaved} {ids}", content, [{"x": f32(2, 5, H * D), "ids": given}])

# Norms and activations.
w, c = constant("w", f32(24)), constant("c", f32(24))
x, skip = value("x", ["b", "s", 24]), value("skip", ["b", "s", 24])
results = [value("y", ["b", "s", 24]), value("sum", ["b", "s", 24])]
inputs = [{"x": f32(2, 3, 24), "skip": f32(2, 3, 24)}]
compare("SkipSimplifiedLayerNormalization", microsoft("SkipSimplifiedLayerNormalization", ["x", "skip", "w", "c"], ["y", "", "", "sum"], [x, skip], results, [w, c]), inputs)
compare("SkipLayerNormalization", microsoft("SkipLayerNormalization", ["x", "skip", "w", "c", "w"], ["y", "", "", "sum"], [x, skip], results, [w, c], epsilon=1e-3), inputs)
for op, attributes in (("Gelu", {}), ("FastGelu", {}), ("QuickGelu", {}), ("QuickGelu", {"alpha": 1.0}), ("QuickGelu", {"alpha": 2.0})):
    compare(f"{op} {attributes}", microsoft(op, ["x"], ["y"], [x], results[:1], **attributes), [{"x": f32(2, 3, 24)}])
compare("BiasGelu", microsoft("BiasGelu", ["x", "c"], ["y"], [x], results[:1], [c]), [{"x": f32(2, 3, 24)}])
compare("SkipLayerNormalization of one skip for all", microsoft("SkipLayerNormalization", ["x", "skip", "w"], ["y"], [x, value("skip", [1, "s", 24])], results[:1], [w]),
        [{"x": f32(2, 3, 24), "skip": f32(1, 3, 24)}])

# EmbedLayerNormalization: with all its inputs, and with as few as it takes.
words, places, kinds = (constant(name, f32(rows, 24)) for name, rows in (("words", 19), ("places", 11), ("kinds", 2)))
ids, kind, mask, at = (value(name, ["b", "s"], TensorProto.INT32) for name in ("ids", "kind", "mask", "at"))
embedded = [value("y", ["b", "s", 24]), value("count", ["b"], TensorProto.INT32), value("sum", ["b", "s", 24])]
given = {"ids": rng.integers(0, 19, (2, 7)).astype(np.int32), "kind": rng.integers(0, 2, (2, 7)).astype(np.int32),
         "mask": np.array([[1] * 7, [1] * 4 + [0] * 3], np.int32), "at": rng.integers(0, 11, (2, 7)).astype(np.int32)}
compare("EmbedLayerNormalization", microsoft("EmbedLayerNormalization", ["ids", "kind", "words", "places", "kinds", "w", "c", "mask", "at"], ["y", "count", "sum"],
                                             [ids, kind, mask, at], embedded, [words, places, kinds, w, c], epsilon=1e-3), [given])
compare("EmbedLayerNormalization of words alone", microsoft("EmbedLayerNormalization", ["ids", "", "words", "places", "", "w", "c"], ["y", ""], [ids], embedded[:1],
                                                            [words, places, w, c]), [{"ids": given["ids"]}])

# FusedMatMul: batches and matrices transposed, of tensors and with a weight.
b = rng.standard_normal((24, 10)).astype(np.float32)
for shapes, attributes in ((("b s 24", "b 24 5"), {"alpha": 0.5}), (("b 24 s", "b 5 24"), {"transA": 1, "transB": 1}), (("s b 24", "24 b 5"), {"transBatchA": 1, "transBatchB": 1})):
    shapes = [[int(n) if n.isdigit() else n for n in text.split()] for text in shapes]
    sizes = {"b": 3, "s": 4}
    compare(f"FusedMatMul {attributes}", microsoft("FusedMatMul", ["l", "r"], ["y"], [value("l", shapes[0]), value("r", shapes[1])], [value("y", ["b", "s", 5])], **attributes),
            [{name: f32(*(sizes.get(n, n) for n in shape)) for name, shape in zip("lr", shapes)}])
compare("FusedMatMul of a weight", microsoft("FusedMatMul", ["x", "r"], ["y"], [x], [value("y", ["b", "s", 10])], [constant("r", b.T.copy())], transB=1, alpha=0.25), [{"x": f32(2, 3, 24)}])

# MoE: the k experts that the router prefers, by every activation.
for attributes in ({"activation_type": "relu", "k": 2}, {"activation_type": "gelu", "k": 1, "normalize_routing_weights": 1},
                   {"activation_type": "silu", "k": 3, "normalize_routing_weights": 1},
                   {"activation_type": "swiglu", "k": 2, "swiglu_fusion": 1, "activation_alpha": 1.7, "activation_beta": 1.0, "swiglu_limit": 1.0}):
    experts = [constant(name, f32(*shape)) for name, shape in (("w1", (4, 10, 24)), ("b1", (4, 10)), ("w2", (4, 24, 5 if "swiglu_fusion" in attributes else 10)), ("b2", (4, 24)))]
    compare(f"MoE {attributes}", microsoft("MoE", ["x", "r", "w1", "b1", "w2", "b2"], ["y"], [value("x", ["t", 24]), value("r", ["t", 4])], [value("y", ["t", 24])],
                                           experts, **attributes), [{"x": f32(6, 24), "r": f32(6, 4)}])


def against(what, content, inputs, want):
    """What has no kernel on a CPU, by definition."""
    global failures
    with tempfile.TemporaryDirectory() as folder:
        got = importing.Model(save(content, folder))(inputs)["y"]
    error = np.abs(got - want).max() / np.abs(want).max() if got.shape == want.shape else np.inf
    if not error < 4e-6:
        failures += 1
        print(f"FAILED {what}: {error:.3g}, {got.shape} {want.shape}")


def bucket(distance, count, farthest, bidirectional):
    """Raffel et al., 2020."""
    start, n = 0, -distance
    if bidirectional:
        count //= 2
        start, n = count * (distance > 0), np.abs(n)
    n = np.maximum(n, 0)
    exact = count // 2
    far = exact + (np.log(np.maximum(n, 1) / exact) / np.log(farthest / exact) * (count - exact)).astype(int)
    return start + np.where(n < exact, n, np.minimum(far, count - 1))


table = f32(10, 3)
for bidirectional in (0, 1):
    nodes = [node("Shape", "x", "shape"), helper.make_node("Squeeze", ["shape"], ["l"]),
             helper.make_node("RelativePositionBias", ["t", "l", "l"], ["y"], domain="com.microsoft", max_distance=21, is_bidirectional=bidirectional)]
    made = model(nodes, [value("x", ["n"])], [value("y", [1, 3, "n", "n"])], [constant("t", table)], domains=["com.microsoft"])
    distance = np.arange(30)[None] - np.arange(30)[:, None]
    against(f"RelativePositionBias {bidirectional}", made, {"x": f32(30)}, table[bucket(distance, 10, 21, bidirectional)].transpose(2, 0, 1)[None])

q, qb, rel, ur, ub, a = f32(2, 5, 12), f32(12), f32(1, 3, 5, 5), f32(4, 8), f32(8), f32(1, 3, 1, 1)
made = microsoft("GatedRelativePositionBias", ["q", "qb", "rel", "ur", "ub", "a"], ["y"], [value("q", ["b", "s", 12]), value("rel", [1, 3, "s", "s"])], [value("y", ["b", 3, "s", "s"])],
                 [constant("qb", qb), constant("ur", ur), constant("ub", ub), constant("a", a)], num_heads=3)
gates = 1 / (1 + np.exp(-(((q + qb).reshape(2, 5, 3, 4).transpose(0, 2, 1, 3) @ ur + ub).reshape(2, 3, 5, 2, 4).sum(-1))))
against("GatedRelativePositionBias", made, {"q": q, "rel": rel}, (gates[..., :1] * (gates[..., 1:] * a - 1) + 2) * rel)
halves = f32(2, 3, 24)
left, right = np.split(halves + numpy_helper.to_array(c), 2, axis=2)
against("BiasSplitGelu", microsoft("BiasSplitGelu", ["x", "c"], ["y"], [x], [value("y", ["b", "s", 12])], [c]), {"x": halves},
        left * right / 2 * (1 + np.vectorize(erf)(right / np.sqrt(2))))

# A norm in the main domain of an operator set that has none, as ONNX Runtime's optimizer writes it.
made = model([node("LayerNormalization", "x w b", "y", epsilon=1e-4)], [value("x", ["b", 8])], [value("y", ["b", 8])],
             [constant("w", f32(8)), constant("b", f32(8))], opset=14)
compare("LayerNormalization of operator set 14", made, [{"x": f32(3, 8)}])
sys.exit(1 if failures else 0)
