"""Small decoders with random weights, written as no exporter of the test data writes them."""
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

VOCABULARY = 61


class Graph:
    """A graph under construction: operators by attribute, each returns its output's name."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.nodes, self.initializers, self.inputs, self.outputs = [], [], [], []

    def __getattr__(self, op):
        if not op[0].isupper():
            raise AttributeError(op)

        def add(*inputs, outputs=1, **attributes):
            names = [f"{op}_{len(self.nodes)}_{i}" for i in range(outputs)]
            self.nodes.append(helper.make_node(op, [self.name(i) for i in inputs], names, name=names[0], **attributes))
            return names[0] if outputs == 1 else names

        return add

    def name(self, value):
        return value if isinstance(value, str) else self.constant(value)

    def constant(self, array, name=None):
        array = np.asarray(array)
        if array.dtype == np.float64:
            array = array.astype(np.float32)
        name = name or f"constant_{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(array, name))
        return name

    def weight(self, *shape, scale=None):
        return self.constant(self.rng.standard_normal(shape) * (scale or 1.5 / np.sqrt(shape[0])), f"weight_{len(self.initializers)}")

    def input(self, name, shape, dtype=TensorProto.INT64):
        self.inputs.append(helper.make_tensor_value_info(name, dtype, shape))
        return name

    def output(self, value, name, shape):
        self.nodes.append(helper.make_node("Identity", [value], [name], name=name))
        self.outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))

    def linear(self, x, inputs, outputs, bias=False):
        y = self.MatMul(x, self.weight(inputs, outputs))
        return self.Add(y, self.weight(outputs, scale=0.1)) if bias else y

    def dim(self, value, axis):
        return self.Gather(self.Shape(value), np.array(axis, np.int64), axis=0)

    def vector(self, *sizes):
        return self.Concat(*[np.array([s], np.int64) if isinstance(s, int) else self.Unsqueeze(s, np.array([0], np.int64))
                             for s in sizes], axis=0)

    def range(self, start, end):
        return self.Range(start if isinstance(start, str) else np.array(start, np.int64), end, np.array(1, np.int64))

    def unsqueeze(self, x, *axes):
        return self.Unsqueeze(x, np.array(axes, np.int64))

    def slice(self, x, start, end, axis, step=1):
        return self.Slice(x, np.array([start], np.int64), np.array([end], np.int64), np.array([axis], np.int64), np.array([step], np.int64))

    def model(self, opset=17):
        graph = helper.make_graph(self.nodes, "decoder", self.inputs, self.outputs, self.initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
        onnx.checker.check_model(model)
        return model


def layer_norm(g, x, size):
    """LayerNormalization in single operators."""
    centered = g.Sub(x, g.ReduceMean(x, axes=[-1], keepdims=1))
    variance = g.ReduceMean(g.Mul(centered, centered), axes=[-1], keepdims=1)
    normal = g.Div(centered, g.Sqrt(g.Add(variance, np.float32(1e-5))))
    return g.Add(g.Mul(normal, g.constant(1 + 0.1 * g.rng.standard_normal(size))), g.constant(0.1 * g.rng.standard_normal(size)))


def heads_first(g, x, batch, tokens, heads, size):
    return g.Transpose(g.Reshape(x, g.vector(batch, tokens, heads, size)), perm=[0, 2, 1, 3])


def merged(g, x, batch, tokens, channels):
    return g.Reshape(g.Transpose(x, perm=[0, 2, 1, 3]), g.vector(batch, tokens, channels))


def past_inputs(g, layer, heads, size):
    return [g.input(f"past_key_values.{layer}.{kind}", ["batch", heads, "past", size], TensorProto.FLOAT) for kind in ("key", "value")]


def decoder(attention, layers=2, width=32, seed=1, positions=None):
    """Embedding, layers of attention and an MLP with residuals, a head. `attention(g, x, layer, state)` yields its output."""
    g = Graph(seed)
    ids = g.input("input_ids", ["batch", "sequence"])
    batch, tokens = g.dim(ids, 0), g.dim(ids, 1)
    state = {"ids": ids, "batch": batch, "tokens": tokens, "presents": []}
    x = g.Gather(g.weight(VOCABULARY, width, scale=1.0), ids, axis=0)
    if positions:
        x = positions(g, x, state)
    for layer in range(layers):
        x = g.Add(x, attention(g, layer_norm(g, x, width), layer, state))
        h = g.linear(layer_norm(g, x, width), width, 2 * width, bias=True)
        x = g.Add(x, g.linear(g.Relu(h), 2 * width, width, bias=True))
    g.output(g.linear(layer_norm(g, x, width), width, VOCABULARY), "logits", ["batch", "sequence", VOCABULARY])
    for value, name, shape in state["presents"]:
        g.output(value, name, shape)
    return g.model()


def gpt2(layers=2):
    """One QKV projection with bias, positions learned, scores divided and replaced where masked, a cache."""
    heads, size, width = 4, 8, 32

    def start(g, x, state):
        state["past"] = [past_inputs(g, layer, heads, size) for layer in range(layers)]
        before = g.dim(state["past"][0][0], 2)
        state["total"] = g.Add(before, state["tokens"])
        place = g.unsqueeze(g.range(before, state["total"]), 0)
        state["before"] = before
        return g.Add(x, g.Gather(g.weight(64, width, scale=0.5), place, axis=0))

    def attention(g, x, layer, state):
        q, k, v = g.Split(g.linear(x, width, 3 * width, bias=True), axis=2, outputs=3)
        q, k, v = (heads_first(g, part, state["batch"], state["tokens"], heads, size) for part in (q, k, v))
        k, v = (g.Concat(past, new, axis=2) for past, new in zip(state["past"][layer], (k, v)))
        scores = g.Div(g.MatMul(q, g.Transpose(k, perm=[0, 1, 3, 2])), np.float32(np.sqrt(size)))
        mask = g.LessOrEqual(g.unsqueeze(g.range(0, state["total"]), 0), g.unsqueeze(g.range(state["before"], state["total"]), 1))
        scores = g.Where(mask, scores, np.float32(np.finfo(np.float32).min))
        for value, kind in ((k, "key"), (v, "value")):
            state["presents"].append((value, f"present.{layer}.{kind}", ["batch", heads, "total", size]))
        y = g.MatMul(g.Softmax(scores, axis=-1), v)
        return g.linear(merged(g, y, state["batch"], state["tokens"], width), width, width, bias=True)

    return decoder(attention, layers, width, 2, start)


def angles(g, state, pairs):
    """cos and sin [1, S, pairs] of the positions 0, 1, ..."""
    frequency = (10000.0 ** (-np.arange(pairs) / pairs)).astype(np.float32).reshape(1, 1, pairs)
    place = g.unsqueeze(g.Cast(g.range(0, state["tokens"]), to=TensorProto.FLOAT), 0, 2)
    product = g.Mul(place, frequency)
    return g.Cos(product), g.Sin(product)


def causal_bias(g, state, window=None):
    """[S, S] of 0 and -inf by comparison of positions."""
    place = g.range(0, state["tokens"])
    distance = g.Sub(g.unsqueeze(place, 1), g.unsqueeze(place, 0))
    masked = g.Less(distance, np.array(0, np.int64))
    if window:
        masked = g.Or(masked, g.GreaterOrEqual(distance, np.array(window, np.int64)))
    return g.Where(masked, np.float32(-np.inf), np.float32(0))


def gptj(layers=2):
    """Pairs of neighbours rotated, of a part of each head; one head of keys and values; no cache; padding as (1 - m) * low."""
    heads, size, width, pairs = 4, 8, 32, 2

    def rotate(g, x, state):
        cos, sin = (g.unsqueeze(part, 1) for part in angles(g, state, pairs))
        turned, rest = g.slice(x, 0, 2 * pairs, 3), g.slice(x, 2 * pairs, 1 << 62, 3)
        even, odd = g.slice(turned, 0, 1 << 62, 3, 2), g.slice(turned, 1, 1 << 62, 3, 2)
        first = g.Sub(g.Mul(even, cos), g.Mul(odd, sin))
        second = g.Add(g.Mul(even, sin), g.Mul(odd, cos))
        both = g.Concat(g.unsqueeze(first, 4), g.unsqueeze(second, 4), axis=4)
        return g.Concat(g.Reshape(both, np.array([0, 0, 0, 2 * pairs], np.int64)), rest, axis=3)

    def start(g, x, state):
        state["mask"] = g.input("attention_mask", ["batch", "sequence"])
        return x

    def attention(g, x, layer, state):
        q = heads_first(g, g.linear(x, width, width), state["batch"], state["tokens"], heads, size)
        k = heads_first(g, g.linear(x, width, size), state["batch"], state["tokens"], 1, size)
        v = heads_first(g, g.linear(x, width, size), state["batch"], state["tokens"], 1, size)
        q, k = g.Mul(rotate(g, q, state), np.float32(size ** -0.5)), rotate(g, k, state)
        low = g.Mul(g.Sub(np.float32(1), g.unsqueeze(g.Cast(state["mask"], to=TensorProto.FLOAT), 1, 2)), np.float32(-1e9))
        scores = g.Add(g.Add(g.MatMul(q, g.Transpose(k, perm=[0, 1, 3, 2])), causal_bias(g, state)), low)
        y = g.MatMul(g.Softmax(scores, axis=-1), v)
        return g.linear(merged(g, y, state["batch"], state["tokens"], width), width, width)

    return decoder(attention, layers, width, 3, start)


def windowed(layers=2):
    """A sliding window of 5; queries, keys and values of each head side by side in one projection; halves rotated."""
    heads, size, width = 4, 8, 32

    def rotate(g, x, state):
        cos, sin = (g.unsqueeze(g.Concat(part, part, axis=2), 1) for part in angles(g, state, size // 2))
        low, high = g.Split(x, axis=3, outputs=2)
        return g.Add(g.Mul(g.Concat(g.Neg(high), low, axis=3), sin), g.Mul(x, cos))

    def attention(g, x, layer, state):
        qkv = g.Reshape(g.linear(x, width, 3 * width), g.vector(state["batch"], state["tokens"], heads, 3 * size))
        q, k, v = g.Split(g.Transpose(qkv, perm=[0, 2, 1, 3]), axis=3, outputs=3)
        q, k = rotate(g, q, state), rotate(g, k, state)
        scores = g.Mul(g.MatMul(q, g.Transpose(k, perm=[0, 1, 3, 2])), np.float32(size ** -0.5))
        scores = g.Add(g.Mul(g.Tanh(g.Div(scores, np.float32(4))), np.float32(4)), causal_bias(g, state, 5))
        y = g.MatMul(g.Softmax(scores, axis=-1), v)
        return g.linear(merged(g, y, state["batch"], state["tokens"], width), width, width)

    return decoder(attention, layers, width, 4)


def alibi(layers=2):
    """Distances times a slope of each head are added to the scores."""
    heads, size, width = 4, 8, 32
    slopes = (2.0 ** -np.arange(1, heads + 1)).astype(np.float32).reshape(heads, 1, 1)

    def attention(g, x, layer, state):
        q, k, v = (heads_first(g, g.linear(x, width, width), state["batch"], state["tokens"], heads, size) for _ in range(3))
        place = g.Cast(g.range(0, state["tokens"]), to=TensorProto.FLOAT)
        distance = g.Sub(g.unsqueeze(place, 0), g.unsqueeze(place, 1))
        bias = g.Add(g.Mul(distance, slopes), causal_bias(g, state))
        scores = g.Add(g.Mul(g.MatMul(q, g.Transpose(k, perm=[0, 1, 3, 2])), np.float32(size ** -0.5)), bias)
        y = g.MatMul(g.Softmax(scores, axis=-1), v)
        return g.linear(merged(g, y, state["batch"], state["tokens"], width), width, width)

    return decoder(attention, layers, width, 5)


def folded(layers=2):
    """Batch and heads in one dimension, as older graphs have it."""
    heads, size, width = 4, 8, 32

    def attention(g, x, layer, state):
        rows = g.vector(g.Mul(state["batch"], np.array(heads, np.int64)), state["tokens"], size)
        q, k, v = (g.Reshape(heads_first(g, g.linear(x, width, width), state["batch"], state["tokens"], heads, size), rows)
                   for _ in range(3))
        scores = g.Mul(g.MatMul(q, g.Transpose(k, perm=[0, 2, 1])), np.float32(size ** -0.5))
        square = g.vector(state["batch"], heads, state["tokens"], state["tokens"])
        scores = g.Add(g.Reshape(scores, square), causal_bias(g, state))
        scores = g.Reshape(scores, g.vector(g.Mul(state["batch"], np.array(heads, np.int64)), state["tokens"], state["tokens"]))
        y = g.MatMul(g.Softmax(scores, axis=-1), v)
        y = g.Reshape(y, g.vector(state["batch"], heads, state["tokens"], size))
        return g.linear(merged(g, y, state["batch"], state["tokens"], width), width, width)

    return decoder(attention, layers, width, 6)


def flat(layers=2):
    """Tokens of all sequences as rows of one Gemm, keys of fewer heads repeated, a norm of each head's queries and keys."""
    heads, shared, size, width = 4, 2, 8, 32

    def project(g, x, state, count):
        rows = g.Gemm(g.Reshape(x, np.array([-1, width], np.int64)), g.weight(width, count * size), g.weight(count * size, scale=0.1))
        return g.Reshape(rows, g.vector(state["batch"], state["tokens"], count, size))

    def rotate(g, x, state):
        x = g.Mul(g.Div(x, g.Sqrt(g.Add(g.ReduceMean(g.Mul(x, x), axes=[-1], keepdims=1), np.float32(1e-6)))),
                  g.constant(1 + 0.1 * g.rng.standard_normal(size)))
        cos, sin = (g.unsqueeze(part, 2) for part in angles(g, state, size // 2))
        low, high = g.Split(x, axis=3, outputs=2)
        return g.Concat(g.Sub(g.Mul(low, cos), g.Mul(high, sin)), g.Add(g.Mul(high, cos), g.Mul(low, sin)), axis=3)

    def attention(g, x, layer, state):
        q = g.Transpose(rotate(g, project(g, x, state, heads), state), perm=[0, 2, 1, 3])
        k = rotate(g, project(g, x, state, shared), state)
        v = project(g, x, state, shared)
        k, v = (g.Reshape(g.Expand(g.unsqueeze(part, 3), g.vector(state["batch"], state["tokens"], shared, heads // shared, size)),
                          g.vector(state["batch"], state["tokens"], heads, size)) for part in (k, v))
        scores = g.Mul(g.MatMul(q, g.Transpose(k, perm=[0, 2, 3, 1])), np.float32(size ** -0.5))
        scores = g.Add(scores, causal_bias(g, state))
        y = g.MatMul(g.Softmax(scores, axis=-1), g.Transpose(v, perm=[0, 2, 1, 3]))
        rows = g.Reshape(g.Transpose(y, perm=[0, 2, 1, 3]), np.array([-1, width], np.int64))
        return g.Reshape(g.Gemm(rows, g.weight(width, width), g.weight(width, scale=0.1)),
                         g.vector(state["batch"], state["tokens"], width))

    return decoder(attention, layers, width, 7)


def interleaved(layers=2):
    """Angles repeated for each pair of neighbours by positions of a comparison that always holds."""
    heads, size, width = 4, 8, 32

    def repeated(g, x):
        """[1, S, n] to [1, S, 2 n], each twice, as TorchScript writes repeat_interleave."""
        pairs = size // 2
        counts = g.ConstantOfShape(np.array([pairs], np.int64), value=helper.make_tensor("value", TensorProto.INT64, [1], [2]))
        inside = g.Less(g.range(0, g.Cast(g.ReduceMax(counts, keepdims=0), to=TensorProto.INT64)), g.unsqueeze(counts, 1))
        places = g.Transpose(g.NonZero(inside), perm=[1, 0])
        x = g.unsqueeze(g.Transpose(x, perm=[2, 1, 0]), 1)
        twice = g.Expand(x, g.vector(1, g.ReduceMax(counts, keepdims=0), 1, 1))
        return g.Transpose(g.GatherND(twice, places), perm=[2, 1, 0])

    def rotate(g, x, state):
        cos, sin = (g.unsqueeze(repeated(g, part), 1) for part in angles(g, state, size // 2))
        even, odd = g.slice(x, 0, 1 << 62, 3, 2), g.slice(x, 1, 1 << 62, 3, 2)
        turned = g.Reshape(g.Concat(g.unsqueeze(g.Neg(odd), 4), g.unsqueeze(even, 4), axis=4), np.array([0, 0, 0, size], np.int64))
        return g.Add(g.Mul(x, cos), g.Mul(turned, sin))

    def attention(g, x, layer, state):
        q, k, v = (heads_first(g, g.linear(x, width, width), state["batch"], state["tokens"], heads, size) for _ in range(3))
        q, k = rotate(g, q, state), rotate(g, k, state)
        scores = g.Mul(g.MatMul(q, g.Transpose(k, perm=[0, 1, 3, 2])), np.float32(size ** -0.5))
        y = g.MatMul(g.Softmax(g.Add(scores, causal_bias(g, state)), axis=-1), v)
        return g.linear(merged(g, y, state["batch"], state["tokens"], width), width, width)

    return decoder(attention, layers, width, 8)


#: name: (model, attentions, ropes, biased attentions, states) of two layers
DECODERS = {"gpt2": (gpt2, 2, 0, 0, 4), "gptj": (gptj, 2, 4, 0, 4), "windowed": (windowed, 2, 4, 0, 4), "alibi": (alibi, 2, 0, 0, 4),
            "folded": (folded, 2, 0, 0, 4), "flat": (flat, 2, 4, 0, 4),
            "interleaved": (interleaved, 2, 4, 0, 4)}
