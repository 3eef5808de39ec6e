"""Small encoders with random weights, in forms that exporters of whole model zoos write."""
import numpy as np
from onnx import TensorProto

from decoders import VOCABULARY, Graph, heads_first, layer_norm, merged


def mixture(g, x, width, experts=4, chosen=2):
    """The sum of the chosen experts' results by their probabilities; every expert computes every token."""
    rows = g.Reshape(x, np.array([-1, width], np.int64))
    best, which = g.TopK(g.linear(rows, width, experts), np.array([chosen], np.int64), outputs=2, axis=-1)
    none = g.Expand(np.float32(0), g.vector(g.dim(rows, 0), experts))
    scores = g.ScatterElements(none, which, g.Softmax(best, axis=-1), axis=1)
    each = g.Expand(g.unsqueeze(rows, 0), g.vector(experts, g.dim(rows, 0), width))
    hidden = g.Relu(g.MatMul(each, g.weight(experts, width, 16, scale=0.3)))
    results = g.MatMul(hidden, g.weight(experts, 16, width, scale=0.3))
    weighted = g.Mul(results, g.unsqueeze(g.Transpose(scores, perm=[1, 0]), 2))
    return g.Reshape(g.ReduceSum(weighted, np.array([0], np.int64), keepdims=0), g.Shape(x))


def routed(g, x, width, experts=3, chosen=2):
    """The same, each expert for the tokens that chose it alone: their number is known only when the model runs."""
    rows = g.Reshape(x, np.array([-1, width], np.int64))
    best, which = g.TopK(g.linear(rows, width, experts), np.array([chosen], np.int64), outputs=2, axis=-1)
    scores = g.Reshape(g.Softmax(best, axis=-1), np.array([-1], np.int64))
    hot = g.Transpose(g.OneHot(which, np.array(experts, np.int64), np.array([0, 1], np.int64)), perm=[2, 1, 0])
    total = g.ConstantOfShape(g.Shape(rows))
    for expert in range(experts):
        found = g.Transpose(g.NonZero(g.Gather(hot, np.array(expert, np.int64), axis=0)), perm=[1, 0])
        rank, token = (g.Squeeze(part, np.array([1], np.int64)) for part in
                       g.Split(found, np.array([1, 1], np.int64), axis=1, outputs=2))
        results = g.linear(g.Relu(g.linear(g.Gather(rows, token, axis=0), width, 16)), 16, width)
        score = g.Gather(scores, g.Add(g.Mul(token, np.array(chosen, np.int64)), rank), axis=0)
        results = g.Mul(results, g.unsqueeze(score, 1))
        places = g.Expand(g.unsqueeze(token, 1), g.Shape(results))
        total = g.Add(total, g.ScatterElements(g.ConstantOfShape(g.Shape(rows)), places, results, axis=0))
    return g.Reshape(total, g.Shape(x))


def encoder(bias, layers=2, width=32, heads=4, seed=20, start=None, mlp=None):
    """Layers of attention over all tokens and an MLP. `bias(g, scores, state)` adds to the scores what is to be added."""
    g = Graph(seed)
    state = {"heads": heads}
    x = start(g, state, width) if start else None
    if x is None:
        ids = g.input("input_ids", ["batch", "sequence"])
        state["batch"], state["tokens"] = g.dim(ids, 0), g.dim(ids, 1)
        x = g.Gather(g.weight(VOCABULARY, width, scale=1.0), ids, axis=0)
        state["mask"] = g.input("attention_mask", ["batch", "sequence"])
    size = width // heads
    for _ in range(layers):
        h = layer_norm(g, x, width)
        q, k, v = (heads_first(g, g.linear(h, width, width, bias=True), state["batch"], state["tokens"], heads, size) for _ in range(3))
        scores = g.Div(g.MatMul(q, g.Transpose(k, perm=[0, 1, 3, 2])), np.float32(np.sqrt(size)))
        y = g.MatMul(g.Softmax(bias(g, scores, state), axis=-1), v)
        x = g.Add(x, g.linear(merged(g, y, state["batch"], state["tokens"], width), width, width, bias=True))
        h = layer_norm(g, x, width)
        x = g.Add(x, mlp(g, h, width) if mlp else
                  g.linear(g.Relu(g.linear(h, width, 2 * width, bias=True)), 2 * width, width, bias=True))
    g.output(layer_norm(g, x, width), "hidden", ["batch", None, width])
    return g.model()


def padding(g, state):
    """[B, 1, 1, S] of 0 and the lowest number."""
    mask = g.Cast(g.unsqueeze(state["mask"], 1, 2), to=TensorProto.FLOAT)
    return g.Mul(g.Sub(np.float32(1), mask), np.float32(np.finfo(np.float32).min))


def relative():
    """A bias from a table by distances, then padding, each added to the scores in an addition of its own."""
    def bias(g, scores, state):
        if "bias" not in state:
            place = g.range(0, state["tokens"])
            distance = g.Sub(g.unsqueeze(place, 0), g.unsqueeze(place, 1))
            near = g.Min(g.Abs(distance), np.array(7, np.int64))
            bucket = g.Add(g.Mul(g.Cast(g.Less(distance, np.array(0, np.int64)), to=TensorProto.INT64), np.array(8, np.int64)), near)
            table = g.Gather(g.weight(16, state["heads"], scale=1.0), bucket, axis=0)
            state["bias"] = g.unsqueeze(g.Transpose(table, perm=[2, 0, 1]), 0)
        return g.Add(g.Add(scores, state["bias"]), padding(g, state))

    return encoder(bias)


def patches():
    """An image cut into patches by a convolution, a token for the class before them, positions learned."""
    def start(g, state, width):
        pixels = g.input("pixels", ["batch", 3, 12, 12], TensorProto.FLOAT)
        state["batch"], state["tokens"] = g.dim(pixels, 0), np.array(10, np.int64)
        x = g.Conv(pixels, g.weight(width, 3, 4, 4, scale=0.2), g.weight(width, scale=0.1), kernel_shape=[4, 4], strides=[4, 4])
        x = g.Transpose(g.Reshape(x, np.array([0, width, -1], np.int64)), perm=[0, 2, 1])
        first = g.Expand(g.weight(1, 1, width), g.vector(state["batch"], 1, width))
        state["tokens"] = 10
        return g.Add(g.Concat(first, x, axis=1), g.weight(1, 10, width))

    return encoder(lambda g, scores, state: scores, start=start, seed=21)


def experts():
    """A router chooses experts in place of the MLP."""
    return encoder(lambda g, scores, state: g.Add(scores, padding(g, state)), seed=22, mlp=mixture)


def routed_experts():
    """Experts that compute only the tokens that chose them."""
    return encoder(lambda g, scores, state: g.Add(scores, padding(g, state)), seed=23, mlp=routed)


#: name: (model, attentions, biased attentions, linear layers)
ENCODERS = {"relative": (relative, 2, 2, 12), "patches": (patches, 2, 0, 13), "experts": (experts, 2, 0, 10),
            "routed_experts": (routed_experts, 2, 0, 22)}
