# RUN: rm -rf %t && mkdir -p %t && %python %s %t
"""Outputs compared with another artifact's, and with labels, equal NumPy's float64."""

import math
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "Inputs"))
import numpy as np

from harness import error, run, run_json, toy

tmp = pathlib.Path(sys.argv[1])
mine = toy(tmp / "mine.so", "--memory", "none")
other = toy(tmp / "other.so", "--memory", "none", "--seed", "2")
half = toy(tmp / "half.so", "--memory", "none", "--logits", "f16")
rows = np.random.default_rng(1).integers(0, 256, (3, 21))
np.savez(tmp / "in.npz", input_ids=rows)


def outputs(artifact):
    run(artifact, "--inputs", tmp / "in.npz", "--outputs", tmp / "out.npz")
    return np.load(tmp / "out.npz")["logits"].astype(np.float64)


for reference in (other, half, mine):
    got = run_json(mine, "--inputs", tmp / "in.npz", "--against", reference)["outputs"]
    x, y = outputs(mine), outputs(reference)
    want = {"max_abs": np.abs(x - y).max(), "range": np.ptp(y), "max_over_range": np.abs(x - y).max() / np.ptp(y),
            "relative_l2": np.linalg.norm(x - y) / np.linalg.norm(y),
            "argmax_agreement": (x.argmax(-1) == y.argmax(-1)).mean(), "rows": 63, "unequal_non_finite": 0}
    for key, value in want.items():
        assert math.isclose(got["logits"][key], value, rel_tol=1e-12), (reference, key, got, value)
    # Integers of one element a row: nothing to choose from.
    assert got["level"]["max_abs"] == 0 and "rows" not in got["level"], got
    assert got["logits"]["shape"] == [3, 21, 256] and got["logits"]["dtype"] == "f32", got
assert got["logits"]["max_abs"] == 0 and got["logits"]["argmax_agreement"] == 1, got

# Accuracy: integer labels of any type and shape, one a row.
logits, others = outputs(mine), outputs(other)
labels = np.where(np.arange(63).reshape(3, 21) % 3 == 0, others.argmax(-1), logits.argmax(-1))
for array in (labels.astype(np.int64), labels.ravel().astype(np.uint8), labels.astype(">i4")):
    np.save(tmp / "labels.npy", array)
    for given in (tmp / "labels.npy", f"logits={tmp / 'labels.npy'}"):
        got = run_json(mine, "--inputs", tmp / "in.npz", "--labels", given, "--against", other)["outputs"]["logits"]
        assert got["accuracy"] == (logits.argmax(-1) == labels).mean() < 1, got
        assert got["against_accuracy"] == (others.argmax(-1) == labels).mean(), got

text = run(mine, "--inputs", tmp / "in.npz", "--labels", tmp / "labels.npy", "--against", other).stdout.decode()
assert "logits: max_abs " in text and "argmax_agreement" in text and "\nlogits: accuracy " in text, text

np.save(tmp / "few.npy", labels.ravel()[:5])
np.save(tmp / "far.npy", labels + 300)
np.save(tmp / "float.npy", labels.astype(np.float32))
for file, message in (("few.npy", "expected as many labels as rows of the output, 63; got 5"),
                      ("far.npy", "expected labels of 0 to 255; got "),
                      ("float.npy", "expected integers as labels; got f32"), ("none.npy", "No such file")):
    assert message in error(mine, "--inputs", tmp / "in.npz", "--labels", tmp / file), file
cache = toy(tmp / "feedback.so", "--memory", "feedback")
assert "has an input 'attention_mask' that is not given" in error(mine, "--inputs", tmp / "in.npz", "--against", cache)
