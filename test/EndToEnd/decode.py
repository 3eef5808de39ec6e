# REQUIRES: data
# UNSUPPORTED: asan
# RUN: %python %s
"""Prefill then decode, decode only, and parts in any sizes give the same logits."""

import ctypes
import tempfile

from endtoend import *

library = ctypes.CDLL(os.path.join(BUILD, "lib", "libterse_rt.so"))
library.terse_last_error.restype = ctypes.c_char_p
library.terse_vocabulary.restype = ctypes.c_size_t


class ContextOptions(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("threads", ctypes.c_int32),
                ("capacity", ctypes.c_int64), ("batch", ctypes.c_int64)]


def require(status):
    if status:
        sys.exit(library.terse_last_error().decode())


def open_model(path):
    model = ctypes.c_void_p()
    require(library.terse_model_open(path.encode(), None, ctypes.byref(model)))
    return model


def logits_after(model, tokens, sizes, threads=1):
    """Logits after `tokens`, given to the model in parts of these sizes."""
    options = ContextOptions(ctypes.sizeof(ContextOptions), threads, len(tokens) + 8, 1)
    context = ctypes.c_void_p()
    require(library.terse_context_create(model, ctypes.byref(options), ctypes.byref(context)))
    logits = np.empty(library.terse_vocabulary(context), np.float32)
    start = 0
    for size in sizes:
        part = (ctypes.c_int32 * size)(*tokens[start:start + size])
        require(library.terse_eval(context, part, ctypes.c_size_t(size),
                                   logits.ctypes.data_as(ctypes.c_void_p)))
        start += size
    assert start == len(tokens)
    library.terse_context_destroy(context)
    return logits


def all_logits(artifact, tokens):
    """Logits after each of `tokens`, of one run of the model."""
    values = {"input_ids": tokens, "attention_mask": [1] * len(tokens), "position_ids": range(len(tokens))}
    inputs = json.loads(must("terse-inspect", artifact, "--json").stdout)["manifest"]["inputs"]
    with tempfile.TemporaryDirectory() as folder:
        np.savez(f"{folder}/in.npz", **{i["name"]: np.array([values[i["name"]]], np.int64) for i in inputs})
        must("terse-run", artifact, "--inputs", f"{folder}/in.npz", "--outputs", f"{folder}/out.npz")
        return np.load(f"{folder}/out.npz")["logits"][0]


for name, recipe, bound in [("tales8m", "keep", 1e-4), ("tales2m", "keep", 1e-4),
                            ("stories260K", "keep", 1e-4), ("babyllama", "keep", 1e-4),
                            ("tales8m", "w4", 1e-3), ("tales8m", "w8", 1e-3)]:
    tokens = encode(name, open(STORIES).read(4000))[:100]
    artifact = compile_named(name, recipe)
    model = open_model(artifact)
    whole = logits_after(model, tokens, [100])
    scale = whole.max() - whole.min()
    rows = all_logits(artifact, tokens)
    check(rows.shape == (100, len(whole)) and (rows[-1] == whole).all(),
          f"{name}, {recipe}: logits of the last token alone are those among all")
    for what, sizes in [("one by one", [1] * 100), ("prefill, then decode", [60] + [1] * 40),
                        ("in odd parts", [1, 7, 33, 2, 57])]:
        error = np.abs(logits_after(model, tokens, sizes) - whole).max() / scale
        check(error <= bound, f"{name}, {recipe}: {what}: {error:.1e} of the range from all at once")
    for threads in (2, 3):
        check((logits_after(model, tokens, [99, 1], threads) ==
               logits_after(model, tokens, [99, 1])).all(),
              f"{name}, {recipe}: the same logits with {threads} threads")
    if recipe == "keep":
        oracle = Oracle(model_path(name)).run(tokens)[-1]
        error = np.abs(whole - oracle).max() / (oracle.max() - oracle.min())
        check(error <= 1e-3, f"{name}: {error:.1e} of the range from ONNX Runtime")
finish()
