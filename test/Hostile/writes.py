# UNSUPPORTED: asan
# RUN: rm -rf %t && mkdir -p %t && %python %s %t
"""Each call that writes fails in turn, as on a full disk: one error that names the
output, non-zero status, no file left, and a file that was there is as it was."""

import errno
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ["TERSE_SOURCE"], "test", "Import", "Inputs"))
import numpy as np
from models import FLOAT, constant, model, node, value

folder = os.path.realpath(sys.argv[1])
here = os.path.dirname(os.path.abspath(__file__))
library = os.path.join(folder, "fail.so")
subprocess.run(["clang-22", "-shared", "-fPIC", "-O1", os.path.join(here, "Inputs", "fail.c"), "-ldl", "-o", library],
               check=True)
rng = np.random.default_rng(1)
onnx = os.path.join(folder, "model.onnx")
with open(onnx, "wb") as file:
    file.write(model([node("MatMul", "x w", "y")], [value("x", ["n", 64])], [value("y", ["n", 64])],
                     [constant("w", rng.standard_normal((64, 64), np.float32))]).SerializeToString())


def compile_failing(place, output, options, at, code, old):
    """Status and messages where call number `at` fails; how many there were."""
    os.makedirs(place, exist_ok=True)
    target = os.path.join(place, output)
    for name in os.listdir(place):
        os.remove(os.path.join(place, name))
    if old:
        with open(target, "w") as file:
            file.write("as it was")
    count = os.path.join(folder, "count")
    done = subprocess.run(["tersec", onnx, "-o", target, "--levels=baseline", "--threads=1", *options],
                          env=dict(os.environ, LD_PRELOAD=library, FAIL_IN=place, FAIL_AT=str(at), FAIL_AS=str(code),
                                   FAIL_COUNT=count), capture_output=True, text=True, timeout=120)
    with open(count) as file:
        return done, int(file.read()), target


def check(what, output, options, step=1):
    place = os.path.join(folder, "out")
    for old in (False, True):
        done, calls, target = compile_failing(place, output, options, 0, 0, old)
        assert done.returncode == 0 and calls >= 4, (what, done, calls)
        whole = set(os.listdir(place))
        closes = 0
        for at in range(1, calls + 1, step):
            code = (errno.ENOSPC, errno.EIO, errno.EDQUOT)[at % 3]
            done, _, target = compile_failing(place, output, options, at, code, old)
            left = os.listdir(place)
            case = (what, at, calls, old, done.returncode, done.stderr, left)
            if done.returncode == 0:
                # What needs no success: closing a file that is complete or thrown away, or making
                # one without a name (then it gets one).
                closes += 1
                assert set(left) == whole, case
                continue
            assert done.returncode == 1 and done.stderr.count("error:") == 1, case
            assert os.strerror(code) in done.stderr and "/proc/" not in done.stderr, case
            assert left == ([output] if old else []), case
            if old:
                with open(target) as file:
                    assert file.read() == "as it was", case
        print(f"{what}: {calls} calls, {closes} of them without effect")
        assert closes <= 6, (what, closes)


check("artifact", "out.so", ["--recipe=w4"])
check("program", "out", ["--emit=exe"], step=3)
check("IR with weights", "out.mlir", ["--recipe=w4", "--stop-after=layout"])
