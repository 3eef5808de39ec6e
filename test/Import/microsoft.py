# RUN: %python %s
"""Operators of ONNX Runtime's own domain against ONNX Runtime."""
import itertools
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
                error = np.abs(result - expected).max() / np.abs(expected).max()
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
sys.exit(1 if failures else 0)
