"""Imports an ONNX model and runs it by the plain lowering, without artifact and runtime.

What `terse-translate --import-onnx` writes is compiled as test/Numerics does it; weights become arguments.
"""
import os
import re
import subprocess
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "Numerics", "Inputs"))
import harness

harness.DTYPES.update({"i16": np.int16})
NUMPY = {"f64": np.float64, "f32": np.float32, "f16": np.float16, "bf16": np.uint16, "i64": np.int64, "i32": np.int32, "i16": np.int16,
         "i8": np.int8, "i1": np.bool_}
WEIGHT = re.compile(r'^ *(%\w+) = terse\.weight "[^"]*" = #terse\.file<"([^"]*)", (\d+), (\d+)> -> tensor<([^>]*)>\n', re.M)


def import_onnx(path):
    """The module's text; raises with the diagnostics on failure."""
    done = subprocess.run([harness.tool("terse-translate"), "--import-onnx", path], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip())
    return done.stdout


def evaluate(text, symbols):
    """A size as terse.dims has it: a sum of products."""
    text = re.sub(r"floordiv\(", "_floordiv(", text)
    names = {f"_s{i}": v for i, v in enumerate(symbols.values())}
    for i, name in sorted(enumerate(symbols), key=lambda item: -len(item[1])):
        text = re.sub(r"(?<![\w.:/])" + re.escape(name) + r"(?![\w.:/])", f"_s{i}", text)
    return int(eval(text, {"max": max, "min": min, "_floordiv": lambda a, b: a // b}, names))


class Model:
    """An imported model, callable with a dictionary of arrays."""

    def __init__(self, path, **options):
        text = import_onnx(path)
        self.weights = []

        def to_argument(match):
            _, file, offset, size, type = match.groups()
            *shape, element = type.split("x")
            self.weights.append((file, int(offset), NUMPY[element], [int(i) for i in shape]))
            return ""

        arguments = ", ".join(f"%weight{i}: tensor<{match.group(5)}>" for i, match in enumerate(WEIGHT.finditer(text)))
        for i, match in enumerate(list(WEIGHT.finditer(text))):
            text = re.sub(re.escape(match.group(1)) + r"(?!\w)(?! = terse\.weight)", f"%weight{i}", text)
        text = WEIGHT.sub(to_argument, text)
        head, result, rest = re.search(r"(func\.func @forward\(.*?\)) (-> .*?) \{\n(.*)", text, re.S).groups()
        head = re.search(r"func\.func @forward\((.*)", head, re.S).group(1)[:-1]
        self.inputs = self.describe(head)
        self.outputs = self.describe(result)
        joined = ", ".join(part for part in (head, arguments) if part)
        body = text[:text.index("func.func @forward")] + f"func.func @forward({joined}) {result} {{\n{rest}"
        self.compiled = harness.Compiled(body, **options)

    @staticmethod
    def describe(text):
        """(name, element type, dims, unsigned) of each argument or result."""
        return [(name, type.split("x")[-1], re.findall(r'"([^"]*)"', dims), "terse.unsigned" in text[:0] or bool(rest and "unsigned" in rest))
                for type, dims, name, rest in re.findall(
                    r'tensor<([^>]*)> \{terse\.dims = \[([^\]]*)\], terse\.name = "([^"]*)"(, terse\.unsigned)?\}', text)]

    def __call__(self, inputs, threads=1):
        symbols, arrays = {}, []
        for name, element, dims, _ in self.inputs:
            array = np.ascontiguousarray(inputs[name]).reshape(np.shape(inputs[name]))
            for text, size in zip(dims, array.shape):
                if re.fullmatch(r"[^\d\s(+*-][^\s(+*]*", text):
                    symbols.setdefault(text, size)
            arrays.append(array if array.dtype == NUMPY[element] else array.view(NUMPY[element]))
        for (name, _, dims, _), array in zip(self.inputs, arrays):
            wanted = [evaluate(text, symbols) for text in dims]
            assert list(array.shape) == wanted, f"input '{name}': expected {wanted}; got {list(array.shape)}"
        for file, offset, dtype, shape in self.weights:
            arrays.append(np.fromfile(file, dtype, int(np.prod(shape, dtype=np.int64)), offset=offset).reshape(shape))
        shapes = [tuple(evaluate(text, symbols) for text in dims) for _, _, dims, _ in self.outputs]
        results = self.compiled(*arrays, outputs=shapes, threads=threads)
        results = results if isinstance(results, list) else [results]
        unsigned = {"i8": np.uint8, "i16": np.uint16, "i32": np.uint32, "i64": np.uint64}
        return {name: result.view(unsigned[element]) if is_unsigned else result
                for (name, element, _, is_unsigned), result in zip(self.outputs, results)}
