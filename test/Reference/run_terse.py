"""Terse itself: tersec calibrates and rounds, terse-run measures, in float arithmetic (w8a8: in its integers).

For the float model terse-run's perplexity is the common evaluator's to five digits, which the driver checks.
"""
import json
import os
import subprocess

from common import bits_per_weight, CALIBRATION_WINDOWS, EVALUATION_WINDOWS, format_of, grouped_bits, WINDOW

FIGURES = ["float", "w8a8", "w8a8-channel"] + [f"{f}-{s}" for f in ("w4-g64", "w4-g32", "w3-g64", "w3-g32", "w2-g64", "w2-g32") for s in ("asym", "sym")] + [
    f"{f}-asym-rotate" for f in ("w3-g64", "w2-g64", "w2-g32")] + ["w2-g64-sym-damped", "w2-g32-sym-damped"]


def bits_of(figure):
    if figure == "float":
        return 32
    if figure.startswith("w8a8"):
        return bits_per_weight(8, 256 if "channel" in figure else 32)
    bits, group = format_of(figure)
    return grouped_bits(bits, group, "asym" not in figure)


def passes(figure):
    if figure.startswith("w8a8"):
        return f"terse-quantize-weights{{bits=8 group-size={0 if 'channel' in figure else 32} head-bits=0}},terse-quantize-activations"
    bits, group = format_of(figure)
    rotate = "terse-rotate-hadamard," if "rotate" in figure else ""
    awq = "terse-awq-scale," if "awq" in figure else ""
    fold = ",terse-fold-scales" if awq else ""
    damping = "damping=0.3 " if "damped" in figure else ""
    return (f"{rotate}{awq}terse-quantize-weights{{head-bits=0 method=gptq {damping}bits={bits} group-size={group} "
            f"symmetric={'false' if 'asym' in figure else 'true'}}}{fold}")


def measure(figure, model, programs, folder, threads):
    """Perplexity of one figure; raises CalledProcessError with what the program said."""
    artifact = os.path.join(folder, "terse.so")
    command = [os.path.join(programs, "tersec"), model.onnx, "-o", artifact, f"--threads={threads}", "--quiet",
               "--tokenizer=" + os.path.join(model.folder, "tokenizer.model")]
    if figure != "float":
        command.append("--pass-pipeline=" + passes(figure))
    if figure != "float" and not figure.startswith("w8a8"):
        command += [f"--calib={model.text}", f"--calib-windows={CALIBRATION_WINDOWS}", f"--calib-window={WINDOW}"]
    if "damped" in figure:
        command.append("--calib-inputs=original")
    subprocess.run(command, check=True, capture_output=True, text=True)
    said = subprocess.run([os.path.join(programs, "terse-run"), artifact, f"--perplexity={model.held_out}", f"--window={WINDOW}",
                           f"--max-windows={EVALUATION_WINDOWS}", f"--threads={threads}", "--json"], check=True, capture_output=True, text=True)
    os.remove(artifact)
    return json.loads(said.stdout)["perplexity"]
