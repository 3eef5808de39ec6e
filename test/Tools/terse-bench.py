# RUN: %python %s
"""terse-bench: floors of one thread and of all, as a table and as JSON, at each level that the machine has; a model and layers beside them; tuning."""

import json
import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

sys.path.insert(0, os.path.join(os.environ["TERSE_SOURCE"], "test", "EndToEnd", "Inputs"))
from endtoend import LEVEL, SHIPPED, compile_model


def bench(*options):
    return subprocess.run(["terse-bench", *options], capture_output=True, text=True)


quick = ["--floors", "--threads=2", "--megabytes=8", "--runs=1"]
result = bench(*quick, "--json")
assert result.returncode == 0, result.stderr
report = json.loads(result.stdout)
found = [(floor["name"], floor["threads"], floor["unit"]) for floor in report["floors"]]
assert found[:6] == [(name, threads, unit) for name, unit in (("read bandwidth", "GB/s"), ("integer dot", "GOPS"), ("f32 multiply-add", "GOPS"))
                 for threads in (1, 2)], found
flags = set(re.search(r"^flags\s*:(.*)$", open("/proc/cpuinfo").read(), re.M).group(1).split())
narrow = [name for name, flag in (("f16 multiply-add", "avx512_fp16"), ("bf16 dot", "avx512_bf16")) if flag in flags and report["cpu_level"].startswith("avx512")]
assert [(name, threads) for name, threads, _ in found[6:]] == [(name, threads) for threads in (1, 2) for name in narrow], found
assert all(floor["value"] > 0 and floor["by"] for floor in report["floors"]), report

levels = ["baseline", "avx2", "avx512vnni", "avx512bf16"]
best = levels.index(report["cpu_level"])
for index, level in enumerate(levels):
    result = bench(*quick, f"--cpu-level={level}")
    if index <= best:
        lines = result.stdout.splitlines()
        assert result.returncode == 0 and len(lines) == 7 + 2 * sum(index >= levels.index("avx512bf16" if name == "bf16 dot" else "avx512vnni") for name in narrow) and lines[0].split() == ["floor", "threads", "value", "unit", "by"], result
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
# Layers behind the last attention run for the last token alone: the head, the block's other three.
last = [layer["name"] for layer in layers if layer.get("rows") == "logits_to_keep"]
assert len(last) == 4 and any("lm_head" in name for name in last), last
assert cases[0]["operations"] == sum((1 if layer["name"] in last else 16) * 2 * layer["shape"][0] * layer["shape"][1]
                                     for layer in layers), cases[0]
assert report["open_s"] > 0 and report["first_token_s"] > report["open_s"] and report["peak_bytes"] > weights, report
result = bench(*model_options)
assert result.returncode == 0 and len(result.stdout.splitlines()) == 4 + 1 + len(cases) + 3 + 4, result.stdout

# The same as a picture: every case a point.
def points(path):
    tree = xml.etree.ElementTree.parse(path)
    return [title.text for title in tree.iter("{http://www.w3.org/2000/svg}title")]


with tempfile.TemporaryDirectory() as folder:
    picture = os.path.join(folder, "roofline.svg")
    assert bench(*model_options, f"--roofline={picture}").returncode == 0
    assert len(points(picture)) == len(cases) and "prompts, 1 threads, 16 tokens behind 0: " in points(picture)[0], points(picture)

    # Layers: bytes and operations as the formats say; the compiler leaves nothing behind.
    quick = ["--threads=2", "--megabytes=8", "--runs=1", "--rounds=1"]
    kernels = ["--kernels", *quick, "--shapes=20x96", "--formats=w4g32,w4-2:4g0,f16", "--rows=1,40"]
    before = os.listdir(tempfile.gettempdir())
    result = bench(*kernels, "--json", f"--roofline={picture}")
    assert result.returncode == 0, result.stderr
    assert not [name for name in set(os.listdir(tempfile.gettempdir())) - set(before) if name.startswith("terse-bench")]
    report = json.loads(result.stdout)
    cases = {(case["n"], case["k"], case["format"], case["rows"]): case for case in report["cases"]}
    assert list(cases) == [(n, k, format, rows) for n, k in ((20, 96),) for format in ("w4g32", "w4-2:4g0", "f16") for rows in (1, 40)], cases
    for (n, k, format, rows), case in cases.items():
        bits = {"w4g32": 4.5, "w4-2:4g0": 3 + 16 / k, "f16": 16}[format]
        panels = -(-n // 16) * 16  # of 16 columns; a stack of layers has no rest in each
        least, most = (size * k * bits / 8 + 4 * rows * (n + k) for size in (n, panels))
        assert least * 0.999 <= case["bytes"] <= most * 1.001, (case, least, most)
        assert case["operations"] == (1 if "2:4" in format else 2) * rows * n * k and case["seconds"] > 0 and case["fraction_of_floor"] > 0, case
    assert len(points(picture)) == len(cases) and {floor["name"] for floor in report["floors"]} == {"read bandwidth", "integer dot", "f32 multiply-add"}
    lines = bench("--kernels", *quick, "--shapes=20x96", "--formats=w4g32", "--rows=1", "--all-tilings").stdout.splitlines()
    assert len(lines) == 1 + 8 + 2 + 3, lines

    # What --tune writes, tersec reads.
    tuning = os.path.join(folder, "tuning.json")
    result = bench(f"--tune={tuning}", *quick, "--shapes=48x64", "--formats=w4g32")
    assert result.returncode == 0 and len(result.stdout.splitlines()) == 3, result
    with open(tuning) as file:
        found = json.load(file)
    assert found["terse_tuning"] == 1 and [(entry["format"], entry["group_size"], entry["n"], entry["k"]) for entry in found["entries"]] == [
        ("w4", 32, 48, 64)], found
    tuned = compile_model(os.path.join(SHIPPED, "torchscript_past.onnx"), LEVEL, "--recipe=w4", f"--tuning={tuning}")
    texts = {subprocess.run(["terse-run", path, "--prompt-ids=1,2,3", "--max-tokens=20"], capture_output=True, check=True).stdout
             for path in (tuned, compile_model(os.path.join(SHIPPED, "torchscript_past.onnx"), LEVEL, "--recipe=w4"))}
    assert len(texts) == 1, texts
    result = bench("--kernels", *quick, "--formats=w4g32", "--shapes=20x96", f"--tuning={folder}/none.json")
    assert result.returncode == 1 and "none.json': cannot read it: No such file or directory" in result.stderr, result
    result = bench(f"--tune={folder}/nowhere/tuning.json", *quick, "--shapes=48x64", "--formats=f32")
    assert result.returncode == 1 and "cannot write" in result.stderr and not result.stdout, result

missing = bench("--model=/nowhere/model.so")
assert missing.returncode == 1 and "/nowhere/model.so" in missing.stderr, missing
for wrong in (["--floors", f"--model={model}"], ["--model=x", "--steps=0"], ["--floors", "--cpu-level=z80"], [], ["--floors", "--threads=0"], ["--flors"],
              ["--kernels", "--shapes=48"], ["--kernels", "--shapes=0x4"], ["--kernels", "--formats=w4"], ["--kernels", "--formats=w5g32"],
              ["--kernels", "--steps=2"], ["--floors", "--rows=2"], ["--floors", "--roofline=x.svg"], ["--tune=x", "--rows=2"], ["--tune=x", "--json"]):
    result = bench(*wrong)
    assert result.returncode == 2 and result.stderr.startswith("terse-bench: error: "), result
