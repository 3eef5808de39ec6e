# REQUIRES: data
# RUN: %python %s
"""Perplexity and size of quantized artifacts of tales8m."""

from endtoend import *

WEIGHTS = {  # of linear layers in tales8m: those of 8 blocks and the head
    "blocks": 8 * (2 * 256 * 256 + 2 * 128 * 256 + 3 * 704 * 256),
    "head": 4096 * 256,
}


def perplexity(artifact):
    return terse_run(artifact, f"--perplexity={STORIES}", "--window=256",
                     "--max-windows=60")["perplexity"]


original = perplexity(compile_named("tales8m"))
for recipe, bound in [("w8", 0.003), ("w4", 0.016)]:
    value = perplexity(compile_named("tales8m", recipe))
    check(value / original - 1 <= bound, f"{recipe}: perplexity {value:.4f} is "
          f"{value / original - 1:+.3%} of {original:.4f}; at most {bound:.1%}")

# Sizes: 8.5 and 4.5 bits a weight (groups of 32 with an f16 scale).
for recipe, bits in [("w8", 8.5), ("w4", 4.5)]:
    artifact = compile_named("tales8m", recipe)
    report = json.loads(must("terse-inspect", artifact, "--json").stdout)
    linear = [t for t in report["layers"] if t["kind"] == "linear"]
    count = sum(t["shape"][0] * t["shape"][1] for t in linear)
    check(count == sum(WEIGHTS.values()), f"{recipe}: {count} weights in linear layers")
    used = sum(t["bytes"] for t in linear) * 8 / count
    check(used <= bits + 0.05, f"{recipe}: {used:.3f} bits a weight; at most {bits}")
    rest = os.path.getsize(artifact) - report["manifest"]["weights"]["bytes"]
    check(rest <= 2_000_000, f"{recipe}: {rest} bytes beside the weights")
finish()
