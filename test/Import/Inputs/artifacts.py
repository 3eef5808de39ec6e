"""Artifacts of small models, beside ONNX Runtime."""
import os
import re
import subprocess

import numpy as np
import onnxruntime


def run(*arguments):
    done = subprocess.run(arguments, capture_output=True, text=True, errors="replace")
    return done.returncode, done.stdout, done.stderr


def compile(path, *options):
    status, _, errors = run("tersec", path, "-o", path + ".so", *options)
    assert status == 0, errors
    return path + ".so"


def check(path, artifact, feeds, message=None, only=None):
    """The artifact gives what ONNX Runtime does, or refuses with the message. `only` says which inputs and outputs it has."""
    kept = (lambda name: True) if only is None else only
    folder = os.path.dirname(path)
    np.savez(f"{folder}/in.npz", **{name: array for name, array in feeds.items() if kept(name)})
    status, _, errors = run("terse-run", artifact, "--inputs", f"{folder}/in.npz", "--outputs", f"{folder}/out.npz")
    if message:
        assert status == 1 and errors.count("\n") == 1 and re.search(message, errors), (status, errors)
        return
    assert status == 0, errors
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    with np.load(f"{folder}/out.npz") as got:
        for output, want in zip(session.get_outputs(), session.run(None, feeds)):
            if kept(output.name):
                assert got[output.name].dtype == want.dtype, (output.name, got[output.name].dtype, want.dtype)
                np.testing.assert_allclose(got[output.name], want, rtol=1e-4, atol=1e-4, err_msg=output.name)
