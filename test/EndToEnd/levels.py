# REQUIRES: data
# RUN: %python %s
"""Every CPU level that the machine has gives the same text and nearly the same logits."""

import tempfile

from endtoend import *

tokens = encode("tales8m", open(STORIES).read(3000))[:70]
feeds = Oracle(model_path("tales8m")).inputs_for(tokens)
cpu = open("/proc/cpuinfo").read().split()
levels = ["baseline"] + (["avx2"] if "avx2" in cpu else [])
levels += ["avx512vnni"] if "avx512_vnni" in cpu else []
hasBF16 = levels[-1] == "avx512vnni" and "avx512_bf16" in cpu
for recipe in ("keep", "w4"):
    artifact = compile_named("tales8m", recipe)
    results = {}
    for level in levels:
        value = terse_run(artifact, f"--perplexity={STORIES}", "--window=64", "--max-windows=4",
                          f"--cpu-level={level}")["perplexity"]
        results[level] = value
    first = results["baseline"]
    for level, value in results.items():
        check(abs(value / first - 1) <= 1e-3, f"{recipe}, {level}: perplexity {value:.5f}")
# The kernels of every level by their instructions' definitions, on whatever machine this is.
best = levels[-1] if levels[-1] != "avx512vnni" else "avx2"
for recipe in ("w4:symmetric=false",):
    results = {}
    for kernels in ("baseline", "avx2", "avx512vnni"):
        artifact = compile_named("tales2m", recipe, f"--emulate-kernels={kernels}",
                                 f"--levels={best}")
        results[kernels] = terse_run(artifact, f"--perplexity={STORIES}", "--window=48",
                                     "--max-windows=2")["perplexity"]
    native = terse_run(compile_named("tales2m", recipe, f"--levels={levels[-1]}"),
                       f"--perplexity={STORIES}", "--window=48", "--max-windows=2")["perplexity"]
    for kernels, value in results.items():
        check(abs(value / native - 1) <= 1e-5, f"{recipe}: {kernels} kernels by definition: "
              f"perplexity {value:.6f}, by instructions {native:.6f}")
# Weights of bf16: one level more, which rounds what they meet to bf16 too.
bf16 = "--pass-pipeline=terse-convert-weights{to=bf16}"
artifact = compile_model(model_path("tales2m"), bf16, f"--tokenizer={tokenizer_path('tales2m')}")
results = {level: terse_run(artifact, f"--perplexity={STORIES}", "--window=48", "--max-windows=2", f"--cpu-level={level}")["perplexity"]
           for level in levels + ["avx512bf16"] * hasBF16}
defined = compile_model(model_path("tales2m"), bf16, f"--tokenizer={tokenizer_path('tales2m')}", "--emulate-kernels=avx512bf16",
                        f"--levels={best}")
value = terse_run(defined, f"--perplexity={STORIES}", "--window=48", "--max-windows=2")["perplexity"]
if hasBF16:
    native = results["avx512bf16"]
    check(abs(value / native - 1) <= 1e-5, f"bf16 kernels by definition: perplexity {value:.6f}, by instructions {native:.6f}")
for level, value in {**results, "avx512bf16 by definition": value}.items():
    check(abs(value / results["baseline"] - 1) <= 2e-3, f"bf16, {level}: perplexity {value:.5f}")
# Steps of several tokens say what steps of one do.
for chosen in [[]] + [[f"--cpu-level={levels[-1]}"]] * hasBF16:
    once, looked = (terse_run(artifact, "--prompt=Once upon a time", "--max-tokens=60", f"--prompt-lookup={most}", *chosen)["text"]
                    for most in (0, 6))
    check(once == looked, f"bf16, {chosen}: '{looked}' is not '{once}'")
bad = run("terse-run", compile_named("tales8m"), "--cpu-level=avx1024", "--prompt=Once")
check(bad.returncode != 0 and "avx1024" in bad.stderr, "an unknown level is refused")
finish()
