# RUN: %python %s
"""Decoders of ONNX Runtime's fused operators: the cache as state, and as inputs for sequences of different lengths over several steps."""
import os
import re
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
from decoders import VOCABULARY, Graph, past_inputs

MS = "com.microsoft"
HEADS, KV, SIZE, WIDTH, LAYERS = 4, 2, 16, 32, 2
failed = []


def model(g):
    graph = helper.make_graph(g.nodes, "decoder", g.inputs, g.outputs, g.initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid(MS, 1)], ir_version=9)


def grouped(**attributes):
    """As the GenAI builder writes Mistral: GroupQueryAttention that rotates, SkipSimplifiedLayerNormalization."""
    g = Graph(1)
    ids, mask = g.input("input_ids", ["batch", "sequence"]), g.input("attention_mask", ["batch", "total"])
    lengths = g.Cast(g.Sub(g.ReduceSum(mask, np.array([1], np.int64), keepdims=0), np.array(1, np.int64)), to=TensorProto.INT32)
    total = g.Cast(g.dim(mask, 1), to=TensorProto.INT32)
    angles = np.outer(np.arange(64), 1 / 100 ** (np.arange(SIZE // 2) / 8)).astype(np.float32)
    cos, sin = g.constant(np.cos(angles), "cos"), g.constant(np.sin(angles), "sin")
    vector = lambda: g.constant(1 + 0.1 * g.rng.standard_normal(WIDTH))
    x = g.Gather(g.weight(VOCABULARY, WIDTH, scale=1.0), ids, axis=0)
    y = g.SimplifiedLayerNormalization(x, vector(), epsilon=1e-5)
    presents = []
    for layer in range(LAYERS):
        q, k, v = (g.linear(y, WIDTH, n * SIZE) for n in (HEADS, KV, KV))
        y, *rows = g.GroupQueryAttention(q, k, v, *past_inputs(g, layer, KV, SIZE), lengths, total, cos, sin, outputs=3, domain=MS, num_heads=HEADS,
                                         kv_num_heads=KV, do_rotary=1, **attributes)
        presents += zip(rows, (f"present.{layer}.key", f"present.{layer}.value"))
        y, _, _, x = g.SkipSimplifiedLayerNormalization(x, g.linear(y, HEADS * SIZE, WIDTH), vector(), outputs=4, domain=MS, epsilon=1e-5)
        y = g.linear(g.QuickGelu(g.linear(y, WIDTH, 2 * WIDTH), domain=MS), 2 * WIDTH, WIDTH)
        y, _, _, x = g.SkipSimplifiedLayerNormalization(x, y, vector(), outputs=4, domain=MS, epsilon=1e-5)
    g.output(g.linear(y, WIDTH, VOCABULARY), "logits", ["batch", "sequence", VOCABULARY])
    for value, name in presents:
        g.output(value, name, ["batch", KV, "total", SIZE])
    return model(g)


def gpt2():
    """As ONNX Runtime's optimizer writes GPT-2 without a cache: Attention with its projection, SkipLayerNormalization, FastGelu."""
    g = Graph(2)
    ids = g.input("input_ids", ["batch", "sequence"])
    vector = lambda size=WIDTH, around=0: g.constant(around + 0.1 * g.rng.standard_normal(size))
    places = g.unsqueeze(g.range(0, g.dim(ids, 1)), 0)
    x = g.Add(g.Gather(g.weight(VOCABULARY, WIDTH, scale=1.0), ids, axis=0), g.Gather(g.weight(64, WIDTH, scale=0.5), places, axis=0))
    y = g.LayerNormalization(x, vector(around=1), vector(), axis=-1, epsilon=1e-5)
    for layer in range(LAYERS):
        y = g.Attention(y, g.weight(WIDTH, 3 * WIDTH), vector(3 * WIDTH), domain=MS, num_heads=HEADS, unidirectional=1)
        y, _, _, x = g.SkipLayerNormalization(x, g.linear(y, WIDTH, WIDTH), vector(around=1), vector(), vector(), outputs=4, domain=MS, epsilon=1e-5)
        y = g.linear(g.FastGelu(g.linear(y, WIDTH, 4 * WIDTH), vector(4 * WIDTH), domain=MS), 4 * WIDTH, WIDTH)
        y, _, _, x = g.SkipLayerNormalization(x, y, vector(around=1), vector(), vector(), outputs=4, domain=MS, epsilon=1e-5)
    g.output(g.linear(y, WIDTH, VOCABULARY), "logits", ["batch", "sequence", VOCABULARY])
    return model(g)


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def check(condition, text):
    print(("ok:     " if condition else "FAILED: ") + text)
    if not condition:
        failed.append(text)


def compile(path, *options):
    return run("tersec", path("model.onnx"), "--levels=baseline", "--report", *options, "-o", path("model.so"))


def greedy(name, path, session):
    """Through the state, prompt and then token by token."""
    tokens = [5, 17, 3, 42]
    start = list(tokens)
    past = {i.name: np.zeros((1, KV, 0, SIZE), np.float32) for i in session.get_inputs() if i.name.startswith("past")}
    step = tokens
    for _ in range(8):
        feeds = {"input_ids": np.array([step]), **past}
        if past:
            feeds["attention_mask"] = np.ones((1, len(tokens)), np.int64)
        logits, *present = session.run(None, feeds)
        tokens.append(int(logits[0, -1].argmax()))
        past = dict(zip(past, present))
        step = tokens[-1:] if past else tokens
    compile(path)
    text = run("terse-run", path("model.so"), "--prompt-ids=" + ",".join(map(str, start)), "--max-tokens=8", "--ignore-eos", "--no-bos", "--json")
    ids = [int(i) for i in re.search(r'"token_ids":\[([\d,]*)\]', text).group(1).split(",")]
    check(ids == tokens[4:], f"{name}: greedy text {ids}, ONNX Runtime's {tokens[4:]}")


def ragged(name, path, session):
    """Prompts of different lengths, then tokens that each sequence has behind its own."""
    compile(path, "--keep-cache-io")
    rng, lengths = np.random.default_rng(0), np.array([7, 3])
    caches = [{i.name: np.zeros((2, KV, 0, SIZE), np.float32) for i in session.get_inputs() if i.name.startswith("past")} for _ in range(2)]
    for step in range(4):
        new = lengths.max() if step == 0 else 1
        lengths = lengths + (step > 0)
        mask = np.arange(lengths.max())[None] < lengths[:, None]
        feeds = {"input_ids": rng.integers(0, VOCABULARY, (2, new)), "attention_mask": mask.astype(np.int64)}
        want = dict(zip([o.name for o in session.get_outputs()], session.run(None, {**feeds, **caches[1]})))
        np.savez(path("in.npz"), **feeds, **caches[0])
        run("terse-run", path("model.so"), "--inputs", path("in.npz"), "--outputs", path("out.npz"))
        got = np.load(path("out.npz"))
        rows = mask[:, :, None] if step == 0 else np.ones((2, 1, 1))
        error = np.abs((got["logits"] - want["logits"]) * rows).max() / np.ptp(want["logits"])
        check(error < 1e-5, f"{name}, step {step} of {lengths}: error {error:.2g} of the range")
        caches = [{n: outputs["present" + n.removeprefix("past_key_values")] for n in caches[0]} for outputs in (got, want)]


for name, make, with_cache in (("grouped", grouped, True), ("grouped with a window and sinks", lambda: grouped(local_window_size=4, smooth_softmax=1), True),
                               ("gpt2", gpt2, False)):
    with tempfile.TemporaryDirectory() as folder:
        path = lambda file: os.path.join(folder, file)
        onnx.save(make(), path("model.onnx"))
        session = onnxruntime.InferenceSession(path("model.onnx"), providers=["CPUExecutionProvider"])
        greedy(name, path, session)
        if with_cache:
            ragged(name, path, session)
sys.exit(bool(failed))
