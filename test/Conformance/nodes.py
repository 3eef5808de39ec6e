# RUN: %python %s 48
"""The ONNX project's own node tests, imported, lowered plainly and run.

  nodes.py [EVERY [OFFSET]]      one test in EVERY (default: all), from number OFFSET on
  nodes.py NAME...               these

A test whose operators are not supported, or that is of a type or an operator set that Terse does not take, is left out and counted.
Inputs that ONNX lets vary at run time but Terse wants known when it compiles (axes, ...) are given as initializers. A wrong result fails.
"""
import collections
import concurrent.futures
import os
import re
import sys
import tempfile
import traceback
import warnings

import numpy as np
import onnx
from onnx import numpy_helper

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "Import", "Inputs"))
import importing

KNOWN = re.compile(r"must be known when the model is compiled|must be constant|cannot be found from the sizes|constant bounds|must be a small integer|"
                   r"scalar depth|whose last size is constant|expected constant")


def with_initializers(model, inputs, first):
    """The model with its small inputs of rank 0 or 1 as initializers, the first input too if `first`."""
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    kept = []
    for value in model.graph.input:
        array = inputs[value.name]
        if array.ndim <= 1 and array.size <= 64 and (first or value.name != model.graph.input[0].name):
            fixed.graph.initializer.append(numpy_helper.from_array(array, value.name))
        else:
            kept.append(value)
    del fixed.graph.input[:]
    fixed.graph.input.extend(kept)
    return fixed


def run(case):
    """(verdict, explanation)"""
    model, data_sets = case.model, case.data_sets
    names = [value.name for value in model.graph.input]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.onnx")
        fixed = False
        for inputs, outputs in data_sets:
            if any(not isinstance(array, (np.ndarray, np.generic)) for array in list(inputs) + list(outputs)):
                return "left out", "not tensors"
            feeds = {name: np.asarray(array) for name, array in zip(names, inputs)}
            onnx.save(model, path)
            try:
                importing.import_onnx(path)
            except RuntimeError as error:
                if not KNOWN.search(str(error)):
                    return "left out", str(error)
                fixed = True
                for first in (False, True):
                    onnx.save(with_initializers(model, feeds, first), path)
                    try:
                        importing.import_onnx(path)
                        break
                    except RuntimeError as error:
                        if first or not KNOWN.search(str(error)):
                            return "left out", str(error)
            compiled = importing.Model(path)
            got = compiled({name: array for name, array in feeds.items()})
            for value, want in zip(model.graph.output, outputs):
                result = got[value.name]
                want = np.asarray(want)
                was_bfloat16 = want.dtype.name == "bfloat16"
                if was_bfloat16:
                    result, want = result.view(want.dtype).astype(np.float32), want.astype(np.float32)
                if result.shape != want.shape or result.dtype != want.dtype:
                    return "wrong", f"{value.name}: expected {want.dtype}{list(want.shape)}; got {result.dtype}{list(result.shape)}"
                # A unit in the last place of the 16-bit types.
                unit = 8e-3 if was_bfloat16 else 1e-3 if want.dtype == np.float16 else 0
                if not np.allclose(result, want, rtol=max(case.rtol, unit), atol=max(case.atol, 1e-7, unit), equal_nan=True):
                    return "wrong", f"{value.name}: largest difference {np.nanmax(np.abs(result.astype(np.float64) - want.astype(np.float64))):.3g}"
        return "passed with initializers" if fixed else "passed", ""


def guarded(case):
    try:
        return run(case)
    except BaseException:
        text = traceback.format_exc()
        lines = [line for line in text.strip().splitlines() if line.strip()]
        return "failed", lines[-1]


def main():
    warnings.filterwarnings("ignore")
    from onnx.backend.test.case.node import collect_testcases
    stdout, sys.stdout = sys.stdout, open(os.devnull, "w")
    cases = [case for case in collect_testcases(None) if case.model is not None]
    sys.stdout = stdout
    numbers = [int(text) for text in sys.argv[1:] if text.isdigit()]
    chosen = [text for text in sys.argv[1:] if not text.isdigit()]
    if chosen:
        cases = [case for case in cases if case.name in chosen]
    elif numbers:
        cases = cases[(numbers[1] if len(numbers) > 1 else 0)::numbers[0]]
    if not os.environ.get("VERBOSE"):  # diagnostics of programs that are run
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    counts, bad = collections.Counter(), []
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for case, (verdict, why) in zip(cases, pool.map(guarded, cases)):
            counts[verdict] += 1
            if verdict in ("wrong", "failed"):
                bad.append(f"{case.name}: {verdict}: {why}")
                print(bad[-1], flush=True)
            elif chosen or os.environ.get("VERBOSE"):
                print(f"{case.name}: {verdict} {why}")
    print(dict(counts))
    passed = counts["passed"] + counts["passed with initializers"]
    sys.exit(1 if bad or not passed else 0)


if __name__ == "__main__":
    main()
