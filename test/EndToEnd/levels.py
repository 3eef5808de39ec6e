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
bad = run("terse-run", compile_named("tales8m"), "--cpu-level=avx1024", "--prompt=Once")
check(bad.returncode != 0 and "avx1024" in bad.stderr, "an unknown level is refused")
finish()
