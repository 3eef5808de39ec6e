# RUN: %python %s %t && FileCheck %s --input-file=%t
"""The IR that operators become: shapes fold, weights point into files, functions are inlined."""
import os
import re
import sys
import tempfile

import numpy as np
from onnx import helper

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
from models import *

log = open(sys.argv[1], "w")


def show(title, content):
    status, output, errors = translate_model(content)
    log.write(f"=== {title}\n{re.sub('/[^ ]*/model.onnx', 'model.onnx', output) or errors}\n")
    if status:
        sys.exit(f"{title}: {errors}")


rng = np.random.default_rng(1)
X = value("x", ["batch", "sequence", 64])

# Shape, Gather, Unsqueeze, Concat, Reshape: only the reshape is left, with sizes from the input.
show("shape chain", model([
    node("Shape", "x", "s"), node("Gather", "s zero", "b", axis=0), node("Unsqueeze", "b axis", "b1"),
    node("Concat", "b1 minus heads size", "target", axis=0), node("Reshape", "x target", "r"), node("Transpose", "r", "y", perm=[0, 2, 1, 3])],
    [X], [value("y", None)],
    [constant("zero", np.array(0)), constant("axis", np.array([0])), constant("minus", np.array([-1])), constant("heads", np.array([4])), constant("size", np.array([16]))]))
# CHECK-LABEL: === shape chain
# CHECK: func.func @forward(%[[X:.*]]: tensor<?x?x64xf32> {terse.dims = ["batch", "sequence", "64"], terse.name = "x"})
# CHECK-SAME: -> (tensor<?x4x?x16xf32> {terse.dims = ["batch", "4", "sequence", "16"], terse.name = "y"})
# CHECK-DAG: %[[B:.*]] = tensor.dim %[[X]], %c0
# CHECK-DAG: %[[S:.*]] = tensor.dim %[[X]], %c1
# CHECK: %[[R:.*]] = tensor.expand_shape %[[X]] {{\[\[}}0], [1], [2, 3]] output_shape [%[[B]], %[[S]], 4, 16]
# CHECK: linalg.transpose ins(%[[R]]

# A layer's weight is a place in the file; its name comes from the node where the file's says nothing.
show("linear", model([node("MatMul", "x onnx::MatMul_7", "h", "/model/layers.3/mlp/up_proj/MatMul"), node("MatMul", "h down.weight", "y", "last")],
    [X], [value("y", None)], [constant("onnx::MatMul_7", rng.random((64, 32), np.float32)), constant("down.weight", rng.random((32, 64), np.float32))]))
# CHECK-LABEL: === linear
# CHECK-DAG: %[[UP:.*]] = terse.weight "model.layers.3.mlp.up_proj.weight" = #terse.file<"model.onnx", {{[0-9]+}}, 8192> -> tensor<64x32xf32>
# CHECK-DAG: %[[DOWN:.*]] = terse.weight "down.weight" = #terse.file<"model.onnx", {{[0-9]+}}, 8192> -> tensor<32x64xf32>
# CHECK: %[[H:.*]] = terse.linear %{{.*}}, %[[UP]] {name = "model.layers.3.mlp.up_proj", reduction_axis = 0 : i64}
# CHECK: terse.linear %[[H]], %[[DOWN]] {name = "down", reduction_axis = 0 : i64}

# Tied weights: a transposed table is read as it lies.
show("tied", model([node("Gather", "table ids", "h"), node("Transpose", "table", "t", perm=[1, 0]), node("MatMul", "h t", "y")],
    [value("ids", ["n"], INT64)], [value("y", None)], [constant("table", rng.random((50, 8), np.float32))]))
# CHECK-LABEL: === tied
# CHECK: %[[T:.*]] = terse.weight "table"
# CHECK-NOT: terse.weight
# CHECK: %[[H:.*]] = terse.embedding %{{.*}}, %[[T]]
# CHECK: terse.linear %[[H]], %[[T]] {name = "table"} : tensor<?x8xf32>, tensor<50x8xf32>

# Sizes that must be equal get one name; a wrong expression in the file gives way to the graph.
show("unified", model([node("Add", "a b", "c"), node("Concat", "past new", "k", axis=1), node("Add", "k mask", "y")],
    [value("a", ["m", 8]), value("b", ["n", "width"]), value("past", ["m", "p"]), value("new", ["n", "s"]), value("mask", [1, "p + 1"])],
    [value("c", None), value("y", None)]))
# CHECK-LABEL: === unified
# CHECK: terse.dims = ["m", "8"], terse.name = "a"
# CHECK-SAME: terse.dims = ["m", "8"], terse.name = "b"
# CHECK-SAME: terse.dims = ["m", "p"], terse.name = "past"
# CHECK-SAME: terse.dims = ["m", "s"], terse.name = "new"
# CHECK-SAME: terse.dims = ["1", "p + s"], terse.name = "mask"

# Where the graph says nothing, the file's expression holds.
show("hint", model([node("Relu", "x", "y")], [value("a", ["p"]), value("x", ["p + 2*q"])], [value("y", None)]))
# CHECK-LABEL: === hint
# CHECK: terse.dims = ["p + 2*q"], terse.name = "x"

# A table of positions that is cut to the length bounds the length; a size that nothing else says is checked.
show("limit", model([node("Shape", "x", "n", start=1, end=2), node("Slice", "table zero n one", "p"), node("Add", "x p", "h"), node("Reshape", "h pairs", "y")],
    [value("x", ["b", "n", 4])], [value("y", None)],
    [constant("table", rng.random((1, 8, 4), np.float32)), constant("zero", np.array([0])), constant("one", np.array([1])), constant("pairs", np.array([0, -1, 3]))]))
# CHECK-LABEL: === limit
# CHECK: func.func @forward(%{{.*}}: tensor<?x?x4xf32> {terse.dims = ["b", "n", "4"], terse.name = "x"})
# CHECK-SAME: -> (tensor<?x?x3xf32> {terse.dims = ["b", "floordiv(4*n, 3)", "3"]
# CHECK-SAME: terse.constraints = ["n <= 8", "4*b*n == 3*b*floordiv(4*n, 3)"]
# CHECK-NOT: minsi

# [-n:] is all of n, and all of a longer one but its start.
show("from the end", model([
    node("Shape", "x", "n", start=1, end=2), node("Neg", "n", "minus"), node("Slice", "x minus end one", "a"), node("Add", "x a", "s"),
    node("Concat", "past x", "all", axis=1), node("Slice", "all minus end one", "last"), node("Mul", "s last", "y")],
    [value("x", ["b", "n"]), value("past", ["b", "p"])], [value("y", None)], [constant("end", np.array([2**63 - 1])), constant("one", np.array([1]))]))
# CHECK-LABEL: === from the end
# CHECK: terse.constraints = ["1 <= n"]
# CHECK: tensor.extract_slice %{{.*}}[0, %{{.*}}] [%{{.*}}, %{{.*}}] [1, 1]
# CHECK-NOT: tensor.extract_slice
# CHECK: return

# Sizes without a name that can be used get one, which is no other size's.
show("names", model([node("Relu", "x", "y"), node("Relu", "(aé-b)", "z")], [value("x", ["x.dim1", None]), value("(aé-b)", ["floor(n / 2)"])], [value("y", None), value("z", None)]))
# CHECK-LABEL: === names
# CHECK: terse.dims = ["x.dim1", "x.dim1_"], terse.name = "x"
# CHECK-SAME: terse.dims = ["ab.arg1.dim0"]

# Positions are loops over indices; broadcasts are explicit.
show("mask", model([
    node("Shape", "x", "s", start=1, end=2), node("Squeeze", "s", "n"), node("Range", "zero n one", "r"), node("Unsqueeze", "r axis", "c"),
    node("LessOrEqual", "r c", "m"), node("Where", "m nought low", "y")],
    [X], [value("y", None)], [constant("zero", np.array(0)), constant("one", np.array(1)), constant("axis", np.array([1])),
                              constant("nought", np.float32(0)), constant("low", np.float32(-np.inf))]))
# CHECK-LABEL: === mask
# CHECK: %[[COLUMN:.*]] = linalg.generic
# CHECK: linalg.index 1
# CHECK: %[[ROW:.*]] = linalg.generic
# CHECK: %[[M:.*]] = arith.cmpi sle, %[[COLUMN]], %[[ROW]] : tensor<?x?xi64>
# CHECK: arith.select %[[M]]

# A scatter over all positions, as exporters copy into a slice of everything, is what is written.
show("scatter", model([
    node("Shape", "x", "shape"), node("Gather", "shape zero", "n"), node("Range", "zero n one", "r"), node("Unsqueeze", "r axis", "i"),
    node("ScatterND", "x i u", "y")],
    [value("x", ["n", 4]), value("u", ["n", 4])], [value("y", None)], [constant("zero", np.array(0)), constant("one", np.array(1)), constant("axis", np.array([1]))]))
# CHECK-LABEL: === scatter
# CHECK: func.func @forward(%{{.*}}: {{.*}}, %[[U:.*]]: tensor<?x4xf32> {terse.dims = ["n", "4"], terse.name = "u"})
# CHECK-NOT: linalg
# CHECK: return %[[U]]

# Functions, nested, with attributes by reference and by default, and with an overload.
inner = helper.make_function("org.example", "Inner", ["a"], ["b"], [helper.make_node("LeakyRelu", ["a"], ["b"], name="leaky")], [helper.make_opsetid("", 17)], attributes=["slope"])
inner.node[0].attribute.add(name="alpha", ref_attr_name="slope", type=1)
outer = helper.make_function("org.example", "Outer", ["a"], ["c"], [helper.make_node("Inner", ["a"], ["t"], domain="org.example", name="call"), helper.make_node("Neg", ["t"], ["c"])],
                             [helper.make_opsetid("", 17), helper.make_opsetid("org.example", 1)], attributes=[])
outer.node[0].attribute.add(name="slope", ref_attr_name="steep", type=1)
outer.attribute_proto.append(helper.make_attribute("steep", 0.25))
other = helper.make_function("org.example", "Outer", ["a"], ["c"], [helper.make_node("Abs", ["a"], ["c"])], [helper.make_opsetid("", 17)])
other.overload = "second"
calls = [helper.make_node("Outer", ["x"], ["p"], domain="org.example", name="one"), helper.make_node("Outer", ["p"], ["q"], domain="org.example", name="two", steep=0.5),
         helper.make_node("Outer", ["q"], ["y"], domain="org.example", name="three", overload="second")]
show("functions", model(calls, [X], [value("y", None)], functions=[inner, outer, other], domains=["org.example"]))
# CHECK-LABEL: === functions
# CHECK: arith.constant 2.500000e-01
# CHECK: arith.negf
# CHECK: arith.constant 5.000000e-01
# CHECK: arith.negf
# CHECK: math.absf
# CHECK-NOT: arith.negf
# CHECK: return

# Data in typed fields and of other types.
show("types", model([node("Add", "x c", "y"), node("Identity", "u", "v"), node("Identity", "f", "w")], [value("x", [3], FLOAT16)],
    [value("y", [3], FLOAT16), value("v", [2], TensorProto.UINT8), value("w", [2], BOOL)],
    [helper.make_tensor("c", FLOAT16, [3], [1.0, 2.0, -0.5]), helper.make_tensor("u", TensorProto.UINT8, [2], [200, 7]), helper.make_tensor("f", BOOL, [2], [True, False])]))
# CHECK-LABEL: === types
# CHECK: tensor<2xi8> {terse.dims = ["2"], terse.name = "v", terse.unsigned}
# CHECK-DAG: dense<[1.000000e+00, 2.000000e+00, -5.000000e-01]> : tensor<3xf16>
# CHECK-DAG: dense<[-56, 7]> : tensor<2xi8>
# CHECK-DAG: dense<[true, false]> : tensor<2xi1>
