# RUN: %python %s
"""Encoders: attention is recognised, and outputs are ONNX Runtime's for several sizes and paddings."""
import os
import re
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
import encoders

failed = []


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def check(condition, text):
    print(("ok:     " if condition else "FAILED: ") + text)
    if not condition:
        failed.append(text)


def inputs(session, batch, length, padded, rng):
    """Values for each input; the last sequence has two tokens less if `padded`."""
    feeds = {}
    for i in session.get_inputs():
        if i.name == "pixels":
            feeds[i.name] = rng.standard_normal([batch] + i.shape[1:]).astype(np.float32)
        elif i.name == "attention_mask":
            feeds[i.name] = np.ones((batch, length), np.int64)
            if padded:
                feeds[i.name][-1, -2:] = 0
        else:
            feeds[i.name] = rng.integers(0, encoders.VOCABULARY, (batch, length))
    return feeds


for name, (make, attentions, biased, linears) in encoders.ENCODERS.items():
    if sys.argv[1:] and name not in sys.argv[1:]:
        continue
    with tempfile.TemporaryDirectory() as folder:
        path = lambda file: os.path.join(folder, file)
        onnx.save(make(), path("model.onnx"))
        run("tersec", path("model.onnx"), "--stop-after=normalize", "-o", path("out.mlir"))
        text = open(path("out.mlir")).read()
        got = [len(re.findall(pattern, text)) for pattern in (r"= terse\.attention ", r"= terse\.attention .* bias ", r"= terse\.linear ")]
        check(got == [attentions, biased, linears],
              f"{name}: attentions, biased ones, linear layers {got}; expected {[attentions, biased, linears]}")
        session = onnxruntime.InferenceSession(path("model.onnx"), providers=["CPUExecutionProvider"])
        run("tersec", path("model.onnx"), "-o", path("model.so"), "--levels=baseline")
        rng = np.random.default_rng(0)
        for batch, length, padded in ((1, 7, False), (2, 12, False), (2, 5, True), (1, 1, False)):
            feeds = inputs(session, batch, length, padded, rng)
            want = session.run(None, feeds)[0]
            np.savez(path("in.npz"), **feeds)
            run("terse-run", path("model.so"), "--inputs", path("in.npz"), "--outputs", path("out.npz"))
            error = np.abs(np.load(path("out.npz"))["hidden"] - want).max() / np.ptp(want)
            check(error < 1e-5, f"{name}, {batch} of {length}{', padded' * padded}: error {error:.2g} of the range")
sys.exit(bool(failed))
