"""Terse itself: an artifact that tersec makes of the model, run by the Python package."""
import ctypes
import glob
import hashlib
import json
import os
import pathlib
import subprocess
import sys

import numpy as np

import language
from samples import sample
from worker import timed


def artifact(spec):
    """Compiled once for each compiler, model and recipe."""
    stamps = [(path, os.stat(path).st_mtime_ns, os.stat(path).st_size) for path in (spec["compiler"], spec["onnx"])]
    key = hashlib.sha256(json.dumps([stamps, spec["recipe"], spec["level"]]).encode()).hexdigest()[:16]
    name = "terse-" + spec["recipe"].replace(":", "-")
    path = os.path.join(spec["folder"], f"{name}@{key}.so")
    if not os.path.exists(path):
        for old in glob.glob(os.path.join(spec["folder"], name + "@*.so")):
            os.remove(old)
        done = subprocess.run([spec["tersec"], spec["onnx"], "--recipe=" + spec["recipe"], "--levels=" + spec["level"], "--quiet", "-o", path],
                              capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError((done.stderr.strip().splitlines() or ["tersec failed"])[0])
    return path


class Engine:
    def __init__(self, spec):
        sys.path.insert(0, spec["package"])
        import terse
        terse._libraries.folders = lambda: [pathlib.Path(spec["compiler"]).parent]  # those of this build
        self.spec, self.note, self.version = spec, spec["recipe"], terse.__version__
        self.model = terse.load(artifact(spec), threads=spec["threads"], cpu_level=spec["level"])
        self.sessions = []
        getattr(self, "load_" + spec["kind"])()

    # ---- arrays in, arrays out

    def session_of(self, inputs):
        """A function that runs the model on the inputs, into the same arrays each time."""
        session = self.model.session()
        outputs = session.run(inputs)
        return lambda: session.run(inputs, out=outputs)

    def load_linear(self):
        x = np.load(self.spec["inputs"])["x"]
        rows = {m: {f"x{i}": np.ascontiguousarray(x[i, :m]) for i in range(len(x))} for m in self.spec["rows"] + [self.spec["checked"]]}
        self.measures = {f"{m} rows": timed(self.session_of(rows[m])) for m in self.spec["rows"]}
        self.sample = lambda: sample(np.stack(list(self.session_of(rows[self.spec["checked"]])().values())))

    def load_encoder(self):
        ids = np.load(self.spec["inputs"])["input_ids"]
        given = {m: {"input_ids": ids[:m].copy(), "attention_mask": np.ones_like(ids[:m]), "token_type_ids": np.zeros_like(ids[:m])}
                 for m in self.spec["batches"]}
        self.measures = {f"batch {m}": timed(self.session_of(given[m])) for m in self.spec["batches"]}
        self.sample = lambda: sample(self.session_of(given[1])()["last_hidden_state"])

    # ---- language models

    def load_language(self):
        self.measures, evaluator = language.measures(self.spec, self.evaluator)
        self.sample = lambda: sample(evaluator()(self.spec["prompt"], True))

    def evaluator(self, threads):
        # By the C interface, as llama.cpp is called: what Python adds is then the same.
        session = self.model.session(threads=threads, context=self.spec["context"])
        self.sessions.append(session)
        library, pointer = session._library, session._handle.pointer
        logits = np.empty(session.vocabulary, np.float32)
        address = ctypes.c_void_p(logits.ctypes.data)

        def run(ids, first):
            if first:
                library.terse_reset(pointer)
            if library.terse_eval(pointer, (ctypes.c_int32 * len(ids))(*ids), len(ids), address):
                raise RuntimeError(library.terse_last_error().decode())
            return logits
        return run
