# REQUIRES: data
# RUN: %python %s %data/models
"""In every float file of every exporter, each layer's attention, rotations, norms and activation are recognised, and the cache."""
import os
import re
import subprocess
import sys
import tempfile

#: file: layers
FILES = {f"tales2m/onnx/{name}": 6 for name in "torchscript torchscript_past dynamo dynamo_past opset23 genai_fp32/model f16".split()}
FILES.update({"tales8m/onnx/torchscript": 8, "tales8m/onnx/torchscript_past": 8, "stories260K/onnx/torchscript_past": 5,
              "babyllama/onnx/tok361_past": 5})
failed = []
for file, layers in FILES.items():
    with tempfile.NamedTemporaryFile(suffix=".mlir") as module, tempfile.NamedTemporaryFile(suffix=".mlir") as out:
        subprocess.run(["terse-translate", "--import-onnx", os.path.join(sys.argv[1], file + ".onnx"), "-o", module.name], check=True)
        report = subprocess.run(["terse-opt", module.name, "--terse-normalize-stage", "--terse-print-report", "-o", out.name], check=True,
                                capture_output=True, text=True).stderr
        text = open(out.name).read()
    facts = dict(re.findall(r": ([a-z-]+) (\d+)$", report, re.M))
    got = {"attentions": int(facts["attentions-recognized"]), "ropes": int(facts["ropes-recognized"]),
           "biased": int(facts["attentions-with-bias"]), "softmaxes": int(facts["softmaxes-left"]), "states": int(facts["states"]),
           "norms": len(re.findall(r"= terse\.norm ", text)), "activations": len(re.findall(r"= terse\.activation ", text)),
           "causal": len(re.findall(r"= terse\.attention [^\n]*\{causal, ", text)),
           # Nothing but slices of tables moves data: layers read what layers write.
           "transposes of activations": len(re.findall(r"linalg\.transpose ins\([^)]*x(?:128|256|64)xf", text))}
    wanted = {"attentions": layers, "ropes": 2 * layers, "biased": 0, "softmaxes": 0, "states": 2 * layers, "norms": 2 * layers + 1,
              "activations": layers, "causal": layers, "transposes of activations": 0}
    print(f"{file}: {got}")
    if got != wanted:
        failed.append(f"FAILED {file}: expected {wanted}\n{report}")
print("\n".join(failed))
sys.exit(bool(failed))
