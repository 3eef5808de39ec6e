# REQUIRES: data
# RUN: %python %s %data/models
"""Every float file of every exporter, imported and lowered plainly, gives ONNX Runtime's outputs and the source model's logits."""
import os
import sys

import numpy as np
import onnxruntime

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
import importing

FILES = """tales2m/onnx/torchscript tales2m/onnx/torchscript_past tales2m/onnx/dynamo tales2m/onnx/dynamo_past tales2m/onnx/opset23
tales2m/onnx/genai_fp32/model tales2m/onnx/f16 tales8m/onnx/torchscript tales8m/onnx/torchscript_past
stories260K/onnx/torchscript_past babyllama/onnx/tok361_past""".split()


def feeds(session, model, ids, past=None):
    """Inputs for new tokens; `past` are outputs of the run before."""
    batch, new = ids.shape
    inputs = {}
    before = 0 if past is None else next(array.shape[2] for name, array in past.items() if name.startswith("present"))
    for (name, element, dims, _) in model.inputs:
        if name == "input_ids":
            inputs[name] = ids
        elif name == "attention_mask":
            inputs[name] = np.ones((batch, before + new), np.int64)
        elif name == "position_ids":
            inputs[name] = np.tile(np.arange(before, before + new, dtype=np.int64), (batch, 1))
        elif past is None:
            inputs[name] = np.zeros([batch, int(dims[1]), 0, int(dims[3])], importing.NUMPY[element])
        else:
            inputs[name] = past[name.replace("past_key_values", "present")]
    return inputs


def compare(what, got, want, tolerance):
    got, want = got.astype(np.float64), want.astype(np.float64)
    error = np.abs(got - want).max() / np.ptp(want)
    print(f"{what}: {error:.2g}")
    if not error <= tolerance:
        sys.exit(f"FAILED {what}: expected at most {tolerance}")


for file in FILES:
    path = os.path.join(sys.argv[1], file + ".onnx")
    tolerance = 1e-2 if file.endswith("f16") else 1e-3
    model = importing.Model(path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    reference = np.load(os.path.join(sys.argv[1], file.split("/")[0], "onnx", "reference.npz"))
    names = [output.name for output in session.get_outputs()]

    def both(inputs):
        got, want = model(inputs, threads=2), dict(zip(names, session.run(None, inputs)))
        for name in names:
            compare(f"{file}, {name}", got[name], want[name], tolerance)
        return got

    got = both(feeds(session, model, reference["input_ids"]))
    compare(f"{file}, reference", got["logits"], reference["logits"], tolerance)
    # Two sequences: a prompt, then one token after it.
    pair = reference["input_ids"][0, :40].reshape(2, 20)
    if len(names) > 1:
        past = both(feeds(session, model, pair[:, :19]))
        both(feeds(session, model, pair[:, 19:], past))
    else:
        both(feeds(session, model, pair))
