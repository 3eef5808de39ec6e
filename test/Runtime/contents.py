# RUN: rm -rf %t && mkdir -p %t && %python %s %t
"""terse-inspect shows what an artifact says of itself, and runs nothing of it."""

import json
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "Inputs"))
from harness import toy
from toy import seal


def inspect(*args, status=0):
    done = subprocess.run(["terse-inspect", *map(str, args)], capture_output=True, text=True)
    assert done.returncode == status, done
    return done.stdout if status == 0 else done.stderr


tmp = pathlib.Path(sys.argv[1])
art = pathlib.Path(toy(tmp / "toy.so", "--tokenizer", "bytes"))
info = json.loads(inspect(art, "--json", "--verify"))
assert info["bytes"] == art.stat().st_size and info["verified"] is True
assert [(l["name"], l["kind"], l["bits"], l["bits_per_weight"]) for l in info["layers"]][3] == ("head", "linear", 32, 32.0)
assert info["totals"] == [
    {"format": "embedding, 32 bits", "tensors": 3, "weights": 6144, "bytes": 24576, "bits_per_weight": 32.0},
    {"format": "linear, 32 bits", "tensors": 1, "weights": 2048, "bytes": 8192, "bits_per_weight": 32.0}], info["totals"]
assert info["recipe"] == "keep" and info["hashes"]["source"] == "0" * 64
assert info["manifest"]["levels"] == ["baseline", "avx2", "avx512vnni", "avx512bf16"]
text = inspect(art)
for line in ("recipe     keep", "cpu levels baseline, avx2, avx512vnni, avx512bf16", "tokenizer  bytes, 0 bytes",
             "entries    forward decode (sequence = 1)", "linear, 32 bits: 1 tensors, 2,048 weights"):
    assert line in text, (line, text)

# Packed weights: bits a weight count scales too.
tensor = {"name": "layers.0.up\n", "kind": "linear", "shape": [64, 128], "bits": 4, "group_size": 32,
          "symmetric": True, "scale": "f16", "offset": 0, "bytes": 64 * 128 // 2 + 64 * 4 * 2}
art = toy(tmp / "packed.so", "--patch", "weights=" + json.dumps({"bytes": 32768, "sha256": "0" * 64, "tensors": [tensor]}))
text = inspect(art)
assert "linear, 4 bits, groups of 32, scales f16, symmetric: 1 tensors, 8,192 weights, 4,608 bytes, 4.5 bits a weight" in text, text
assert "layers.0.up?" in text, "control characters of a file do not reach the terminal"
assert "is damaged: expected weights of SHA-256" in inspect(art, "--verify", status=1)

# Scales that are a tensor of their own count with their codes.
codes = dict(tensor, name="up.codes", bytes=64 * 128 // 2)
scales = {"name": "up.scales", "kind": "scales", "part_of": "up.codes", "shape": [64, 4], "bits": 16, "offset": 4096, "bytes": 512}
art2 = toy(tmp / "parts.so", "--patch", "weights=" + json.dumps({"bytes": 32768, "sha256": "0" * 64, "tensors": [codes, scales]}))
(layer,) = json.loads(inspect(art2, "--json"))["layers"]
assert layer["name"] == "up" and layer["bytes"] == 4608 and layer["bits_per_weight"] == 4.5, layer

# An artifact of another machine is shown as well.
data = bytearray(pathlib.Path(art).read_bytes())
data[18:20] = (183).to_bytes(2, "little")
(tmp / "arm.so").write_bytes(data)
assert "expected code and tables of SHA-256" in inspect(tmp / "arm.so", status=1), "it was altered"
seal(tmp / "arm.so")
assert "linear, 4 bits" in inspect(tmp / "arm.so")

assert "is not an artifact" in inspect(__file__, status=1)
assert "unknown option '--jsn'; did you mean '--json'?" in inspect(art, "--jsn", status=2)
assert "expected a compiled model" in inspect(status=2)
