# REQUIRES: data
# RUN: %python %s
"""A float artifact's perplexity is ONNX Runtime's on the same file and tokens."""

from endtoend import *

# What ONNX.md measured with 60 windows of 256, for tales8m and tales2m.
for name, window, windows, figure in [("tales8m", 256, 60, 11.938), ("tales2m", 256, 60, 18.166),
                                      ("stories260K", 256, 20, None), ("babyllama", 128, 20, None)]:
    tokens = encode(name, open(STORIES).read())
    oracle = oracle_perplexity(model_path(name), tokens, window, windows)
    options = ["--tokenizer=bytes"] if tokenizer_path(name) == "bytes" else []
    result = terse_run(compile_named(name), f"--perplexity={STORIES}", f"--window={window}",
                       f"--max-windows={windows}", *options)
    check(result["tokens"] == oracle["tokens"], f"{name}: {result['tokens']} tokens")
    error = result["perplexity"] / oracle["perplexity"] - 1
    check(abs(error) <= 1e-3, f"{name}: perplexity {result['perplexity']:.4f}, "
          f"ONNX Runtime {oracle['perplexity']:.4f}: {error:+.5%}")
    if figure:
        check(abs(oracle["perplexity"] / figure - 1) <= 1e-3,
              f"{name}: ONNX Runtime gives the published {figure}")
finish()
