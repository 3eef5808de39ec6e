# RUN: rm -rf %t && mkdir -p %t && %python %s %t
"""Formats of weights, of layers, head and embedding: kernels compute what the plain lowering does, and the size is what the format says."""
from endtoend import *

import onnx

from shorten import shorten

folder = sys.argv[1]
text = os.path.join(SHIPPED, "held-out.txt")
model = os.path.join(folder, "short.onnx")
onnx.save(shorten(os.path.join(SHIPPED, "torchscript_past.onnx"), 1), model)


def compile(name, recipe, *options):
    path = os.path.join(folder, name + ".so")
    must("tersec", model, "-o", path, f"--tokenizer={os.path.join(SHIPPED, 'tokenizer.model')}", f"--recipe={recipe}", LEVEL, *options)
    return path


# 4.25 bits and a row's scale in f32 (K of 128 or 352; the last of 352 / 32 groups is whole).
for name, recipe, bits, what in [
    ("double", "w4:scale=i8,embedding-bits=4,embedding-group-size=32", 4.25 + 32 / 128, "scales i8"),
    ("nf4", "w4:format=nf4,embedding-bits=4,embedding-group-size=64", 4.25 + 8 / 352, "(nf4), groups of 64"),
    ("both", "w4:format=nf4,scale=i8,group-size=32", 4.25 + 32 / 128, "(nf4), groups of 32, scales i8")]:
    # An activation at a tie may be rounded either way, with any format (w4 as it was: up to 1.4e-6); in float nothing is.
    for activations, most in (("int8", 1e-4), ("float", 1e-11)):
        whole = f"{recipe},activations={activations}"
        fast, plain = compile(name, whole), compile(name + "-plain", whole, "--O0")
        result = terse_run(fast, f"--perplexity={text}", "--window=40", "--max-windows=2", f"--against={plain}")
        check(result["kl"] < most, f"{whole}: KL {result['kl']:.2g} from the plain lowering")
    described = must("terse-inspect", fast, "--json").stdout
    layers = [layer for layer in json.loads(described)["layers"] if layer["kind"] in ("linear", "embedding")]
    most = max(layer["bits_per_weight"] for layer in layers if layer["bits"] == 4)
    check(most <= bits + 1e-9, f"{recipe}: {most} bits a weight; at most {bits}")
    check(what in must("terse-inspect", fast).stdout, f"{recipe}: inspect says '{what}'")
finish()
