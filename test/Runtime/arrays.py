# RUN: rm -rf %t && mkdir -p %t && %python %s %t
"""Inputs and outputs as NumPy files: types, orders, shapes, damage."""

import os
import pathlib
import struct
import subprocess
import sys
import zipfile

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "Inputs"))
from harness import error, run, run_json, toy
import toy as model

tmp = pathlib.Path(sys.argv[1])
none = toy(tmp / "none.so", "--memory", "none")
feedback = toy(tmp / "feedback.so", "--memory", "feedback")
state = toy(tmp / "state.so")
ids = np.array([[1, 2, 3, 250, 7]], np.int64)
want = model.logits(1, ids[0])
out = tmp / "out.npz"


def check(*args, logits="logits"):
    if out.exists():
        out.unlink()
    run(*args, "--outputs", out)
    got = np.load(out)
    assert got[logits].shape == (1, 5, 256), got[logits].shape
    assert np.abs(got[logits][0].astype(np.float64) - want).max() < 1e-4 * np.ptp(want)
    return got


# Stored, deflated, Fortran order, big-endian, header versions: all the same.
for save in (np.savez, np.savez_compressed):
    for array in (ids, ids.astype(">i8"), np.asfortranarray(np.repeat(ids, 2, 0))[:1]):
        save(tmp / "in.npz", input_ids=array)
        check(none, "--inputs", tmp / "in.npz")
fortran = np.asfortranarray(np.stack([ids[0], ids[0][::-1]]))
assert not fortran.flags.c_contiguous
np.savez(tmp / "two.npz", input_ids=fortran)
run(none, "--inputs", tmp / "two.npz", "--outputs", tmp / "two_out.npz")
assert np.load(tmp / "two_out.npz")["logits"].shape == (2, 5, 256)
for version in ((1, 0), (2, 0), (3, 0)):
    with open(tmp / "ids.npy", "wb") as file:
        np.lib.format.write_array(file, ids, version)
    got = check(none, "--input", f"input_ids={tmp}/ids.npy")
assert got["level"].dtype == np.int32 and got["level"].shape == (1,)

# All inputs of a model with a cache, from both kinds of file.
cache = np.random.default_rng(0).standard_normal((1, 1, 3, 8)).astype(np.float32)
inputs = {"attention_mask": np.ones((1, 8), np.int64), "position_ids": np.arange(3, 8)[None],
          "past_key_values.0.key": cache, "past_key_values.0.value": cache}
np.savez(tmp / "in.npz", **inputs)
run(feedback, "--inputs", tmp / "in.npz", "--input", f"input_ids={tmp}/ids.npy", "--outputs", out)
got = np.load(out)
assert np.array_equal(got["present.0.key"][:, :, :3], cache) and got["present.0.key"].shape == (1, 1, 8, 8)
# An empty cache.
inputs.update({"attention_mask": np.ones((1, 5), np.int64), "position_ids": np.arange(5)[None]})
for name in ("key", "value"):
    inputs[f"past_key_values.0.{name}"] = cache[:, :, :0]
np.savez(tmp / "empty.npz", input_ids=ids, **inputs)
check(feedback, "--inputs", tmp / "empty.npz")

# States: one run from nothing; the batch is the inputs'.
np.savez(tmp / "in.npz", input_ids=ids)
check(state, "--inputs", tmp / "in.npz")

# f16 and bf16 outputs; the latter come as f32.
for dtype, kind, precision in (("f16", np.float16, 2e-3), ("bf16", np.float32, 1e-2)):
    narrow = toy(tmp / f"{dtype}.so", "--logits", dtype)
    run(narrow, "--inputs", tmp / "in.npz", "--outputs", out)
    got = np.load(out)["logits"]
    assert got.dtype == kind and np.abs(got[0] - want).max() < precision * np.ptp(want), dtype

# The same outputs give the same bytes; the archive is sound.
run(none, "--inputs", tmp / "in.npz", "--outputs", tmp / "a.npz")
run(none, "--inputs", tmp / "in.npz", "--outputs", tmp / "b.npz")
assert (tmp / "a.npz").read_bytes() == (tmp / "b.npz").read_bytes()
assert zipfile.ZipFile(tmp / "a.npz").testzip() is None

# What does not fit is refused by name.
assert "inputs are missing: 'input_ids' i64 [batch, sequence]" in error(none, "--outputs", out)
np.savez(tmp / "bad.npz", input_idx=ids)
assert "no input 'input_idx'; did you mean 'input_ids'?" in error(none, "--inputs", tmp / "bad.npz")
np.savez(tmp / "bad.npz", input_ids=ids, zzzzzzzzzzzzzz=ids)
assert "--keep-cache-io" in error(state, "--inputs", tmp / "bad.npz")
np.savez(tmp / "bad.npz", input_ids=ids.astype(np.int32))
assert "expected i64 [batch, sequence]; got i32" in error(none, "--inputs", tmp / "bad.npz")
np.savez(tmp / "bad.npz", input_ids=ids[0])
assert "got shape [5]" in error(none, "--inputs", tmp / "bad.npz")
np.savez(tmp / "bad.npz", input_ids=ids.astype(complex))
assert "unsupported element type '<c16'" in error(none, "--inputs", tmp / "bad.npz")
np.savez(tmp / "bad.npz", input_ids=np.array(["x"], object))
assert "unsupported element type" in error(none, "--inputs", tmp / "bad.npz")
assert "expected NAME=FILE.npy" in error(none, "--input", "input_ids")
assert "is given twice" in error(none, "--inputs", tmp / "in.npz", "--input", f"input_ids={tmp}/ids.npy")
assert "No such file" in error(none, "--inputs", tmp / "nothing.npz")

# Numbers that no model expects are refused when asked.
for odd, counts in ((np.nan, "NaN: 2, infinities: 0, subnormal: 0"), (-np.inf, "NaN: 0, infinities: 2, subnormal: 0"),
                    (1e-40, "NaN: 0, infinities: 0, subnormal: 2")):
    bad = cache.copy()
    bad[0, 0, 1, 5] = bad[0, 0, 2, 7] = odd
    inputs.update({"attention_mask": np.ones((1, 8), np.int64), "position_ids": np.arange(3, 8)[None],
                   "past_key_values.0.key": cache, "past_key_values.0.value": bad})
    np.savez(tmp / "bad.npz", input_ids=ids, **inputs)
    run(feedback, "--inputs", tmp / "bad.npz", "--outputs", out)
    message = error(feedback, "--inputs", tmp / "bad.npz", "--check-inputs")
    assert message == f"input 'past_key_values.0.value': expected normal numbers and zeros; got another at [0, 0, 1, 5] ({counts} of 24)", message
run(feedback, "--inputs", tmp / "empty.npz", "--check-inputs", "--outputs", out)
assert "--check-inputs needs --inputs" in error(none, "--prompt-ids=1", "--check-inputs")

# Damage anywhere is an error or changes nothing, never a crash.
for save in (np.savez, np.savez_compressed):
    save(tmp / "good.npz", input_ids=ids)
    good = (tmp / "good.npz").read_bytes()
    for size in sorted({0, 1, 21, 22, 23, len(good) // 2, len(good) - 1, *range(0, len(good), 37)}):
        (tmp / "bad.npz").write_bytes(good[:size])
        error(none, "--inputs", tmp / "bad.npz")
    draw = np.random.default_rng(1)
    for _ in range(60):
        bad = bytearray(good)
        bad[draw.integers(len(bad))] ^= 1 << draw.integers(8)
        (tmp / "bad.npz").write_bytes(bad)
        done = subprocess.run(["terse-run", none, "--inputs", tmp / "bad.npz", "--outputs", out], capture_output=True)
        assert done.returncode in (0, 1), (done, bad)
npy = (tmp / "ids.npy").read_bytes()
for size in range(len(npy)):
    (tmp / "bad.npy").write_bytes(npy[:size])
    error(none, "--input", f"input_ids={tmp}/bad.npy")
huge = npy.replace(b"(1, 5)", b"(9999999999, 9999999999)")
(tmp / "bad.npy").write_bytes(huge)
assert "impossible shape" in error(none, "--input", f"input_ids={tmp}/bad.npy") or len(huge) != len(npy)

# Outputs replace what is there in one step, and only when all is well.
out.write_bytes(b"old")
error(none, "--inputs", tmp / "bad.npz", "--outputs", out)
assert out.read_bytes() == b"old"
link = tmp / "link.npz"
link.symlink_to(out)
run(none, "--inputs", tmp / "in.npz", "--outputs", link)
assert link.is_symlink() and np.load(out)["logits"].shape == (1, 5, 256)
assert "cannot write" in error(none, "--inputs", tmp / "in.npz", "--outputs", tmp / "no" / "out.npz")
assert "cannot write" in error(none, "--inputs", tmp / "in.npz", "--outputs", "/dev/full")
run(none, "--inputs", tmp / "in.npz", "--outputs", "/dev/null")
assert not os.path.isfile("/dev/null")
assert not [name for name in os.listdir(tmp) if name.startswith("out.npz.")], "a temporary file is left"
report = run_json(none, "--inputs", tmp / "in.npz")
assert report["outputs"]["logits"] == {"dtype": "f32", "shape": [1, 5, 256]}, report
