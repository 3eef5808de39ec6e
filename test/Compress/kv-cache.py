# RUN: rm -rf %t && mkdir -p %t && %python %s %t
"""A quantized KV cache: the same logits as the plain path, prompt and decode, little loss, the bytes that are promised."""
from endtoend import *

import onnx
from shorten import shorten

folder = sys.argv[1]
model = os.path.join(folder, "two-layers.onnx")
onnx.save(shorten(os.path.join(SHIPPED, "torchscript_past.onnx"), 2), model)
tokenizer = f"--tokenizer={os.path.join(SHIPPED, 'tokenizer.model')}"
held_out = os.path.join(SHIPPED, "held-out.txt")
HEADS, SIZE, LAYERS = 2, 32, 2


def compile(name, *options, source=model):
    path = os.path.join(folder, name)
    must("tersec", source, "-o", path, tokenizer, *options)
    return path


def measure(path, against):
    return terse_run(path, f"--perplexity={held_out}", "--window=96", "--max-windows=8", f"--against={against}")


def continue_text(path, threads):
    return terse_run(path, "--prompt=Once upon a time, there was a little girl", "--max-tokens=40", "--ignore-eos", f"--threads={threads}")["token_ids"]


original = compile("keep.so", LEVEL)
for bits, options, bound in ((8, "bits=8", 1e-4), (4, "bits=4", 0.1), ("4, rotated", "bits=4 rotate-keys", 0.1), ("k8v4", "key-bits=8 value-bits=4", 0.05)):
    passes = f"--pass-pipeline=terse-quantize-kv-cache{{{options}}}"
    fast = compile("fast.so", LEVEL, passes)
    # Rounded in float, and attention as it is defined.
    plain = compile("plain.so", "-O0", "--start-from=compress", source=compile("rounded.mlir", "--stop-after=compress", passes))
    agreement, loss = measure(fast, plain), measure(fast, original)
    # Some codes are at ties, which the two break by their own rounding.
    check(agreement["kl"] < 0.02 * loss["kl"], f"{bits}: KL {agreement['kl']:.2g} from the plain path")
    print(f"{bits}: KL {loss['kl']:.4g}, perplexity {loss['perplexity']:.4f}")
    check(1e-9 < loss["kl"] < bound, f"{bits}: KL {loss['kl']:.2g} from the model as it was, at most {bound}")
    text = continue_text(fast, 1)
    check(text == continue_text(plain, 1), f"{bits}: the plain path's text")
    check(text == continue_text(fast, 2), f"{bits}: the same text with 2 threads")

# The recipe's key; what is stored for a token.
path = compile("recipe.so", LEVEL, "--recipe=w4:kv-cache=4")
states = json.loads(must("terse-inspect", path, "--json").stdout)["manifest"]["states"]
row = SIZE // 2 + 4
check(len(states) == 2 * LAYERS and all(s["dtype"] == "i8" and str(s["shape"][3]) == str(row) for s in states), f"states of {row} bytes a head: {states}")
for value in ("5", "k8", "k8v2", "v4"):
    refused = run("tersec", model, "-o", os.path.join(folder, "none.so"), f"--recipe=w4:kv-cache={value}")
    check(refused.returncode != 0 and f"expected 8, 4 or kNvM for the key 'kv-cache' of the recipe 'w4'; got '{value}'" in refused.stderr, refused.stderr.strip())
finish()
