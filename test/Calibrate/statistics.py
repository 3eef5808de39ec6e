# RUN: %python %s %t
"""What calibration measures is what NumPy computes in float64 of the same values in ONNX Runtime, with any number of threads."""
import shutil
import sys

from endtoend import *

import onnx
import onnxruntime
import sentencepiece

import tstats

folder = sys.argv[1]
shutil.rmtree(folder, ignore_errors=True)
os.makedirs(folder)
path = os.path.join(SHIPPED, "torchscript_past.onnx")
WINDOWS, WINDOW = 5, 48


def calibrate(name, *options):
    statistics = os.path.join(folder, name + ".tstats")
    must("tersec", path, "-o", os.path.join(folder, name + ".so"), f"--tokenizer={os.path.join(SHIPPED, 'tokenizer.model')}",
         f"--calib={os.path.join(SHIPPED, 'held-out.txt')}", f"--calib-windows={WINDOWS}", f"--calib-window={WINDOW}",
         f"--save-statistics={statistics}", LEVEL, *options)
    return statistics


statistics = calibrate("keep")
metadata, tensors = tstats.read(statistics)
layers = json.loads(metadata["layers"])
check(len(layers) == 43, f"every layer has statistics: {len(layers)}")

# The same in ONNX Runtime: inputs of all products with a weight become outputs.
model = onnx.load(path)
weights = {initializer.name for initializer in model.graph.initializer}
inputs_of = {}
for node in model.graph.node:
    if node.op_type == "MatMul" and node.input[1] in weights:
        inputs_of[node.name.strip("/").replace("/MatMul", "").replace("/", ".")] = node.input[0]
for name in sorted(set(inputs_of.values())):
    model.graph.output.append(onnx.ValueInfoProto(name=name))
session = onnxruntime.InferenceSession(model.SerializeToString())
tokenizer = sentencepiece.SentencePieceProcessor(model_file=os.path.join(SHIPPED, "tokenizer.model"))
ids = np.array(tokenizer.encode(open(os.path.join(SHIPPED, "held-out.txt")).read())[:WINDOWS * WINDOW]).reshape(WINDOWS, WINDOW)
feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids), "position_ids": np.broadcast_to(np.arange(WINDOW), ids.shape)}
for spec in session.get_inputs():
    if spec.name not in feeds:
        feeds[spec.name] = np.zeros([WINDOWS, spec.shape[1], 0, spec.shape[3]], np.float32)
names = [output.name for output in session.get_outputs()]
outputs = dict(zip(names, session.run(names, feeds)))

compared = 0
for layer, tap in layers.items():
    matches = [value for name, value in inputs_of.items() if name.endswith(layer) or layer.endswith(name)]
    if len(matches) != 1:
        continue
    compared += 1
    x = outputs[matches[0]].reshape(WINDOWS * WINDOW, -1).astype(np.float64)
    get = lambda what: tensors[f"{tap}/{what}"].astype(np.float64)
    near = lambda got, expected: np.abs(got - expected).max() <= 1e-4 * np.abs(expected).max()
    check(get("count") == len(x), f"{layer}: count")
    check(near(get("abs_max"), np.abs(x).max(0)), f"{layer}: abs_max")
    check(near(get("abs_mean"), np.abs(x).mean(0)), f"{layer}: abs_mean")
    check(near(get("mean"), x.mean(0)), f"{layer}: mean")
    check(near(get("second_moment"), x.T @ x / len(x)), f"{layer}: second_moment")
    limit = tensors[f"{tap}/limit"][0]
    check(limit >= np.abs(x).max() > limit / 2.001, f"{layer}: limit {limit}")
    counts, _ = np.histogram(x, 2048, (-limit, limit))
    # Values at a bin's edge may fall to either side.
    check(get("histogram").sum() == x.size and np.abs(get("histogram") - counts).sum() <= 0.01 * x.size, f"{layer}: histogram")
check(compared >= 40, f"{compared} layers compared")

one = tstats.read(calibrate("threads", "--threads=1", "--calib-inputs=original"))[1]
check(all(np.array_equal(tensors[name], one[name]) for name in tensors), "one thread gives the same, and inputs from the original where nothing is compressed")
check(not any(entry.endswith(".calibration") for entry in os.listdir(folder)), "no folder is left")
finish()
