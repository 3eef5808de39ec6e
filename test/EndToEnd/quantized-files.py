# REQUIRES: data
# RUN: %python %s
"""Files that are quantized already: their meaning, their size and their codes are kept.

The oracle is ONNX Runtime without its optimizations, with the products of MatMulNBits in float.
"""
import re
import tempfile

import onnx
import onnxruntime
from endtoend import *

TOKENS = encode("tales2m", open(STORIES, encoding="utf-8").read())
#: file, perplexity, layers by their bits, embedding's bits
FILES = [("genai_int4/model.onnx", 18.441, {4: 31}, 32),
         ("ort_dynamic_int8.onnx", 18.206, {8: 43}, 8),
         ("ort_qdq_int8.onnx", 19.266, {8: 43}, 32)]


def float_oracle(path, noise=0.0):
    """ONNX Runtime on what the file means in float; scales of norms moved by a relative `noise`."""
    model, rng = onnx.load(path), np.random.default_rng(0)
    for tensor in model.graph.initializer:
        if noise and "layernorm" in tensor.name and len(tensor.dims) == 1:
            array = onnx.numpy_helper.to_array(tensor)
            moved = array * (1 + noise * rng.standard_normal(array.shape))
            tensor.CopyFrom(onnx.numpy_helper.from_array(moved.astype(array.dtype), tensor.name))
    for node in model.graph.node:
        for attribute in node.attribute:
            if node.op_type == "MatMulNBits" and attribute.name == "accuracy_level":
                attribute.i = 1
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    oracle = Oracle(path)
    oracle.session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return oracle


def weight_bytes(path):
    """Of matrices: their codes or floats, scales and zero points in the file."""
    total, model = 0, onnx.load(path)
    for tensor in model.graph.initializer:
        array = onnx.numpy_helper.to_array(tensor)
        if array.size >= 512 or re.search("scale|zero", tensor.name):
            total += array.nbytes
    return total


for name, perplexity, layers, embedding in FILES:
    path = model_path("tales2m/onnx/" + name)
    oracle = float_oracle(path)
    tokens = TOKENS[:96]
    expected = oracle.run(tokens)
    span = expected.max() - expected.min()
    # Where activations are rounded, a value that falls on the other side of a boundary moves all that follows: the oracle's own
    # result is not better defined than this, for what any order of float sums may do.
    bound = max(1e-2, 2 * np.abs(float_oracle(path, 1e-6).run(tokens) - expected).max() / span)
    with tempfile.TemporaryDirectory() as folder:
        oracle.reset()
        np.savez(folder + "/in.npz", **oracle.inputs_for(tokens))
        logits = {}
        for options in ([], ["-O0"]):
            artifact = compile_model(path, "--keep-cache-io", LEVEL, *options)
            must("terse-run", artifact, "--inputs", folder + "/in.npz", "--outputs", folder + "/out.npz")
            logits[" ".join(options)] = np.load(folder + "/out.npz")["logits"][0]
    for options, got in logits.items():
        error = np.abs(got - expected).max() / span
        rms = np.sqrt(np.mean((got - expected) ** 2)) / span
        check(error <= bound and rms <= 3e-3, f"{name} {options}: error {error:.2e} of the range, at most {bound:.1e}; rms {rms:.1e}")

    artifact = compile_model(path, LEVEL, f"--tokenizer={tokenizer_path('tales2m')}")
    got = terse_run(artifact, f"--perplexity={STORIES}", "--window=256", "--max-windows=60")["perplexity"]
    check(abs(got / perplexity - 1) <= 3e-3, f"{name}: perplexity {got:.3f}, ONNX Runtime's {perplexity}")
    text = terse_run(artifact, "--prompt=Once upon a time", "--max-tokens=40", "--ignore-eos")
    check(len(text["token_ids"]) == 40, f"{name}: {text['text']!r}")

    found = {}
    report = json.loads(must("terse-inspect", artifact, "--json").stdout)
    for layer in report["layers"]:
        if layer["kind"] == "linear":
            # Layers of one input were merged: their names are joined.
            found[layer.get("bits")] = found.get(layer.get("bits"), 0) + 1 + layer["name"].count("+")
        if layer["kind"] == "embedding":
            check(layer.get("bits") == embedding, f"{name}: embedding of {layer.get('bits')} bits")
    check(found == layers, f"{name}: linear layers by bits {found}")
    ours, theirs = report["manifest"]["weights"]["bytes"], weight_bytes(path)
    # Sums of columns, by which the input's zero point is made up for, are 4 bytes for every 128 weights here.
    check(ours <= 1.05 * theirs, f"{name}: {ours} bytes of weights, {theirs} in the file")
finish()
