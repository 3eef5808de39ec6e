# RUN: %python %s %models
"""Sequences of different lengths, padded on the left or the right, give ONNX Runtime's logits where tokens are."""
import os
import subprocess
import sys
import tempfile

import numpy as np
import onnxruntime

failed = False
for path in sorted(os.path.join(folder, file) for folder, _, files in os.walk(sys.argv[1]) for file in files if file.endswith(".onnx")):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()]
    if "attention_mask" not in names:
        continue
    ids = np.random.default_rng(3).integers(3, 4000, (2, 10))
    for side in ("left", "right"):
        mask = np.ones((2, 10), np.int64)
        mask[1, slice(0, 4) if side == "left" else slice(6, 10)] = 0
        feeds = {"input_ids": ids, "attention_mask": mask}
        if "position_ids" in names:
            feeds["position_ids"] = np.maximum(np.cumsum(mask, 1) - 1, 0)
        for i in session.get_inputs():
            if i.name.startswith("past"):
                feeds[i.name] = np.zeros((2, i.shape[1], 0, i.shape[3]), np.float32)
        want = session.run(["logits"], feeds)[0]
        with tempfile.TemporaryDirectory() as folder:
            model, inputs, outputs = (os.path.join(folder, name) for name in ("model.so", "in.npz", "out.npz"))
            subprocess.run(["tersec", path, "-o", model, "--recipe=f32"], check=True)
            np.savez(inputs, **{k: v for k, v in feeds.items() if not k.startswith("past")})
            subprocess.run(["terse-run", model, "--inputs", inputs, "--outputs", outputs], check=True)
            got = np.load(outputs)["logits"]
        error = np.abs(got - want)[mask.astype(bool)].max() / np.ptp(want)
        print(f"{os.path.basename(path)}, padded on the {side}: error {error:.2g} of the range")
        failed |= not error < 1e-5
sys.exit(failed)
