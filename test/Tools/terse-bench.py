# RUN: %python %s
"""terse-bench: floors of one thread and of all, as a table and as JSON, at each level that the machine has; a model beside them."""

import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ["TERSE_SOURCE"], "test", "EndToEnd", "Inputs"))
from endtoend import LEVEL, SHIPPED, compile_model


def bench(*options):
    return subprocess.run(["terse-bench", *options], capture_output=True, text=True)


quick = ["--floors", "--threads=2", "--megabytes=8", "--runs=1"]
result = bench(*quick, "--json")
assert result.returncode == 0, result.stderr
report = json.loads(result.stdout)
found = [(floor["name"], floor["threads"], floor["unit"]) for floor in report["floors"]]
assert found == [(name, threads, unit) for name, unit in (("read bandwidth", "GB/s"), ("integer dot", "GOPS"), ("f32 multiply-add", "GOPS"))
                 for threads in (1, 2)], found
assert all(floor["value"] > 0 and floor["by"] for floor in report["floors"]), report

levels = ["baseline", "avx2", "avx512vnni"]
best = levels.index(report["cpu_level"])
for index, level in enumerate(levels):
    result = bench(*quick, f"--cpu-level={level}")
    if index <= best:
        lines = result.stdout.splitlines()
        assert result.returncode == 0 and len(lines) == 7 and lines[0].split() == ["floor", "threads", "value", "unit", "by"], result
    else:
        assert result.returncode == 1 and "cannot run CPU level" in result.stderr, result

# A model: prompts and steps behind them, with each number of threads; bytes and operations as its weights say.
model = compile_model(os.path.join(SHIPPED, "torchscript_past.onnx"), LEVEL, "--recipe=w8:kv-cache=8")
described = json.loads(subprocess.run(["terse-inspect", model, "--json"], capture_output=True, text=True, check=True).stdout)
layers = [layer for layer in described["layers"] if layer["kind"] == "linear"]
model_options = [f"--model={model}", "--threads=2", "--megabytes=8", "--rounds=2", "--prompts=16,5", "--steps=1,3"]
result = bench(*model_options, "--json")
assert result.returncode == 0, result.stderr
report = json.loads(result.stdout)
cases = report["cases"]
assert [(case["run"], case["threads"], case["tokens"]) for case in cases] == [
    (run, threads, tokens) for threads in (1, 2) for length in (16, 5) for run, tokens in (("prompt", length), ("step", 1), ("step", 3))], cases
assert all(len(case["seconds_by_round"]) == 2 and case["tokens_per_s"] > 0 and 0 < case["fraction_of_floor"] for case in cases), cases
weights = sum(layer["bytes"] for layer in layers)
# 6 layers, 2 heads of 32 in 8 bits, keys and values, with 4 bytes more each; a row of the embedding.
row = 6 * 2 * 2 * (32 + 4)
step = cases[1]
assert weights + (step["past"] + 1) * row < step["bytes"] < weights + (step["past"] + 1) * row + 200, (step, weights)
assert cases[0]["operations"] == 16 * sum(2 * layer["shape"][0] * layer["shape"][1] for layer in layers), cases[0]
assert report["open_s"] > 0 and report["first_token_s"] > report["open_s"] and report["peak_bytes"] > weights, report
result = bench(*model_options)
assert result.returncode == 0 and len(result.stdout.splitlines()) == 4 + 1 + len(cases) + 3 + 4, result.stdout

missing = bench("--model=/nowhere/model.so")
assert missing.returncode == 1 and "/nowhere/model.so" in missing.stderr, missing
for wrong in (["--floors", f"--model={model}"], ["--model=x", "--steps=0"], ["--floors", "--cpu-level=z80"], [], ["--floors", "--threads=0"], ["--flors"]):
    result = bench(*wrong)
    assert result.returncode == 2 and result.stderr.startswith("terse-bench: error: "), result
