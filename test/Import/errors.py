# RUN: %python %s
"""Every defect of a file gives one clear error that names the node, and never a crash."""
import os
import re
import sys
import tempfile

import numpy as np
import onnx
from onnx import helper

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
from models import *

failures = 0


def expect(what, content, *patterns):
    """One error, with all of the patterns."""
    global failures
    status, output, errors = content if isinstance(content, tuple) else translate_model(content)
    good = status == 1 and not output and errors.count("error:") == 1 and all(re.search(p, errors) for p in patterns)
    if not good:
        failures += 1
        print(f"FAILED {what}: status {status}\n{errors}\n  expected {patterns}")


X, Y = value("x", ["n", 4]), value("y", ["n", 4])
relu = node("Relu", "x", "y")
good = model([relu], [X], [Y])
status, output, errors = translate_model(good)
assert status == 0 and "terse.activation" in output, errors

# Versions and structure.
expect("empty file", b"", "no graph")
expect("no protobuf", b"\xff" * 100, "not a valid ONNX file")
expect("text", b"hello, world\n" * 10, "not a valid ONNX file")
expect("old operator set", model([relu], [X], [Y], opset=12), "expected operator set 13 to", "got 12")
expect("new operator set", model([relu], [X], [Y], opset=999), "got 999")
expect("IR version", model([relu], [X], [Y], ir=99), "expected ONNX IR version 3 to", "got 99")
unversioned = model([relu], [X], [Y])
del unversioned.opset_import[:]
expect("no operator set", unversioned, "expected an operator set of ai.onnx")
expect("order", model([node("Relu", "a", "y", "second"), node("Relu", "x", "a", "first")], [X], [Y]), "node 'second'", "'a'", "topological")
expect("cycle", model([node("Add", "x b", "a", "one"), node("Relu", "a", "b", "two"), node("Relu", "b", "y")], [X], [Y]), "node 'one'", "cycles")
expect("missing input", model([node("Add", "x nowhere", "y", "sum")], [X], [Y]), "node 'sum' \\(Add\\)", "'nowhere'")
expect("too few inputs", model([node("Add", "x", "y", "sum")], [X], [Y]), "node 'sum'", "expected input 1")
expect("too many inputs", model([node("Relu", "x x", "y", "r")], [X], [Y]), "node 'r'", "at most 1 inputs; got 2")
expect("name twice", model([node("Relu", "x", "y", "one"), node("Relu", "x", "y", "two")], [X], [Y]), "node 'two'", "earlier value")
expect("input twice", model([relu], [X, X], [Y]), "'x' is defined twice")
expect("initializer twice", model([node("Add", "x c", "y")], [X], [Y], [constant("c", np.ones(4, np.float32))] * 2), "'c' is defined twice")
expect("output missing", model([relu], [X], [value("z", [1])]), "'z' is not computed")
expect("output type", model([relu], [X], [value("y", ["n", 4], INT64)]), "'y'", "expected int64 as declared; got float")
expect("strings", model([node("Identity", "x", "y")], [value("x", [1], STRING)], [value("y", [1], STRING)]), "'x'", "string")

# Of elements whose number values decide, nothing may be computed but one by one.
nonzero = node("NonZero", "x", "p", "which")
P = value("y", [2, None], INT64)
expect("number of non-zeros read", model([nonzero, node("Size", "p", "s", "count"), node("Cast", "s", "y", "c", to=1)], [X], [value("y", [])]),
       "node 'count'", "used otherwise than one by one")
expect("number of non-zeros computed with", model([nonzero, node("Shape", "p", "s"), node("Cast", "s", "y", "c", to=1)], [X], [value("y", [2])]),
       "depends on values")
expect("sum of non-zeros", model([nonzero, node("ReduceSum", "p", "y", "sum", keepdims=0)], [X], [value("y", [], INT64)]),
       "node 'sum'", "used otherwise than one by one")

# All unsupported operators at once.
nodes = [node("Frobnicate", "x", "a", "f1"), node("Frobnicate", "a", "b", "f2"), node("Relu", "b", "c"),
         helper.make_node("Magic", ["c"], ["y"], name="m", domain="org.example")]
expect("unsupported", model(nodes, [X], [Y], domains=["org.example"]), "2 operators are not supported, in 3 nodes",
       "Frobnicate \\(2\\): 'f1', 'f2'", "org.example::Magic \\(1\\): 'm'")
# A dead node is not in the way.
status, output, errors = translate_model(model([relu, node("Frobnicate", "x", "z")], [X], [Y]))
assert status == 0, errors

# Types, shapes, attributes.
expect("types", model([node("Add", "x i", "y", "sum")], [X, value("i", [4], INT64)], [Y]), "node 'sum'", "one type; got float and int64")
expect("broadcast", model([node("Add", "x c", "y", "sum")], [X], [Y], [constant("c", np.ones(3, np.float32))]), "node 'sum'", "4 and 3")
expect("matmul", model([node("MatMul", "x c", "y", "mm")], [X], [Y], [constant("c", np.ones((3, 4), np.float32))]), "node 'mm'", "4 and 3")
expect("axis", model([node("Softmax", "x", "y", "s", axis=2)], [X], [Y]), "node 's'", "axis in -2..1; got 2")
expect("permutation", model([node("Transpose", "x", "y", "t", perm=[0, 0])], [X], [Y]), "node 't'", "permutation")
expect("reshape", model([node("Reshape", "c s", "y", "r")], [X], [Y], [constant("c", np.ones(6, np.float32)), constant("s", np.array([4, -1]))]),
       "node 'r'", "cannot reshape 6 elements")
expect("reshape sizes", model([node("Reshape", "x s", "y", "r")], [value("x", [2, 3])], [Y], [constant("s", np.array([4, 2]))]), "node 'r'", "6 and 8")
expect("index", model([node("Gather", "x i", "y", "g", axis=1)], [X], [Y], [constant("i", np.array([1, 7]))]), "node 'g'", "-4..3; got 7")
expect("split", model([node("Split", "x s", "y z", "s", axis=1)], [X], [Y], [constant("s", np.array([1, 1]))]), "node 's'", "sum of the parts")
expect("slice step", model([node("Slice", "x a b c d", "y", "s")], [X], [Y], [constant(n, np.array([v])) for n, v in zip("abcd", (0, 4, 1, 0))]),
       "node 's'", "step other than 0")
expect("squeeze", model([node("Squeeze", "x a", "y", "s")], [X], [Y], [constant("a", np.array([1]))]), "node 's'", "4 and 1")
expect("cast", model([node("Cast", "x", "y", "c", to=STRING)], [X], [Y]), "node 'c'", "string")
expect("unknown shape", model([node("Reshape", "x s", "y", "r")], [X, value("s", ["k"], INT64)], [Y]), "node 'r'", "shape")
expect("negative size", model([node("ConstantOfShape", "s", "y", "c")], [X], [Y], [constant("s", np.array([-3]))]), "node 'c'", "got -3")
expect("absurd size", model([relu], [value("x", [1 << 50, 4])], [Y]), "'x'", "expected a size")

# Sizes that are derived from each other without end, and products of long sums.
deep = [node("Shape", "x", "s0", end=1)]
for i in range(60):
    deep += [node("Div", f"s{i} three", f"a{i}"), node("Div", f"s{i} seven", f"b{i}"), node("Mul", f"a{i} b{i}", f"c{i}"), node("Max", f"c{i} a{i}", f"s{i + 1}")]
expect("deep size", model(deep + [node("ConstantOfShape", "s60", "y")], [X], [value("y", None)], [constant("three", np.array([3])), constant("seven", np.array([7]))]),
       "depends on values|too_deep")
long = value("x", [" + ".join(f"a{i}{j}" for j in range(100)) for i in range(12)])
assert translate_model(model([node("Flatten", "x", "y")], [long], [value("y", None)]))[0] == 0

# Tensors' data.
def tensor(**fields):
    made = onnx.TensorProto(name="c", data_type=FLOAT, dims=[4])
    for name, content in fields.items():
        if isinstance(content, list):
            getattr(made, name)[:] = content
        else:
            setattr(made, name, content)
    return model([node("Add", "x c", "y", "sum")], [X], [Y], [made])

expect("short data", tensor(raw_data=b"1234"), "'c'", "expected 16 bytes of data for its shape; got 4")
expect("long data", tensor(raw_data=b"1234" * 5), "'c'", "expected 16 bytes", "got 20")
expect("no data", tensor(), "'c'", "expected 4 values")
expect("few values", tensor(float_data=[1.0]), "'c'", "expected 4 values")
expect("negative dimension", tensor(dims=[-4], raw_data=b"1" * 16), "'c'", "dimensions of 0 or more")
expect("overflowing shape", tensor(dims=[1 << 40, 1 << 40], raw_data=b"1" * 16), "'c'", "product below")
expect("type of data", tensor(data_type=STRING, raw_data=b"1" * 16), "'c'", "string")


def external(location, offset="0", length=None, content=b"\0" * 64, prepare=None):
    made = onnx.TensorProto(name="c", data_type=FLOAT, dims=[4], data_location=onnx.TensorProto.EXTERNAL)
    for key, text in (("location", location), ("offset", offset), ("length", length)):
        if text is not None:
            made.external_data.add(key=key, value=text)
    with tempfile.TemporaryDirectory() as outer:
        folder = os.path.join(outer, "inner")
        os.mkdir(folder)
        with open(os.path.join(outer, "secret"), "wb") as file:
            file.write(b"\1" * 64)
        with open(os.path.join(folder, "data"), "wb") as file:
            file.write(content)
        os.symlink("../secret", os.path.join(folder, "link"))
        os.mkfifo(os.path.join(folder, "pipe"))
        return translate(save(model([node("Add", "x c", "y", "sum")], [X], [Y], [made]), folder))


assert external("data", "16", "16")[0] == 0
expect("external missing", external("nothing"), "'c'", "external data 'nothing'", "No such file")
expect("external outside", external("../secret"), "inside of the model's folder")
expect("external absolute", external("/etc/passwd"), "relative to the model's folder")
expect("external link outside", external("link"), "inside of the model's folder")
expect("external pipe", external("pipe"), "not a regular file")
expect("external folder", external("."), "folder|regular")
expect("external no location", external(None), "relative to the model's folder")
expect("external cut off", external("data", "56"), "expected 16 bytes at 56; the file has 64")
expect("external offset beyond", external("data", "1000"), "the file has 64")
expect("external offset overflow", external("data", "18446744073709551600"), "the file has 64")
expect("external offset text", external("data", "ten"), "expected an integer", "'ten'")
expect("external offset negative", external("data", "-16"), "expected an integer")
expect("external length", external("data", "0", "8"), "expected external data of 16 bytes for its shape; got 8")

# Functions.
double = helper.make_function("org.example", "F", ["a"], ["b"], [helper.make_node("F", ["a"], ["b"], domain="org.example")],
                              [helper.make_opsetid("org.example", 1)])
call = helper.make_node("F", ["x"], ["y"], name="call", domain="org.example")
expect("function calls itself", model([call], [X], [Y], functions=[double], domains=["org.example"]), "'F'", "nested too deeply")
expect("function twice", model([call], [X], [Y], functions=[double, double], domains=["org.example"]), "defined twice")

# Every truncation, and random damage: an error or a model, never a crash.
rng = np.random.default_rng(1)
damaged = model([node("Reshape", "x s", "a"), node("Concat", "a a", "b", axis=1), node("Slice", "b i j k", "y"), node("MatMul", "y w", "z")],
                [X], [value("z", None)], [constant(n, np.array([v])) for n, v in (("i", 0), ("j", 4), ("k", 1))] +
                [constant("s", np.array([-1, 2])), constant("w", np.ones((4, 300), np.float32))])
content = damaged.SerializeToString()
assert translate_model(content)[0] == 0, translate_model(content)[2]
head = content.index(b"reshape") if b"reshape" in content else 400
variants = [content[:i] for i in range(0, min(len(content), 900), 9)]
for _ in range(250):
    copy = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        copy[rng.integers(0, 450)] = rng.integers(0, 256)
    variants.append(bytes(copy))
for variant in variants:
    status, _, errors = translate_model(variant)
    if status not in (0, 1) or (status == 1 and "error:" not in errors) or "PLEASE submit" in errors:
        failures += 1
        with open("crash.onnx", "wb") as file:
            file.write(variant)
        print(f"FAILED damaged file: status {status}\n{errors[:2000]}")
        break
sys.exit(1 if failures else 0)
