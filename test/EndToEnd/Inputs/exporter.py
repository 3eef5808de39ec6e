"""Logits of a file, as some exporter wrote it, are ONNX Runtime's on that file.

usage: exporter.py MODEL BOUND, the bound relative to the logits' range
"""

import tempfile

from endtoend import *

path, bound = model_path(sys.argv[1]), float(sys.argv[2])
rng = np.random.default_rng(7)
tokens = [int(t) for t in rng.integers(3, 4000, 48)]
oracle = Oracle(path)


def compare(what, got, expected):
    error = np.abs(got.astype(np.float32) - expected.astype(np.float32)).max()
    error /= expected.max() - expected.min()
    check(got.shape == expected.shape and error <= bound,
          f"{sys.argv[1]}: {what}: error {error:.2e} of the range; at most {bound:.0e}")


with tempfile.TemporaryDirectory() as folder:
    # With the file's own inputs and outputs: an empty cache, then a filled one.
    artifact = compile_model(path, "--keep-cache-io")
    for part in (tokens[:30], tokens[30:]):
        feeds = oracle.inputs_for(part if oracle.cache else tokens)
        np.savez(folder + "/in.npz", **feeds)
        must("terse-run", artifact, "--inputs", folder + "/in.npz", "--outputs",
             folder + "/out.npz")
        result = np.load(folder + "/out.npz")
        held = oracle.past
        compare(f"after {held} tokens", result["logits"][0],
                oracle.run(part if oracle.cache else tokens))
        for name, value in oracle.cache.items():
            got = result[name.replace("past_key_values", "present")]
            error = np.abs(got.astype(np.float32) - value.astype(np.float32)).max()
            error /= np.abs(value).max()
            if not (got.shape == value.shape and error <= bound):
                check(False, f"{sys.argv[1]}: {name}: {got.shape}, error {error:.2e}")

# With the cache as the artifact's state: the same greedy text.
oracle.reset()
prompt, expected = tokens[:8], []
logits = oracle.run(prompt)[-1]
for _ in range(24):
    expected.append(int(logits.argmax()))
    logits = oracle.run([expected[-1]] if oracle.cache else prompt + expected)[-1]
result = terse_run(compile_model(path), f"--prompt-ids={','.join(map(str, prompt))}",
                   "--max-tokens=24", "--ignore-eos", "--no-bos")
check(result["token_ids"] == expected, f"{sys.argv[1]}: greedy text {result['token_ids']}, "
      f"ONNX Runtime's {expected}")
finish()
