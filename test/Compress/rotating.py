# RUN: rm -rf %t && mkdir -p %t && %python %s %t
"""Rotations keep the function, of models with odd sizes too, and of a real one; with outliers in it, it stays good in static 8 and 4 bits."""
import re

from endtoend import *

import onnx
from shorten import shorten

for folder in (("Compress", "Inputs"), ("Numerics", "Inputs")):
    sys.path.insert(0, os.path.join(SOURCE, "test", *folder))
import plant_outliers
from harness import Compiled

folder = sys.argv[1]
rng = np.random.default_rng(3)


class Module:
    """The text of a function, its weights random."""

    def __init__(self):
        self.lines, self.count = [], 0

    def add(self, text):
        self.count += 1
        self.lines.append(f"%v{self.count} = {text}")
        return f"%v{self.count}"

    def weight(self, *shape, mean=0.0):
        values = (mean + rng.standard_normal(shape) / np.sqrt(shape[-1])).astype(np.float32)
        type = f"tensor<{'x'.join(map(str, shape))}xf32>"
        return self.add(f'terse.weight "w{self.count}" = dense<{values.tolist()}> : {type} -> {type}'), type

    def linear(self, x, k, n, bias=False, transposed=False):
        weight, type = self.weight(*((k, n) if transposed else (n, k)))
        extra = "bias {} : {} ".format(*self.weight(n)) if bias else ""
        axis = "{reduction_axis = 0 : i64} " if transposed else ""
        return self.add(f"terse.linear {x}, {weight} {extra}{axis}: tensor<2x?x{k}xf32>, {type} -> tensor<2x?x{n}xf32>")

    def norm(self, x, size, kind):
        gain, type = self.weight(size, mean=1.0)
        extra = "bias {} : {} ".format(*self.weight(size)) if kind == "layer" else ""
        return self.add(f"terse.norm {kind} {x}, {gain} {extra}{{epsilon = 1.0e-5 : f64}} : tensor<2x?x{size}xf32>, {type}")

    def binary(self, op, a, b, size):
        return self.add(f"arith.{op} {a}, {b} : tensor<2x?x{size}xf32>")

    def heads(self, x, count, size):
        """[B, KV, S, D]"""
        split = self.add(f"tensor.expand_shape {x} [[0], [1], [2, 3]] output_shape [2, %s, {count}, {size}] : tensor<2x?x{count * size}xf32> into tensor<2x?x{count}x{size}xf32>")
        empty = self.add(f"tensor.empty(%s) : tensor<2x{count}x?x{size}xf32>")
        return self.add(f"linalg.transpose ins({split} : tensor<2x?x{count}x{size}xf32>) outs({empty} : tensor<2x{count}x?x{size}xf32>) permutation = [0, 2, 1, 3]")

    def attention(self, q, k, v, heads, groups, size):
        types = f"tensor<2x?x{heads * size}xf32>, " + ", ".join(2 * [f"tensor<2x{groups}x?x{size}xf32>"])
        return self.add(f"terse.attention {q}, {self.heads(k, groups, size)}, {self.heads(v, groups, size)} length %s "
                        f"{{causal, num_heads = {heads} : i64, scale = 0.5 : f64}} : {types} -> tensor<2x?x{heads * size}xf32>")

    def slice(self, x, width, begin, size):
        return self.add(f"tensor.extract_slice {x}[0, 0, {begin}] [2, %s, {size}] [1, 1, 1] : tensor<2x?x{width}xf32> to tensor<2x?x{size}xf32>")

    def text(self, result, size):
        return (f"func.func @forward(%ids: tensor<2x?xi64>) -> tensor<2x?x{size}xf32> {{\n%c1 = arith.constant 1 : index\n%s = tensor.dim %ids, %c1 : tensor<2x?xi64>\n"
                + "\n".join(self.lines) + f"\nreturn {result} : tensor<2x?x{size}xf32>\n}}\n")


VOCABULARY = 11


def model(d, heads, groups, size, ffn, kind, bias, packed, gated, layers=1, leaks=False):
    """A small decoder. `packed`: one layer for queries, keys and values; `leaks`: the last norm of a layer is in the stream."""
    m = Module()
    table, type = m.weight(VOCABULARY, d)
    h = m.add(f"terse.embedding %ids, {table} : tensor<2x?xi64>, {type} -> tensor<2x?x{d}xf32>")
    # As some models have it; only a splat commutes with a rotation.
    two = m.add("arith.constant 2.0 : f32")
    h = m.binary("mulf", h, m.add(f"tensor.splat {two}[%s] : tensor<2x?x{d}xf32>"), d)
    if kind == "layer":  # learned positions, of which the first are taken
        positions, type = m.weight(2, 16, d)
        h = m.binary("addf", h, m.add(f"tensor.extract_slice {positions}[0, 0, 0] [2, %s, {d}] [1, 1, 1] : {type} to tensor<2x?x{d}xf32>"), d)
    for _ in range(layers):
        x = m.norm(h, d, kind)
        widths = [heads * size, groups * size, groups * size]
        if packed:
            whole = m.linear(x, d, sum(widths), bias)
            q, k, v = (m.slice(whole, sum(widths), sum(widths[:i]), widths[i]) for i in range(3))
        else:
            q, k, v = (m.linear(x, d, width, bias, transposed=True) for width in widths)
        h = m.binary("addf", h, m.linear(m.attention(q, k, v, heads, groups, size), heads * size, d, bias), d)
        x = m.norm(h, d, kind)
        up = m.linear(x, d, ffn, bias)
        up = m.add(f"terse.activation silu {up} : tensor<2x?x{ffn}xf32>")
        if gated:
            up = m.binary("mulf", up, m.linear(x, d, ffn), ffn)
        h = m.binary("addf", h, m.linear(up, ffn, d, bias, transposed=True), d)
        if leaks:
            h = m.binary("addf", h, m.norm(h, d, kind), d)
    return m.text(m.linear(m.norm(h, d, kind), d, VOCABULARY), VOCABULARY)


def run_module(text):
    """Logits of some tokens; weights become constants, which is what the lowering alone takes."""
    text = re.sub(r'terse\.weight "[^"]*" = (dense<[^>]*> : tensor<[^>]*>) -> tensor<[^>]*>', r"arith.constant \1", text)
    ids = np.arange(14).reshape(2, 7) * 5 % VOCABULARY
    return Compiled(text)(ids, outputs=[(2, 7, VOCABULARY)])


for name, options, streams, attentions, online in (
    ("llama", dict(d=20, heads=4, groups=2, size=6, ffn=44, kind="rms", bias=False, packed=False, gated=True), 1, 1, 1),
    ("gpt", dict(d=15, heads=3, groups=3, size=5, ffn=13, kind="layer", bias=True, packed=True, gated=False), 1, 1, 1),
    ("leaks", dict(d=12, heads=2, groups=1, size=8, ffn=10, kind="rms", bias=True, packed=False, gated=False, leaks=True), 0, 1, 0),
):
    text = model(**options)
    path = os.path.join(folder, name + ".mlir")
    with open(path, "w") as file:
        file.write(text)
    ran = must("terse-opt", path, "--terse-rotate-hadamard=seed=5", "--terse-print-report")
    facts = dict(re.findall(r"terse-rotate-hadamard: (\S+) (.*)", ran.stdout + ran.stderr))
    check((facts["streams-rotated"], facts["attentions-rotated"], facts["inputs-rotated-online"]) == (str(streams), str(attentions), str(online)), f"{name}: {facts}")
    check(streams == 1 or "a norm of it is read by 'arith.addf'" in facts["norms-left"], f"{name}: the reason")
    check(ran.stdout.count("terse.norm layer") == (0 if streams else text.count("terse.norm layer")), f"{name}: norms")
    original, rotated = run_module(text), run_module(re.sub(r"(?m)^terse-rotate-hadamard: .*\n", "", ran.stdout))
    error = np.abs(original - rotated).max() / np.abs(original).max()
    check(error < 3e-6, f"{name} keeps its function: {error:.2g}")

# A real one, cut to one layer; the same with outliers planted, which static ranges do not survive.
tokenizer = f"--tokenizer={os.path.join(SHIPPED, 'tokenizer.model')}"
held_out = os.path.join(SHIPPED, "held-out.txt")
calibration = [f"--calib={held_out}", "--calib-windows=8", "--calib-window=64"]
proto = shorten(os.path.join(SHIPPED, "torchscript_past.onnx"), 1)
check(len(plant_outliers.plant(proto)) == 3, "outliers planted behind every norm")
planted = os.path.join(folder, "planted.onnx")
onnx.save(proto, planted)


def compile(name, *options):
    path = os.path.join(folder, name + ".so")
    must("tersec", planted, "-o", path, tokenizer, LEVEL, *options)
    return path


def measure(path):
    return terse_run(path, f"--perplexity={held_out}", "--window=64", "--max-windows=8", f"--against={original}")


original = compile("keep")
same = measure(compile("rotated", "--pass-pipeline=terse-rotate-hadamard"))
check(same["kl"] < 1e-9 and same["top1_agreement"] == 1, f"rotations keep the function: {same['kl']}")
statistics = os.path.join(folder, "rotated.tstats")
for bits, most in ((8, 0.01), (4, 0.05)):
    divergence = {}
    for rotate in ("none", "hadamard"):
        recipe = f"w{bits}:group-size=0,activations=static,head-bits=8,rotate={rotate}"
        divergence[rotate] = measure(compile(f"w{bits}-{rotate}", f"--recipe={recipe}", f"--save-statistics={statistics}", *calibration))["kl"]
    print(f"w{bits}a8:", divergence)
    check(divergence["hadamard"] < most and divergence["hadamard"] < 0.1 * divergence["none"], f"w{bits}a8 with outliers: {divergence}")

# Statistics of the rotated model are of no use for the model as it was.
refused = run("tersec", planted, "-o", os.path.join(folder, "none.so"), f"--pass-pipeline=terse-quantize-weights{{method=gptq stats={statistics}}}")
check(refused.returncode != 0 and "of a model that is not rotated; got those of one rotated by 'hadamard seed=0" in refused.stderr, refused.stderr.strip())
finish()
