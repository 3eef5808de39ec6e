"""Runs artifacts of tiny.mlir and compares with NumPy."""
import os
import subprocess
import sys
import tempfile

import numpy as np

w = np.array([[1, 2, -1, .5], [.5, -2, 1, 0], [.25, .5, .75, 1], [1, 1, 1, 1], [-1, 1, -1, 1], [0, 0, 3, 0],
              [2, 0, 0, -2], [.1, .2, .3, .4]], np.float32)
x = np.random.default_rng(1).normal(size=(7, 4)).astype(np.float32)
h = x @ w.T
h = h / (1 + np.exp(-h))
expected = np.exp(h - h.max(1, keepdims=True))
expected /= expected.sum(1, keepdims=True)
for path in sys.argv[1:]:
    with tempfile.TemporaryDirectory() as folder:
        np.savez(folder + "/in.npz", x=x)
        command = [path] if path.endswith(".exe") else ["terse-run", path]
        subprocess.run(command + ["--inputs", folder + "/in.npz", "--outputs", folder + "/out.npz"], check=True)
        y = np.load(folder + "/out.npz")["y"]
    difference = np.abs(y - expected).max()
    print("equal" if difference < 1e-6 else f"difference {difference}", os.path.basename(path))
