# RUN: %python %s
"""Decoders as no exporter of the test data writes them are recognised, and give ONNX Runtime's logits."""
import os
import re
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
import decoders

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


for name, (make, attentions, ropes, biased, states) in decoders.DECODERS.items():
    if sys.argv[1:] and name not in sys.argv[1:]:
        continue
    with tempfile.TemporaryDirectory() as folder:
        path = lambda file: os.path.join(folder, file)
        onnx.save(make(), path("model.onnx"))
        run("terse-translate", "--import-onnx", path("model.onnx"), "-o", path("model.mlir"))
        report = run("terse-opt", path("model.mlir"), "--terse-normalize-stage", "--terse-print-report", "-o", path("out.mlir"))
        facts = dict(re.findall(r": ([a-z-]+) (\d+)$", report, re.M))
        wanted = {"attentions-recognized": attentions, "ropes-recognized": ropes, "attentions-with-bias": biased, "states": states,
                  "softmaxes-left": 0}
        got = {fact: int(facts.get(fact, -1)) for fact in wanted}
        check(got == wanted, f"{name}: {got}; expected {wanted}\n" * (got != wanted) or f"{name}: {got}")
        if got != wanted:
            print(report)

        session = onnxruntime.InferenceSession(path("model.onnx"), providers=["CPUExecutionProvider"])
        ids = np.random.default_rng(0).integers(0, decoders.VOCABULARY, (1, 12))
        feeds = {i.name: np.ones(ids.shape, np.int64) if i.name == "attention_mask" else
                 ids if i.name == "input_ids" else np.zeros((1, i.shape[1], 0, i.shape[3]), np.float32) for i in session.get_inputs()}
        want = session.run(["logits"], feeds)[0]
        run("tersec", path("model.onnx"), "-o", path("model.so"))
        inputs = {k: v for k, v in feeds.items() if not k.startswith("past")}
        np.savez(path("in.npz"), **inputs)
        run("terse-run", path("model.so"), "--inputs", path("in.npz"), "--outputs", path("out.npz"))
        logits = np.load(path("out.npz"))["logits"]
        error = np.abs(logits - want).max() / np.ptp(want)
        check(error < 1e-5, f"{name}: logits, error {error:.2g} of their range")

        # Token by token through the cache: greedy text.
        tokens = ids[0, :4].tolist()
        for _ in range(8):
            feeds = {k: np.array([tokens]) if k == "input_ids" else np.ones((1, len(tokens)), np.int64) if k == "attention_mask" else v
                     for k, v in feeds.items()}
            tokens.append(int(session.run(["logits"], feeds)[0][0, -1].argmax()))
        text = run("terse-run", path("model.so"), "--prompt-ids=" + ",".join(map(str, tokens[:4])), "--max-tokens=8", "--ignore-eos",
                   "--no-bos", "--json")
        ids_of_text = [int(i) for i in re.search(r'"token_ids":\[([\d,]*)\]', text).group(1).split(",")]
        check(ids_of_text == tokens[4:], f"{name}: greedy text {ids_of_text}, ONNX Runtime's {tokens[4:]}")
sys.exit(bool(failed))
