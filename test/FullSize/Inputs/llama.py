"""Writes a Llama-shaped decoder with random weights as ONNX: python llama.py OUT.onnx [--shape 1b] [--dtype f16] [--layers N] ...

The graph is unfused, as Optimum's TorchScript export writes it: input_ids, attention_mask, position_ids and past keys and values go in, logits
and present ones come out; norms and softmax are in f32. Weights lie in OUT.onnx.data, written in order, never more than one in memory.
Depends on the seed alone.
"""
import argparse
import os

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from shapes import FIELDS, SHAPES


class Writer:
    """A graph under construction: operators are methods that return the name of their output."""

    def __init__(self, path, dtype, seed):
        self.path, self.half = path, dtype == "f16"
        self.dtype = np.float16 if self.half else np.float32
        self.nodes, self.initializers = [], []
        self.data = open(path + ".data", "wb")
        self.rng = np.random.default_rng(seed)
        # Weights are stretches of one pool of normal numbers, each from a place of its own: drawing billions takes minutes.
        self.pool = self.rng.standard_normal(1 << 22, dtype=np.float32)
        self.pools = {}

    def __getattr__(self, op):
        if not op[0].isupper():
            raise AttributeError(op)

        def add(*inputs, to=None, **attributes):
            name = to or f"{op}_{len(self.nodes)}"
            self.nodes.append(helper.make_node(op, [self.value(i) for i in inputs], [name], name=name, **attributes))
            return name

        return add

    def value(self, value):
        if isinstance(value, str):
            return value
        name = f"constant_{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def weight(self, name, *shape, scale):
        if scale not in self.pools:
            self.pools[scale] = (self.pool * np.float32(scale)).astype(self.dtype)
        pool, count = self.pools[scale], int(np.prod(shape))
        self.data.write(b"\0" * (-self.data.tell() % 4096))
        tensor = TensorProto(name=name, dims=shape, data_type=helper.np_dtype_to_tensor_dtype(np.dtype(self.dtype)), data_location=TensorProto.EXTERNAL)
        for key, value in (("location", os.path.basename(self.path) + ".data"), ("offset", self.data.tell()), ("length", count * pool.itemsize)):
            tensor.external_data.add(key=key, value=str(value))
        self.initializers.append(tensor)
        while count:
            start = int(self.rng.integers(pool.size))
            part = pool[start:start + count]
            self.data.write(part.data)
            count -= part.size
        return name

    def linear(self, x, name, k, n):
        return self.MatMul(x, self.weight(f"onnx::MatMul_{1900 + len(self.initializers)}", k, n, scale=1 / np.sqrt(k)), to=name + "/MatMul_output_0")

    def widen(self, x):
        return self.Cast(x, to_type=TensorProto.FLOAT) if self.half else x

    def narrow(self, x):
        return self.Cast(x, to_type=TensorProto.FLOAT16) if self.half else x

    def Cast(self, x, to_type):
        name = f"Cast_{len(self.nodes)}"
        self.nodes.append(helper.make_node("Cast", [x], [name], name=name, to=to_type))
        return name

    def size(self, x, axis):
        return self.Gather(self.Shape(x), np.int64(axis), axis=0)

    def shape(self, *sizes):
        return self.Concat(*[self.Unsqueeze(s, np.array([0])) if isinstance(s, str) else np.array([s]) for s in sizes], axis=0)

    def norm(self, x, name, width):
        wide = self.widen(x)
        mean = self.ReduceMean(self.Pow(wide, np.float32(2)), np.array([-1]), keepdims=1)
        normal = self.Mul(wide, self.Div(np.float32(1), self.Sqrt(self.Add(mean, np.float32(1e-5)))))
        weight = (1 + 0.1 * self.rng.standard_normal(width)).astype(self.dtype)
        self.initializers.append(numpy_helper.from_array(weight, name + ".weight"))
        return self.Mul(name + ".weight", self.narrow(normal))


def write(path, width, layers, heads, kv_heads, ffn, vocabulary, dtype="f16", seed=0):
    g = Writer(path, dtype, seed)
    head = width // heads
    element = TensorProto.FLOAT16 if g.half else TensorProto.FLOAT

    x = g.Gather(g.weight("model.embed_tokens.weight", vocabulary, width, scale=1.0), "input_ids", axis=0)
    batch, tokens, past = g.size("input_ids", 0), g.size("input_ids", 1), g.size("past_key_values.0.key", 2)
    total = g.Add(past, tokens)
    queries = g.Unsqueeze(g.Range(past, total, np.int64(1)), np.array([1]))
    keys = g.Unsqueeze(g.Range(np.int64(0), total, np.int64(1)), np.array([0]))
    attended = g.Unsqueeze(g.Cast("attention_mask", TensorProto.BOOL), np.array([1, 2]))
    mask = g.And(g.Unsqueeze(g.LessOrEqual(keys, queries), np.array([0, 1])), attended)
    bias = g.Where(mask, np.float32(0), np.float32(np.finfo(np.float32).min))

    frequency = (10000.0 ** (-np.arange(0, head, 2) / head)).astype(np.float32).reshape(1, -1, 1)
    place = g.Cast(g.Unsqueeze("position_ids", np.array([1])), TensorProto.FLOAT)
    angle = g.Transpose(g.MatMul(g.Expand(frequency, g.shape(batch, head // 2, 1)), place), perm=[0, 2, 1])
    angle = g.Concat(angle, angle, axis=-1)
    cos, sin = (g.Unsqueeze(g.narrow(f(angle)), np.array([1])) for f in (g.Cos, g.Sin))

    def heads_first(x, count):
        return g.Transpose(g.Reshape(x, g.shape(batch, tokens, count, head)), perm=[0, 2, 1, 3])

    def rotate(x):
        first, second = (g.Slice(x, np.array([a]), np.array([b]), np.array([3])) for a, b in ((0, head // 2), (head // 2, 2**63 - 1)))
        return g.Add(g.Mul(x, cos), g.Mul(g.Concat(g.Neg(second), first, axis=-1), sin))

    def repeat(x):
        if kv_heads == heads:
            return x
        wide = g.Expand(g.Unsqueeze(x, np.array([2])), g.shape(batch, kv_heads, heads // kv_heads, total, head))
        return g.Reshape(wide, g.shape(batch, heads, total, head))

    for layer in range(layers):
        scope = f"/model/layers.{layer}"
        h = g.norm(x, f"model.layers.{layer}.input_layernorm", width)
        q = rotate(heads_first(g.linear(h, scope + "/self_attn/q_proj", width, width), heads))
        k = rotate(heads_first(g.linear(h, scope + "/self_attn/k_proj", width, kv_heads * head), kv_heads))
        v = heads_first(g.linear(h, scope + "/self_attn/v_proj", width, kv_heads * head), kv_heads)
        k = g.Concat(f"past_key_values.{layer}.key", k, axis=-2, to=f"present.{layer}.key")
        v = g.Concat(f"past_key_values.{layer}.value", v, axis=-2, to=f"present.{layer}.value")
        scale = g.dtype(head**-0.25)
        scores = g.MatMul(g.Mul(q, scale), g.Mul(g.Transpose(repeat(k), perm=[0, 1, 3, 2]), scale))
        weights = g.narrow(g.Softmax(g.Add(g.widen(scores), bias), axis=-1))
        y = g.Reshape(g.Transpose(g.MatMul(weights, repeat(v)), perm=[0, 2, 1, 3]), g.shape(batch, tokens, width))
        x = g.Add(x, g.linear(y, scope + "/self_attn/o_proj", width, width))
        h = g.norm(x, f"model.layers.{layer}.post_attention_layernorm", width)
        gate = g.linear(h, scope + "/mlp/gate_proj", width, ffn)
        up = g.linear(h, scope + "/mlp/up_proj", width, ffn)
        x = g.Add(x, g.linear(g.Mul(g.Mul(gate, g.Sigmoid(gate)), up), scope + "/mlp/down_proj", ffn, width))
    g.Identity(g.linear(g.norm(x, "model.norm", width), "/lm_head", width, vocabulary), to="logits")
    g.data.close()

    def info(name, element, *shape):
        return helper.make_tensor_value_info(name, element, shape)

    inputs = [info("input_ids", TensorProto.INT64, "batch_size", "sequence_length"),
              info("attention_mask", TensorProto.INT64, "batch_size", "past_sequence_length + sequence_length"),
              info("position_ids", TensorProto.INT64, "batch_size", "sequence_length")]
    outputs = [info("logits", element, "batch_size", "sequence_length", vocabulary)]
    for layer in range(layers):
        for kind in ("key", "value"):
            inputs.append(info(f"past_key_values.{layer}.{kind}", element, "batch_size", kv_heads, "past_sequence_length", head))
            outputs.append(info(f"present.{layer}.{kind}", element, "batch_size", kv_heads, "past_sequence_length + sequence_length", head))
    graph = helper.make_graph(g.nodes, "main_graph", inputs, outputs, g.initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    with open(path, "wb") as file:
        file.write(model.SerializeToString())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out")
    parser.add_argument("--shape", choices=SHAPES, default="1b")
    parser.add_argument("--dtype", choices=("f16", "f32"), default="f16")
    parser.add_argument("--seed", type=int, default=0)
    for field in FIELDS:
        parser.add_argument("--" + field.replace("_", "-"), type=int)
    options = parser.parse_args()
    shape = {field: getattr(options, field) or size for field, size in zip(FIELDS, SHAPES[options.shape])}
    write(options.out, dtype=options.dtype, seed=options.seed, **shape)


if __name__ == "__main__":
    main()
