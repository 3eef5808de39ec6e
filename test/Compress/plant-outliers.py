# RUN: %python %s
"""The tool that plants outliers keeps the function (ONNX Runtime's) and really plants them in every norm."""

import os
import sys

import numpy
import onnx
import onnxruntime

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "Inputs"))
import plant_outliers

onnxruntime.set_default_logger_severity(3)
LENGTH = 64


def run(model, extra):
    for name in extra:
        model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    feeds = {}
    for value in session.get_inputs():
        if value.name == "input_ids":
            feeds[value.name] = numpy.random.default_rng(1).integers(0, 4096, (1, LENGTH))
        elif value.name == "position_ids":
            feeds[value.name] = numpy.arange(LENGTH)[None]
        elif value.name == "attention_mask":
            feeds[value.name] = numpy.ones((1, LENGTH), numpy.int64)
        else:
            feeds[value.name] = numpy.zeros([1, value.shape[1], 0, value.shape[3]], numpy.float32)
    return session.run([session.get_outputs()[0].name] + extra, feeds)


path = os.path.join(here, os.pardir, "models", "tales2m", "torchscript_past.onnx")
plain, planted = onnx.load(path), onnx.load(path)
gains = plant_outliers.plant(planted)
assert len(gains) == 13, gains
norms = [n.output[0] for n in plain.graph.node if set(n.input) & set(gains)]
before, *inputs_before = run(plain, norms)
after, *inputs_after = run(planted, norms)
error = abs(before - after).max() / (before.max() - before.min())
assert error < 1e-5, error
for name, a, b in zip(norms, inputs_before, inputs_after):
    ratio = (abs(b).reshape(-1, b.shape[-1]).max(0) / abs(a).reshape(-1, a.shape[-1]).max(0)).round(3)
    assert (ratio > 40).sum() == 3 and (ratio == 1).sum() == len(ratio) - 3, (name, ratio)
