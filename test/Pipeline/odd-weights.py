# RUN: rm -rf %t && mkdir -p %t && %python %s %t
"""Weights with NaN, infinities and subnormal numbers: a warning where they stay floats, an error where they are compressed."""
import os
import subprocess
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

folder = sys.argv[1]


def model(weight, mask):
    """y = (x + mask) weight, as a file."""
    initializers = [numpy_helper.from_array(weight, "weight"), numpy_helper.from_array(mask, "mask")]
    nodes = [helper.make_node("Add", ["x", "mask"], ["masked"]), helper.make_node("MatMul", ["masked", "weight"], ["y"])]
    kind = helper.np_dtype_to_tensor_dtype(weight.dtype)
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", kind, ["rows", 64])],
                              [helper.make_tensor_value_info("y", kind, ["rows", 32])], initializers)
    path = os.path.join(folder, "model.onnx")
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def compile_model(path, *options):
    return subprocess.run(["tersec", path, "--levels=baseline", "-o", os.path.join(folder, "model.so"), *options], capture_output=True, text=True)


rng = np.random.default_rng(0)
for dtype in (np.float32, np.float16):
    good = rng.standard_normal((64, 32)).astype(dtype)
    mask = np.where(rng.random(64) < 0.2, -np.inf, 0).astype(dtype)
    for options in ([], ["-O0"]):
        result = compile_model(model(good, mask), *options)
        assert result.returncode == 0 and "warning" not in result.stderr, result.stderr
        bad = good.copy()
        bad[3, 5] = bad[60, 31] = np.nan
        bad[7, 7] = -np.inf
        bad[8, 9:12] = np.finfo(dtype).smallest_subnormal
        result = compile_model(model(bad, mask), *options)
        counts = f"NaN: 2, infinities: 1, subnormal: {3 if dtype == np.float32 else 0}"
        assert result.returncode == 0 and result.stderr.count("warning") == 1, result.stderr
        assert f"expected normal numbers and zeros; got others ({counts})" in result.stderr and "weight 'weight" in result.stderr, result.stderr
    result = compile_model(model(bad, mask), "--recipe=w8")
    assert result.returncode != 0 and "expected finite weights; got NaN or infinity" in result.stderr, result.stderr
