# RUN: rm -rf %t && mkdir -p %t && %python %s %t
"""Two weights of four: stored in 3 bits, computed as the plain lowering does; where zeros gain nothing the report says so."""
from endtoend import *

import re

import onnx

from shorten import shorten

folder = sys.argv[1]
text = os.path.join(SHIPPED, "held-out.txt")
model = os.path.join(folder, "short.onnx")
onnx.save(shorten(os.path.join(SHIPPED, "torchscript_past.onnx"), 1), model)


def compile(name, prune, quantize, *options):
    """The artifact, and what passes said."""
    path = os.path.join(folder, name + ".so")
    passes = f"terse-prune-magnitude{{{prune}}},terse-quantize-weights{{{quantize}}},terse-quantize-activations"
    said = must("tersec", model, "-o", path, f"--tokenizer={os.path.join(SHIPPED, 'tokenizer.model')}", f"--pass-pipeline={passes}", "--report", LEVEL, *options)
    facts = dict(re.findall(r"(layers-sparse|layers-zeros-stored|layers-packed|forecast-disk-bytes|disk-bytes) (\d+)", said.stdout + said.stderr))
    return path, {name: int(value) for name, value in facts.items()}


def perplexity(path, against):
    return terse_run(path, f"--perplexity={text}", "--window=40", "--max-windows=2", f"--against={against}")


def linears(path):
    described = json.loads(must("terse-inspect", path, "--json").stdout)
    return [layer for layer in described["layers"] if layer["kind"] == "linear" and "lm_head" not in layer["name"]]


sparse, facts = compile("sparse", "pattern=2:4", "bits=4 group-size=64")
plain, _ = compile("plain", "pattern=2:4", "bits=4 group-size=64", "--O0")
check(facts["layers-sparse"] == facts["layers-packed"] - 1 and facts["layers-zeros-stored"] == 0, f"all layers but the head are sparse: {facts}")
check(all(layer["bits_per_weight"] <= 3.28 for layer in linears(sparse)), "3 bits and a scale for 64 weights or, at a row's end, fewer")
result = perplexity(sparse, plain)
check(result["kl"] < 1e-9 and abs(result["perplexity_ratio"] - 1) < 1e-4, f"as the plain lowering computes it: {result['kl']}")
for name, prune, quantize in [("zero-points", "pattern=2:4", "bits=4 symmetric=false"), ("unstructured", "sparsity=0.6", "bits=4")]:
    _, facts = compile(name, prune, quantize)
    check(facts["layers-sparse"] == 0 and facts["layers-zeros-stored"] == facts["layers-packed"] - 1, f"{name}: zeros are stored, and it is said: {facts}")
finish()
