# REQUIRES: data
# UNSUPPORTED: asan
# RUN: %python %s
"""Weights are mapped, not copied: peak memory is the file, the cache and a little."""

from endtoend import *

for recipe in ("keep", "w8", "w4"):
    artifact = compile_named("tales8m", recipe)
    size, context = os.path.getsize(artifact), 512
    cache = 8 * 2 * 4 * 32 * 4 * context
    prompt = ",".join(str(3 + i % 4000) for i in range(256))
    result = terse_run(artifact, f"--prompt-ids={prompt}", "--max-tokens=64", "--ignore-eos",
                       f"--context={context}", "--threads=2")
    bound = 1.15 * size + cache + 30e6
    check(result["peak_rss_bytes"] <= bound, f"{recipe}: {result['peak_rss_bytes'] / 1e6:.1f} MB "
          f"for a file of {size / 1e6:.1f} MB; at most {bound / 1e6:.1f}")
finish()
