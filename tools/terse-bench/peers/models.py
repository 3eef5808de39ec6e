"""models.py KIND FOLDER [...]: the models that all engines get, their inputs and the reference of their outputs, by NumPy.

    linear FOLDER COUNT N K     COUNT layers y = x W of an input and an output each, W [K, N] f32; all of M rows, a dimension left open
    encoder FOLDER SHAPE        a BERT with random weights, as exporters write it unfused
    reference FOLDER ONNX       the logits of a Llama in ONNX behind PROMPT (decoder.py)

FOLDER receives model.onnx, inputs.npz and reference.json, the last a `sample` of the outputs and
their number.
"""
import json
import os
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import decoder
from samples import sample

ROWS, CHECKED = 256, 8
#: layers, width, heads, feed-forward, vocabulary, positions
ENCODERS = {"base": (12, 768, 12, 3072, 30522, 512), "tiny": (2, 64, 4, 128, 100, 128)}


def random_weight(rng, *shape, scale):
    return rng.standard_normal(shape, dtype=np.float32) * np.float32(scale)


class Writer:
    """A graph under construction; weights are written out as they come."""

    def __init__(self, folder):
        self.folder, self.nodes, self.initializers = folder, [], []
        self.data = open(os.path.join(folder, "model.onnx.data"), "wb")

    def weight(self, name, array):
        array = np.ascontiguousarray(array)
        self.data.write(b"\0" * (-self.data.tell() % 4096))
        tensor = TensorProto(name=name, dims=array.shape, data_type=helper.np_dtype_to_tensor_dtype(array.dtype), data_location=TensorProto.EXTERNAL)
        for key, value in (("location", "model.onnx.data"), ("offset", self.data.tell()), ("length", array.nbytes)):
            tensor.external_data.add(key=key, value=str(value))
        self.data.write(array.data)
        self.initializers.append(tensor)
        return name

    def constant(self, value):
        name = f"constant_{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def add(self, op, *inputs, name=None, **attributes):
        name = name or f"{op}_{len(self.nodes)}"
        inputs = [i if isinstance(i, str) else self.constant(i) for i in inputs]
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        return name

    def write(self, inputs, outputs):
        self.data.close()
        graph = helper.make_graph(self.nodes, "main_graph", inputs, outputs, self.initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        onnx.save(model, os.path.join(self.folder, "model.onnx"))


def write_reference(folder, output):
    path = os.path.join(folder, "reference.json")
    with open(path + ".new", "w") as file:
        json.dump({"size": output.size, "sample": sample(output).tolist()}, file)
    os.rename(path + ".new", path)


def write_linear(folder, count, n, k):
    rng, graph = np.random.default_rng(0), Writer(folder)
    x = rng.standard_normal((count, ROWS, k), dtype=np.float32)
    inputs, outputs, expected = [], [], []
    for i in range(count):
        weight = random_weight(rng, k, n, scale=k**-0.5)
        expected.append(x[i, :CHECKED].astype(np.float64) @ weight)
        graph.add("MatMul", f"x{i}", graph.weight(f"w{i}", weight), name=f"y{i}")
        inputs.append(helper.make_tensor_value_info(f"x{i}", TensorProto.FLOAT, ["tokens", k]))
        outputs.append(helper.make_tensor_value_info(f"y{i}", TensorProto.FLOAT, ["tokens", n]))
    graph.write(inputs, outputs)
    np.savez(os.path.join(folder, "inputs.npz"), x=x)
    write_reference(folder, np.stack(expected))


class EncoderRunner:
    """The encoder's operators in NumPy, f64: the reference, from the same weights."""

    @staticmethod
    def norm(x, gain, bias):
        centered = x - x.mean(-1, keepdims=True)
        return centered / np.sqrt((centered**2).mean(-1, keepdims=True) + 1e-12) * gain + bias

    @staticmethod
    def gelu(x):
        from math import erf
        return x * (1 + np.vectorize(erf)(x / np.sqrt(2))) / 2

    @staticmethod
    def softmax(x):
        e = np.exp(x - x.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)


def write_encoder(folder, shape):
    layers, width, heads, ffn, vocabulary, positions = ENCODERS[shape]
    rng, g, run = np.random.default_rng(1), Writer(folder), EncoderRunner
    ids = rng.integers(vocabulary, size=(8, 128))
    check = ids[:1]
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch_size", "sequence_length"])
              for name in ("input_ids", "attention_mask", "token_type_ids")]

    def norm(x, value, name):
        gain, bias = 1 + random_weight(rng, width, scale=0.1), random_weight(rng, width, scale=0.1)
        mean = g.add("ReduceMean", x, axes=[-1])
        centered = g.add("Sub", x, mean)
        variance = g.add("ReduceMean", g.add("Pow", centered, np.float32(2)), axes=[-1])
        y = g.add("Div", centered, g.add("Sqrt", g.add("Add", variance, np.float32(1e-12))))
        y = g.add("Mul", y, g.weight(name + ".LayerNorm.weight", gain))
        return g.add("Add", y, g.weight(name + ".LayerNorm.bias", bias)), run.norm(value, gain, bias)

    def linear(x, value, k, n, name):
        weight, bias = random_weight(rng, k, n, scale=k**-0.5), random_weight(rng, n, scale=0.1)
        y = g.add("MatMul", x, g.weight(name + ".weight", weight), name=name + "/MatMul")
        return g.add("Add", g.weight(name + ".bias", bias), y), value @ weight.astype(np.float64) + bias

    words = random_weight(rng, vocabulary, width, scale=1)
    places = random_weight(rng, positions, width, scale=0.5)
    kinds = random_weight(rng, 2, width, scale=0.5)
    length = g.add("Gather", g.add("Shape", "input_ids"), np.int64(1), axis=0)
    at = g.add("Slice", np.arange(positions)[None], np.array([0]), g.add("Unsqueeze", length, np.array([0])), np.array([1]))
    x = g.add("Add", g.add("Gather", g.weight("embeddings.word_embeddings.weight", words), "input_ids", axis=0),
              g.add("Gather", g.weight("embeddings.token_type_embeddings.weight", kinds), "token_type_ids", axis=0))
    x = g.add("Add", x, g.add("Gather", g.weight("embeddings.position_embeddings.weight", places), at, axis=0))
    x, value = norm(x, words[check].astype(np.float64) + kinds[0] + places[:check.shape[1]], "embeddings")
    mask = g.add("Cast", g.add("Unsqueeze", g.add("Unsqueeze", "attention_mask", np.array([1])), np.array([2])), to=TensorProto.FLOAT)
    bias = g.add("Mul", g.add("Sub", np.float32(1), mask), np.float32(np.finfo(np.float32).min))
    head = width // heads
    for layer in range(layers):
        scope = f"encoder.layer.{layer}"

        def split(pair, keys):
            x, value = pair
            x = g.add("Reshape", x, np.array([0, 0, heads, head]))
            return (g.add("Transpose", x, perm=[0, 2, 3, 1] if keys else [0, 2, 1, 3]),
                    value.reshape(*value.shape[:2], heads, head).transpose(0, 2, 3, 1) if keys else
                    value.reshape(*value.shape[:2], heads, head).transpose(0, 2, 1, 3))

        parts = [split(linear(x, value, width, width, f"{scope}.attention.self.{part}"), part == "key") for part in ("query", "key", "value")]
        (q, q_value), (k, k_value), (v, v_value) = parts
        scores = g.add("Add", g.add("Div", g.add("MatMul", q, k), np.float32(head**0.5)), bias)
        y = g.add("MatMul", g.add("Softmax", scores, axis=-1), v)
        y = g.add("Reshape", g.add("Transpose", y, perm=[0, 2, 1, 3]), np.array([0, 0, width]))
        y_value = (run.softmax(q_value @ k_value / head**0.5) @ v_value).transpose(0, 2, 1, 3).reshape(value.shape)
        y, y_value = linear(y, y_value, width, width, scope + ".attention.output.dense")
        x, value = norm(g.add("Add", y, x), y_value + value, scope + ".attention.output")
        y, y_value = linear(x, value, width, ffn, scope + ".intermediate.dense")
        gate = g.add("Add", g.add("Erf", g.add("Div", y, np.float32(2**0.5))), np.float32(1))
        y, y_value = g.add("Mul", g.add("Mul", y, gate), np.float32(0.5)), run.gelu(y_value)
        y, y_value = linear(y, y_value, ffn, width, scope + ".output.dense")
        x, value = norm(g.add("Add", y, x), y_value + value, scope + ".output")
    g.add("Identity", x, name="last_hidden_state")
    g.write(inputs, [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["batch_size", "sequence_length", width])])
    np.savez(os.path.join(folder, "inputs.npz"), input_ids=ids)
    write_reference(folder, value)


def main():
    kind, folder, *rest = sys.argv[1:]
    os.makedirs(folder, exist_ok=True)
    if kind == "linear":
        write_linear(folder, *map(int, rest))
    elif kind == "encoder":
        write_encoder(folder, *rest)
    else:
        write_reference(folder, decoder.Decoder(rest[0]).logits())


if __name__ == "__main__":
    main()
