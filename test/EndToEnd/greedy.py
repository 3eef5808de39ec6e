# REQUIRES: data
# RUN: %python %s
"""Greedy text of a float artifact is ONNX Runtime's, token for token."""

from endtoend import *

for name, text in [("tales8m", "Once upon a time"), ("tales2m", "Tom and Mia"),
                   ("stories260K", "Once upon a time"), ("babyllama", "One day")]:
    prompt = encode(name, text)
    if name == "babyllama":  # its bytes come after three special tokens
        prompt = [3 + byte for byte in prompt]
    count = min(200, MODELS[name][5] - len(prompt) - 1)
    expected, margin = oracle_greedy(model_path(name), prompt, count)
    artifact = compile_named(name)
    for threads in (1, 2):
        result = terse_run(artifact, f"--prompt-ids={','.join(map(str, prompt))}",
                           f"--max-tokens={count}", "--ignore-eos", f"--threads={threads}")
        ids = result["token_ids"]
        same = next((i for i, (a, b) in enumerate(zip(ids, expected)) if a != b),
                    min(len(ids), len(expected)))
        check(ids == expected, f"{name}: {same} of {count} tokens equal with {threads} threads "
              f"(least margin {margin:.4f})")
finish()
