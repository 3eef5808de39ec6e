# REQUIRES: data
# RUN: %python %s %data/graphs
"""In the graphs of other architectures and exporters every layer's attention, norms, activation, rotations and linear layers are recognised."""
import os
import re
import subprocess
import sys
import tempfile

#: graph: attentions, of them with a bias, rotations, norms, activations, linear layers, states
GRAPHS = {"bert_ortopt": (2, 0, 0, 5, 2, 9, 0), "bert_ts14": (2, 0, 0, 5, 2, 13, 0), "distilbert_optimum": (2, 0, 0, 5, 3, 13, 0),
          "gemma2_genai_fp32": (2, 0, 4, 9, 2, 11, 4), "gpt2_ts17": (2, 0, 0, 5, 2, 9, 4), "opt_optimum_past": (2, 0, 0, 5, 2, 13, 4),
          "phi3_optimum_past": (2, 0, 4, 5, 2, 9, 4), "qwen2_optimum_past": (2, 0, 4, 5, 2, 15, 4),
          "t5_encoder_optimum": (2, 2, 0, 5, 2, 14, 0), "t5_decoder_past_optimum": (4, 2, 0, 7, 2, 19, 4)}
failed = []
for name, wanted in GRAPHS.items():
    with tempfile.NamedTemporaryFile(suffix=".mlir") as module, tempfile.NamedTemporaryFile(suffix=".mlir") as out:
        subprocess.run(["terse-translate", "--import-onnx", os.path.join(sys.argv[1], name, "model.onnx"), "-o", module.name], check=True)
        report = subprocess.run(["terse-opt", module.name, "--terse-normalize-stage", "--terse-print-report", "-o", out.name], check=True,
                                capture_output=True, text=True).stderr
        text = open(out.name).read()
    facts = dict(re.findall(r": ([a-z-]+) (\d+)$", report, re.M))
    count = lambda op: len(re.findall(rf"= terse\.{op} ", text))
    got = (int(facts["attentions-recognized"]), int(facts["attentions-with-bias"]), count("rope"), count("norm"), count("activation"), count("linear"),
           int(facts["states"]))
    print(f"{name}: {got}")
    if got != wanted or int(facts["softmaxes-left"]):
        failed.append(f"FAILED {name}: expected {wanted} and no softmax left; got {got}\n{report}")
print("\n".join(failed))
sys.exit(bool(failed))
