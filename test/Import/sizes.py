# RUN: rm -rf %t && mkdir %t && %python %s %t
"""Sizes, slices, branches and defaults as exporters write them give what ONNX Runtime does, for sizes chosen when the model runs."""
import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
from artifacts import check, compile
from models import *

folder = sys.argv[1]
rng = np.random.default_rng(3)
LAST, FIRST = 2**63 - 1, -2**63


def floats(*shape):
    return rng.normal(size=shape).astype(np.float32)


class Graph:
    """Nodes, constants and outputs as they come."""

    def __init__(self, *inputs):
        self.inputs, self.nodes, self.outputs, self.constants = list(inputs), [], [], []

    def constant(self, content, dtype=np.int64):
        name = f"c{len(self.constants)}"
        self.constants.append(constant(name, np.array(content, dtype)))
        return name

    def add(self, op, *inputs, output=False, count=1, **attributes):
        """Inputs are names, or constants of integers. The output's name; a tuple of `count`."""
        names = [name if isinstance(name, str) else self.constant(name) for name in inputs]
        made = [f"v{len(self.nodes)}_{i}" for i in range(count)]
        self.nodes.append(helper.make_node(op, names, made, name=made[0], **attributes))
        if output:
            self.outputs += [value(name, None, output if isinstance(output, int) and not isinstance(output, bool) else FLOAT) for name in made]
        return made[0] if count == 1 else tuple(made)

    def test(self, name, *feeds, refused=None, **keywords):
        path = save(model(self.nodes, self.inputs, self.outputs, self.constants, **keywords), folder, name + ".onnx")
        artifact = compile(path, "--levels=baseline")
        for feed in feeds:
            check(path, artifact, feed)
        for feed, message in refused or []:
            check(path, artifact, feed, message)


# Slices.
g = Graph(value("x", ["a", "b", 6]))
shape = g.add("Shape", "x")
a, b = (g.add("Gather", shape, [i]) for i in (0, 1))
minus_b = g.add("Neg", b)
for starts, ends, axes, steps in (
        ([0], [LAST], [1], [1]), ([-1], [FIRST], [2], [-1]), ([-2], [FIRST], [1], [-1]), ([LAST], [0], [0], [-1]), ([0, 1], [LAST, -1], [0, 2], [1, 2]),
        ([1], [LAST], [1], [2]), ([-3], [LAST], [1], [1]), ([2], [1], [0], [1]), (minus_b, [LAST], [1], [1]), ([0], b, [1], [1]), ([0], a, [2], [1]),
        ([5], [FIRST], [2], [-2]), ([0], minus_b, [1], [1])):
    g.add("Slice", "x", starts, ends, axes, steps, output=True)
g.test("slices", {"x": floats(2, 5, 6)}, {"x": floats(1, 1, 6)}, {"x": floats(3, 2, 6)})

# Reshapes, and what is made from shapes.
g = Graph(value("x", ["a", "b", 6]), value("row", [1, "b", 1]))
shape = g.add("Shape", "x")
a, b = (g.add("Gather", shape, [i]) for i in (0, 1))
g.add("Reshape", "x", [0, -1], output=True)
g.add("Reshape", "x", [-1, 2, 3], output=True)
g.add("Reshape", "x", g.add("Concat", b, [-1], axis=0), output=True)
g.add("Reshape", "x", g.add("Concat", g.add("Mul", a, b), [2, 3], axis=0), output=True)
g.add("Flatten", "x", output=True, axis=2)
g.add("Expand", "row", shape, output=True)
g.add("Expand", g.constant([1.5], np.float32), g.add("Concat", b, [1], a, axis=0), output=True)
g.add("Expand", "row", [3, 1, -1 + 2], output=True)
g.add("ConstantOfShape", g.add("Slice", shape, [0], [2]), output=True)
g.add("Tile", "row", g.add("Concat", a, [1], [2], axis=0), output=True)
size = g.add("Size", "x", output=INT64)
g.add("Where", g.add("Equal", shape, [-1, -1, 6]), [7, 8, 9], shape, output=INT64)
g.add("Range", g.constant(0), g.add("Squeeze", b), g.constant(1), output=INT64)
g.add("Range", g.add("Squeeze", b), g.constant(-1), g.constant(-2), output=INT64)
g.add("Range", g.constant(0, np.float32), g.add("Cast", g.add("Squeeze", b), to=FLOAT), g.constant(1, np.float32), output=True)
g.add("Cast", g.add("Cast", shape, to=FLOAT), to=INT64, output=INT64)
g.add("Div", size, g.constant(4), output=INT64)
g.add("Squeeze", g.add("Unsqueeze", "x", [1]), [1], output=True)
g.add("Split", "x", axis=2, num_outputs=4, count=4, output=True)
g.test("reshapes", *({"x": floats(a, b, 6), "row": floats(1, b, 1)} for a, b in ((2, 5), (1, 1), (4, 2))), opset=18)


# Branches: of what is known of shapes, of sizes, of data, inside of each other.
def graph(nodes, outputs, initializers=()):
    return helper.make_graph(nodes, "branch", [], outputs, list(initializers))


g = Graph(value("x", ["a", 1, 4]), value("flag", [], BOOL))
shape = g.add("Shape", "x")
known = g.add("Equal", g.add("Gather", shape, g.constant(1)), g.constant(1))
g.add("If", known, output=True, then_branch=graph([node("Squeeze", "x axis", "t")], [value("t", None)], [constant("axis", np.array([1]))]),
      else_branch=graph([node("Identity", "x", "e")], [value("e", None)]))
long = g.add("Greater", g.add("Gather", shape, g.constant(0)), g.constant(2))
inner = helper.make_node("If", ["flag"], ["t"], then_branch=graph([node("Mul", "x two", "m")], [value("m", None)], [constant("two", np.float32(2))]),
                         else_branch=graph([node("Neg", "x", "m")], [value("m", None)]))
g.add("If", long, output=True, then_branch=graph([inner], [value("t", None)]), else_branch=graph([node("Exp", "x", "t")], [value("t", None)]))
g.test("branches", *({"x": floats(a, 1, 4), "flag": np.array(flag)} for a in (1, 2, 3) for flag in (False, True)))

# A number of elements that depends on data is told by the run.
g = Graph(value("x", ["a", "b"]))
hits = g.add("NonZero", g.add("Greater", "x", g.constant(0.5, np.float32)), output=INT64)
g.add("Transpose", hits, output=INT64, perm=[1, 0])
g.add("Cast", hits, to=TensorProto.INT32, output=TensorProto.INT32)
g.add("Relu", "x", output=True)
g.test("counts", {"x": floats(4, 7)}, {"x": np.zeros((2, 3), np.float32)}, {"x": np.ones((3, 1), np.float32)}, {"x": floats(0, 5)})

# The most of a row of which there must be enough.
g = Graph(value("x", ["a", "b"]))
g.add("TopK", "x", [3], count=2)
g.outputs += [value(g.nodes[-1].output[0], None), value(g.nodes[-1].output[1], None, INT64)]
g.test("best", {"x": floats(2, 7)}, {"x": floats(1, 3)}, refused=[({"x": floats(1, 2)}, "expected 3 <= b; got b = 2")])

# An initializer that is an input too is its default; where all are, they are constants.
content = model([node("Add", "x bias", "h"), node("Mul", "h scale", "y")], [value("x", ["n", 4]), value("bias", [4])], [value("y", ["n", 4])],
                [constant("bias", floats(4)), constant("scale", floats(4))])
path = save(content, folder, "default.onnx")
artifact = compile(path, "--levels=baseline")
check(path, artifact, {"x": floats(3, 4)})
check(path, artifact, {"x": floats(3, 4), "bias": floats(4)})
check(path, artifact, {"x": floats(3, 4), "bias": floats(5)}, "input 'bias': expected 4 in dimension 0; got 5")
content.graph.input.append(value("scale", [4]))
path = save(content, folder, "constants.onnx")
artifact = compile(path, "--levels=baseline")
check(path, artifact, {"x": floats(3, 4)})
check(path, artifact, {"x": floats(3, 4), "bias": floats(4)}, "the model has no input 'bias'")
