# RUN: rm -rf %t && mkdir -p %t && %python %s %t
"""A model with channels and heads removed computes what ONNX Runtime does of the whole one with zeros in their place; block by block, and before
quantization, too."""
from endtoend import *

import re

import onnx
import sentencepiece

import tstats
from shorten import shorten

folder = sys.argv[1]
model = os.path.join(folder, "model.onnx")
proto = shorten(os.path.join(SHIPPED, "torchscript_past.onnx"), 2)
onnx.save(proto, model)
tokenizer = os.path.join(SHIPPED, "tokenizer.model")
text = os.path.join(SHIPPED, "held-out.txt")
rng = np.random.default_rng(4)


def compile(name, *options):
    path = os.path.join(folder, name)
    must("tersec", model, "-o", path, f"--tokenizer={tokenizer}", LEVEL, *options)
    return path


def perplexity(path):
    return terse_run(path, f"--perplexity={text}", "--window=64", "--max-windows=4")["perplexity"]


# By second moments of no model's, so that the correction is large.
sizes = {f"model.layers.{i}.{name}": size for i in range(2) for name, size in (("mlp.down_proj", 352), ("self_attn.o_proj", 128))}
moments = {}
for name, size in sizes.items():
    x = rng.standard_normal((2 * size, size)) @ (np.eye(size) + 0.1 * rng.standard_normal((size, size)))
    moments[name] = (x.T @ x / len(x)).astype(np.float32)
statistics = os.path.join(folder, "made.tstats")
tstats.write(statistics, {name: name for name in sizes},
             {f"{name}/{what}": value for name in sizes for what, value in (("count", np.array([9])), ("second_moment", moments[name]))})
passes = f"--pass-pipeline=terse-prune-structured{{share=50% stats={statistics}}}"
with open(compile("pruned.mlir", passes, "--stop-after=compress")) as file:
    kept = {name: [int(i) for i in channels.split(",")]
            for name, channels in re.findall(r'name = "([^"]*)"[^\n]*kept = array<i64: ([0-9, ]*)>', file.read())}
check({name: len(channels) for name, channels in kept.items()} == {name: 176 if size == 352 else 64 for name, size in sizes.items()},
      "half of all channels and heads")
weights = {node.name.strip("/").replace("/MatMul", "").replace("/", "."): node.input[1] for node in proto.graph.node if node.op_type == "MatMul"}
initializers = {initializer.name: initializer for initializer in proto.graph.initializer}
for name, channels in kept.items():
    initializer = initializers[weights[name]]
    whole = onnx.numpy_helper.to_array(initializer)
    h = moments[name].astype(np.float64)
    h += 0.01 * np.mean(np.diag(h)) * np.eye(len(h))
    lost = np.setdiff1d(np.arange(len(h)), channels)
    changed = np.zeros_like(whole)
    changed[channels] = whole[channels] + np.linalg.solve(h[np.ix_(channels, channels)], h[np.ix_(channels, lost)] @ whole[lost].astype(np.float64))
    initializer.CopyFrom(onnx.numpy_helper.from_array(changed, initializer.name))
reference = os.path.join(folder, "reference.onnx")
onnx.save(proto, reference)

pruned, whole = compile("pruned.so", passes), compile("whole.so")
prompt = [1, 691, 617, 262]
tokens = sentencepiece.SentencePieceProcessor(model_file=tokenizer).encode(open(text).read()[:20000])
wanted = oracle_perplexity(reference, tokens, 64, 4)["perplexity"]
got = perplexity(pruned)
check(abs(got / wanted - 1) < 1e-4, f"perplexity {got}, in ONNX Runtime {wanted}")
expected, margin = oracle_greedy(reference, prompt, 24)
ids = terse_run(pruned, f"--prompt-ids={','.join(map(str, prompt))}", "--max-tokens=24", "--ignore-eos")["token_ids"]
check(ids == expected or margin < 1e-3, f"the same {len(ids)} tokens (least margin {margin:.4f})")
check(os.path.getsize(whole) - os.path.getsize(pruned) > 2 * 4 * (3 * 128 * 176 + 2 * 128 * 64 + 2 * 128 * 32) - 20000, "the artifact is smaller by its weights")

# Measured block by block, then rounded by the statistics of what was measured before.
calibrated = compile("hybrid.so", "--recipe=w8:prune=structured:50%,method=gptq", f"--calib={text}", "--calib-windows=8", "--calib-window=64",
                     f"--report={folder}/report.json")
with open(f"{folder}/report.json") as file:
    said = file.read()
check("feed-forwards-pruned" in said, "the report says what was pruned")
plain = compile("plain.so", f"--pass-pipeline=terse-prune-structured{{share=50% criterion=magnitude correct=false}}")
values = [perplexity(path) for path in (whole, calibrated, plain)]
check(values[1] < values[2], f"whole, corrected and in 8 bits, by magnitude alone: {values}")
finish()
