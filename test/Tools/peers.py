# RUN: %python %s
# UNSUPPORTED: asan
"""terse-bench --peers, without the network: with the engines that the tests have, on tiny models; what is refused, and what an engine cannot do."""

import json
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.environ["TERSE_SOURCE"], "test", "EndToEnd", "Inputs"))
from endtoend import SHIPPED

scratch = tempfile.mkdtemp()
LANGUAGE = "--language-model=" + os.path.join(SHIPPED, "torchscript_past.onnx")
TINY = ["--linear=2x40x64", "--encoder=tiny", "--threads=1"]


def peers(*options, folder=scratch, path=os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]):
    return subprocess.run([shutil.which("terse-bench"), "--peers=" + folder, *options], capture_output=True, text=True, env={**os.environ, "PATH": path})


def measurements(*options):
    """(case, measure, engine) -> line."""
    result = peers(*TINY, *options, "--json")
    assert result.returncode == 0, result.stderr
    return {(line["case"], line["measure"], line["engine"]): line for line in json.loads(result.stdout)["measurements"]}


# Outputs are NumPy's, as near as the format lets them; ratios are theirs over ours.
found = measurements("--match=int4-g32", "--engines=terse,onnxruntime", "--rounds=2")
assert list(found) == [("linear 2x40x64 int4-g32", f"{m} rows", engine) for m in (1, 8, 256) for engine in ("Terse", "ONNX Runtime")], list(found)
for (case, measure, engine), line in found.items():
    if engine == "Terse":
        ours = line
    else:
        ratios = [b / a for a, b in zip(ours["seconds_by_round"], line["seconds_by_round"])]
        assert line["ratio_spread"] == [min(ratios), max(ratios)] and min(ratios) <= line["ratio"] <= max(ratios) and "ratio" not in ours, line
    assert "error" not in line and len(line["seconds_by_round"]) == 2 and 0.01 < line["difference"] < 0.14, line
work = found["linear 2x40x64 int4-g32", "8 rows", "Terse"]
assert abs(work["rate"] * work["seconds"] / (2 * 8 * 2 * 40 * 64 * 1e-9) - 1) < 1e-6 and work["unit"] == "GOPS", work

found = measurements("--match=encoder.*int8|language.*w8, (decode|prompt 256)", "--engines=terse", "--rounds=1", LANGUAGE)
assert list(found) == [("encoder tiny int8", f"batch {n}", "Terse") for n in (1, 8)] + [
    ("language tales2m w8", measure, "Terse") for measure in ("decode", "prompt 256")], list(found)
assert all(0.001 < line["difference"] < 0.05 for line in found.values()), found

# A line says what an engine cannot do, or that nobody can.
result = peers(*TINY, "--match=int4-g128, (1|8) rows", "--engines=onnxruntime")
lines = result.stdout.splitlines()
assert result.returncode == 1 and result.stderr == "terse-bench: error: nothing could be measured\n", result
assert lines[1] == "linear 2x40x64 int4-g128" and lines[3:] == [
    f"  {m} rows            ONNX Runtime    ValueError: expected rows of a multiple of 128; got 64" for m in (1, 8)], result

result = peers("--match=language.*w8, decode", "--engines=terse", "--language-model=" + __file__)
assert result.returncode == 1 and result.stdout.splitlines()[3].startswith("  decode            Terse           google.protobuf.message.DecodeError: "), result

occupied = os.path.join(scratch, "file")
open(occupied, "w").close()
for options, status, message in (
        (["--match=linaer"], 2, "no case matches 'linaer' (cases: linear 24x5632x2048 f32, "),
        (["--match=("], 2, "--match: "),
        (["--engines=terse,tensorflow"], 2, "expected --engines of terse, onnxruntime, openvino, llama_cpp; got 'terse,tensorflow'"),
        (["--linear=5632x2048"], 2, "expected --linear=COUNTxNxK; got '5632x2048'"),
        (["--encoder=huge"], 2, "expected --encoder of base, tiny; got 'huge'"),
        (["--language-model=/nowhere/model.onnx"], 1, "cannot open '/nowhere/model.onnx'"),
        (["--floors"], 2, "Exactly 1 option from [--floors,--model,--kernels,--tune,--peers] is required and 2 were given")):
    result = peers(*options)
    assert result.returncode == status and result.stderr.startswith("terse-bench: error: " + message) and not result.stdout, result
result = peers(*TINY, "--match=f32", "--engines=terse", folder=occupied)
assert result.returncode == 1 and result.stderr == f"terse-bench: error: cannot make the folder '{occupied}': Not a directory\n", result
result = peers("--match=f32", path="/nowhere")
assert result.returncode == 1 and "needs python3" in result.stderr, result
result = subprocess.run(["terse-bench", "--floors", "--match=f32"], capture_output=True, text=True)
assert result.returncode == 2 and "--peers" in result.stderr, result
shutil.rmtree(scratch)
