# RUN: rm -rf %t && mkdir %t && %python %s %t
"""What a graph demands of its sizes is checked when it runs: a table of positions ends, a size is a multiple."""
import base64
import json
import os
import re
import subprocess
import sys

import numpy as np
import onnxruntime

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
from models import *

folder = sys.argv[1]
rng = np.random.default_rng(2)
ROWS, D, TOKENS = 12, 8, 20


def run(*arguments):
    done = subprocess.run(arguments, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def compile(path, *options):
    status, _, errors = run("tersec", path, "-o", path + ".so", *options)
    assert status == 0, errors
    return path + ".so"


def check(path, artifact, feeds, message=None, state=False):
    """The artifact gives what ONNX Runtime does, or refuses. With `state`, it keeps the cache itself."""
    kept = (lambda name: name == "input_ids") if state else (lambda name: True)
    np.savez(f"{folder}/in.npz", **{name: array for name, array in feeds.items() if kept(name)})
    status, _, errors = run("terse-run", artifact, "--inputs", f"{folder}/in.npz", "--outputs", f"{folder}/out.npz")
    if message:
        assert status == 1 and errors.count("\n") == 1 and re.search(message, errors), (status, errors)
        return
    assert status == 0, errors
    got = np.load(f"{folder}/out.npz")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for output, want in zip(session.get_outputs(), session.run(None, feeds)):
        if not (state and output.name.startswith("present")):
            np.testing.assert_allclose(got[output.name], want, rtol=1e-4, atol=1e-4)


def attention(past):
    """One layer of one head with learned positions, causal."""
    shape = [node("Shape", "input_ids", "s", start=1, end=2)]
    if past:
        shape += [node("Shape", "past_key_values.0.key", "p", start=2, end=3)]
    else:
        shape += [node("Identity", "zero", "p")]
    nodes = shape + [
        node("Add", "p s", "t"), node("Slice", "table p t one", "rows"), node("Gather", "embedding input_ids", "e"), node("Add", "e rows", "x"),
        node("MatMul", "x wq", "q0"), node("MatMul", "x wk", "k0"), node("MatMul", "x wv", "v0"),
        node("Unsqueeze", "q0 one", "q"), node("Unsqueeze", "k0 one", "k1"), node("Unsqueeze", "v0 one", "v1")]
    inputs, outputs = [value("input_ids", ["batch", "sequence"], INT64)], [value("logits", ["batch", "sequence", TOKENS])]
    if past:
        for letter, name in (("k", "key"), ("v", "value")):
            nodes.append(node("Concat", f"past_key_values.0.{name} {letter}1", f"present.0.{name}", axis=2))
            inputs.append(value(f"past_key_values.0.{name}", ["batch", 1, "past", D]))
            outputs.append(value(f"present.0.{name}", ["batch", 1, "total", D]))
        k, v = "present.0.key", "present.0.value"
    else:
        k, v = "k1", "v1"
    nodes += [
        node("Transpose", k, "kt", perm=[0, 1, 3, 2]), node("MatMul", "q kt", "scores"),
        node("Slice", "mask p t axis2", "m0"), node("Slice", "m0 zero t axis3", "m"),
        node("Where", "m scores low", "masked"), node("Softmax", "masked", "weights", axis=-1), node("MatMul", f"weights {v}", "mixed"),
        node("Squeeze", "mixed one", "flat"), node("Add", "flat x", "h"), node("MatMul", "h head", "logits")]
    draw = lambda *shape: rng.normal(0, 0.7, shape).astype(np.float32)
    weights = [constant("table", draw(1, ROWS, D)), constant("embedding", draw(TOKENS, D)), constant("wq", draw(D, D)), constant("wk", draw(D, D)),
               constant("wv", draw(D, D)), constant("head", draw(D, TOKENS)), constant("one", np.array([1])), constant("zero", np.array([0])),
               constant("axis2", np.array([2])), constant("axis3", np.array([3])), constant("low", np.float32(np.finfo(np.float32).min)),
               constant("mask", np.tril(np.ones((1, 1, ROWS, ROWS), bool)))]
    return save(model(nodes, inputs, outputs, weights), folder, f"attention{int(past)}.onnx")


def ids(batch, count):
    return rng.integers(0, TOKENS, (batch, count))


def cached(batch, past, new):
    cache = lambda: rng.normal(size=(batch, 1, past, D)).astype(np.float32)
    return {"input_ids": ids(batch, new), "past_key_values.0.key": cache(), "past_key_values.0.value": cache()}


for options in ([], ["-O0"]):
    path = attention(past=True)
    kept = compile(path, "--keep-cache-io", *options)
    os.rename(kept, kept := kept + ".kept")
    for sizes in ((1, 0, ROWS), (2, 5, 7), (2, ROWS - 1, 1)):
        check(path, kept, cached(*sizes))
    check(path, kept, cached(1, 7, 6), r"input 'input_ids' of shape \[1, 6\]: expected sequence \+ past <= 12; got sequence = 6, past = 7")
    # Generation ends where the table does, whether the cache is the file's own, state, or added.
    alone = attention(past=False)
    artifacts = [(path, kept), (alone, compile(alone, *options))]
    if not options: # the plain lowering keeps the cache where it is
        artifacts.append((path, compile(path)))
    for path, artifact in artifacts:
        if artifact != kept:
            feeds = (lambda count: cached(1, 0, count)) if path != alone else (lambda count: {"input_ids": ids(1, count)})
            check(path, artifact, feeds(ROWS), state=True)
            check(path, artifact, feeds(ROWS + 1), r"input 'input_ids' of shape \[1, 13\]: expected .* <= 12; got sequence = 13", state=True)
        status, output, errors = run("terse-run", artifact, "--prompt-ids", "3,1,4", "--max-tokens", "100", "--json")
        assert status == 0, errors
        told = json.loads(output)
        assert told["finish_reason"] == "context" and len(told["token_ids"]) == ROWS - 2, told
        status, _, errors = run("terse-run", artifact, "--prompt-ids", ",".join(["1"] * (ROWS + 1)), "--max-tokens", "1")
        assert status == 1 and "<= 12" in errors, errors

# A size that is right only for some lengths.
pairs = save(model([node("Reshape", "x pairs", "h"), node("ReduceSum", "h axis", "y", keepdims=0)], [value("x", ["n"])], [value("y", ["m"])],
                   [constant("pairs", np.array([-1, 2])), constant("axis", np.array([1]))]), folder, "pairs.onnx")
artifact = compile(pairs)
for n in (0, 6):
    check(pairs, artifact, {"x": np.arange(n, dtype=np.float32)})
check(pairs, artifact, {"x": np.ones(5, np.float32)}, r"input 'x' of shape \[5\]: expected n == 2\*floordiv\(n, 2\); got n = 5")

# Sizes that run in a circle, as a fuzzer found them: an error, and soon.
CIRCLE = (
    "CAo61QIKFiIDTXVsCgF4CgFjEgFhGgFhIgNNdWwKGQoBYQoBaQoBagoBaxIBYhoBYiIFU2xpY2UKPgoBYhIBZBIBZRoIAAAAAAAAAAAiBVNwbGl0Kg4KB2xh"
    "cmdlc3QYAaABAioSCgtudW1fb3V0cHV0cxgCoAECCiEKAWQKAWUSAWYaAWYiBkNvbmNhdCoLCgRheGlzGAGgAQIKIwoBZhIBZxoBZiIJVHJhbnNwb3NlKg0K"
    "BHBlcm1AAUAAoAEHChQKAWcKAWkSAXkaAXkiBkN1bVN1bRIEdGVzdCoRCAIQASIIAACAPwAAAEBCAWMqEQgBEAdCAWlKCAAAAAAAAAAAKhEIARAHQgFqSggJ"
    "AAAAAAAAACoRCAFKCAEAAAAAAAAAQgFrEAdaJQoBeBIgCh4IARIaChQSEjIqbiArFAoGZGF0YV8wEgogMQoCCAJiCQoBeRIECgIIAUIEEBIKAA==")
with open(f"{folder}/circle.onnx", "wb") as file:
    file.write(base64.b64decode(CIRCLE))
done = subprocess.run(["tersec", f"{folder}/circle.onnx", "-o", f"{folder}/circle.so"], capture_output=True, text=True, timeout=60)
assert done.returncode == 1 and done.stderr.count("error:") == 1 and "sizes do not settle" in done.stderr, done
assert not os.path.exists(f"{folder}/circle.so")
