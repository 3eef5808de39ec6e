"""Plants outliers of activations in an ONNX file without changing its function.

In every norm whose result is read by matrix products with constant weights
alone, a few channels of the gain (and of the bias, where there is one) are
multiplied by a factor in [low, high], and the rows of the weights that read
these channels are divided by it: the function stays, up to rounding in
float32, but one range for a whole activation no longer fits its channels.

    plant_outliers.py IN.onnx OUT.onnx [--channels 3] [--low 50] [--high 200] [--seed 0]

Prints the number of norms changed; fails when there is none.
"""

import argparse
import collections
import sys

import numpy
import onnx
from onnx import numpy_helper

NORMS = ("RMSNormalization", "LayerNormalization", "SimplifiedLayerNormalization")


def plant(model, channels=3, low=50.0, high=200.0, seed=0):
    """Changes `model` in place; returns the names of the gains changed."""
    graph = model.graph
    constants = {i.name: i for i in graph.initializer}
    readers = collections.defaultdict(list)
    for node in graph.node:
        for position, name in enumerate(node.input):
            readers[name].append((node, position))
    outputs = {o.name for o in graph.output}
    random = numpy.random.default_rng(seed)

    def is_vector(name):
        return name in constants and len(constants[name].dims) == 1 and constants[name].dims[0] > 1

    def scale(node, position, factors):
        """Multiplies a constant operand along its first axis; one that others read too is copied first."""
        name = node.input[position]
        old = constants[name]
        value = numpy_helper.to_array(old)
        value = value * factors.reshape([-1] + [1] * (value.ndim - 1)).astype(value.dtype)
        if len(readers[name]) == 1 and name not in outputs:
            old.CopyFrom(numpy_helper.from_array(value, name))
            return
        copy = f"{name}.planted.{node.output[0]}"
        graph.initializer.append(numpy_helper.from_array(value, copy))
        node.input[position] = copy

    changed = []
    for node in list(graph.node):
        if node.op_type in NORMS:
            vectors = [p for p in range(1, len(node.input)) if node.input[p]]
        elif node.op_type == "Mul":
            vectors = [p for p in range(2) if is_vector(node.input[p])]
        else:
            continue
        if not vectors or not all(is_vector(node.input[p]) for p in vectors) or node.output[0] in outputs:
            continue
        users = [(u, p) for u, p in readers[node.output[0]] if u.op_type != "Shape"]
        products = all(
            u.op_type == "MatMul" and p == 0 and u.input[1] in constants and len(constants[u.input[1]].dims) == 2
            for u, p in users
        )
        if not users or not products:
            continue
        size = constants[node.input[vectors[0]]].dims[0]
        factors = numpy.ones(size)
        chosen = random.choice(size, min(channels, size), replace=False)
        factors[chosen] = random.uniform(low, high, len(chosen))
        changed.append(node.input[vectors[0]])
        for position in vectors:
            scale(node, position, factors)
        for user, _ in users:
            scale(user, 1, 1 / factors)
    return changed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("input")
    parser.add_argument("output")
    parser.add_argument("--channels", type=int, default=3)
    parser.add_argument("--low", type=float, default=50.0)
    parser.add_argument("--high", type=float, default=200.0)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    model = onnx.load(args.input)
    changed = plant(model, args.channels, args.low, args.high, args.seed)
    if not changed:
        sys.exit(f"expected a norm that only products with constant weights read; got none in {args.input}")
    onnx.save(model, args.output)
    print(f"norms changed: {len(changed)}")


if __name__ == "__main__":
    main()
