# RUN: rm -rf %t && mkdir -p %t && %python %s %t %models
"""terse-inspect shows what the onnx package finds in a model."""

import hashlib
import json
import pathlib
import subprocess
import sys

import onnx

tmp, models = map(pathlib.Path, sys.argv[1:])


def inspect(path, *args, status=0):
    done = subprocess.run(["terse-inspect", str(path), *args], capture_output=True, text=True)
    assert done.returncode == status, done
    return done.stdout if status == 0 else done.stderr


path = next(models.rglob("torchscript_past.onnx"))
model = onnx.load(path)
info = json.loads(inspect(path, "--json"))
assert info["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
assert info["bytes"] == path.stat().st_size
assert [i["name"] for i in info["inputs"]] == [i.name for i in model.graph.input]
assert [o["name"] for o in info["outputs"]] == [o.name for o in model.graph.output]
matrices = sorted(tuple(t.dims) for t in model.graph.initializer if len(t.dims) == 2)
rows = [l for l in info["layers"] if l["kind"] in ("linear", "embedding")]
assert sorted(tuple(r["shape"]) for r in rows) == matrices, (rows, matrices)
for row in rows:
    assert row["bits"] == 32 and row["bytes"] == 4 * row["shape"][0] * row["shape"][1], row
text = inspect(path)
assert "linear, 32 bits: %d tensors" % sum(r["kind"] == "linear" for r in rows) in text, text

# Codes of 4 bits in groups of 32, in IR.
ir = tmp / "codes.mlir"
ir.write_text("""
func.func @forward(%x: tensor<?x64xf32> {terse.name = "x", terse.dims = ["rows", "64"]}) -> (tensor<?x8xf32> {terse.name = "y", terse.dims = ["rows", "8"]}) {
  %c = terse.weight "w" = #terse.file<"w.bin", 0, 256> -> tensor<8x32xi8>
  %s = terse.weight "w.scales" = #terse.file<"w.bin", 256, 32> -> tensor<8x2xf16>
  %w = terse.dequantize <i4, group = 32, scale = f16, zero = none> %c, %s : tensor<8x32xi8>, tensor<8x2xf16> -> tensor<8x64xf32>
  %y = terse.linear %x, %w {name = "up"} : tensor<?x64xf32>, tensor<8x64xf32> -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}
""")
info = json.loads(inspect(ir, "--json"))
assert info["layers"] == [{"name": "up", "kind": "linear", "shape": [8, 64], "bits": 4, "group_size": 32, "symmetric": True,
                           "scale": "f16", "bytes": 288, "bits_per_weight": 4.5}], info["layers"]
assert info["inputs"] == [{"name": "x", "dtype": "f32", "shape": ["rows", 64]}], info["inputs"]

(tmp / "short.onnx").write_bytes(path.read_bytes()[:1000])
assert inspect(tmp / "short.onnx", status=1).startswith("terse-inspect: error: ")
assert "No such file" in inspect(tmp / "none.onnx", status=1)
(tmp / "bad.mlir").write_text("nonsense")
assert inspect(tmp / "bad.mlir", status=1).startswith("terse-inspect: error: ")
