# RUN: env PYTHONPATH=%source/test/Inputs %python %s %terse-opt %t
"""Which layers go, by made-up cosines, and what is left of the function."""

import re
import subprocess
import sys

import tstats

opt, base = sys.argv[1:]

LAYER = """
  %w{i} = terse.weight "w{i}" = dense<0.0> : tensor<8x8xf32> -> tensor<8x8xf32>
  %m{i} = terse.weight "m{i}" = dense<0.0> : tensor<8x8xf32> -> tensor<8x8xf32>
  %v{i} = terse.linear {x}, %w{i} {{name = "attention.{i}"{policy}}} : tensor<?x?x8xf32>, tensor<8x8xf32> -> tensor<?x?x8xf32>
  %k{i} = terse.cache_update %state{i}, %v{i} at %past : tensor<?x1x?x8xf32>, tensor<?x?x8xf32>
  %t{i} = terse.attention %v{i}, %k{i}, %k{i} length %length {{num_heads = 1 : i64, scale = 1.0 : f64, causal}}
    : tensor<?x?x8xf32>, tensor<?x1x?x8xf32>, tensor<?x1x?x8xf32> -> tensor<?x?x8xf32>
  %a{i} = arith.addf {x}, %t{i} : tensor<?x?x8xf32>
  %f{i} = terse.linear %a{i}, %m{i} {{name = "mlp.{i}"}} : tensor<?x?x8xf32>, tensor<8x8xf32> -> tensor<?x?x8xf32>
  %x{i} = arith.addf %a{i}, %f{i} : tensor<?x?x8xf32>"""
STATE = '{terse.dims = ["b", "1", "capacity", "8"], terse.state = "cache.%d"}'


def model(layers, policy="", more="", returned=""):
    """Layers of an attention and a feed-forward part each, an embedding before and a head behind; `returned`: a value that is a result too."""
    arguments = "".join(f", %state{i}: tensor<?x1x?x8xf32> " + STATE % i for i in range(layers))
    results = "".join(", tensor<?x1x?x8xf32> " + STATE % i for i in range(layers))
    caches = "".join(f", %k{i}" for i in range(layers))
    types = ", tensor<?x1x?x8xf32>" * layers
    if returned:
        results += ', tensor<?x?x8xf32> {terse.dims = ["b", "s", "8"], terse.name = "more"}'
        caches += ", " + returned
        types += ", tensor<?x?x8xf32>"
    body = "".join(LAYER.format(i=i, x=f"%x{i - 1}" if i else "%x", policy=policy if i == 1 else "") for i in range(layers))
    return f"""
func.func @forward(%past: index {{terse.symbol = "past"}}, %ids: tensor<?x?xi64> {{terse.dims = ["b", "s"], terse.name = "input_ids"}}{arguments})
    -> (tensor<?x?x4xf32> {{terse.dims = ["b", "s", "4"], terse.name = "logits"}}{results}) {{
  %c1 = arith.constant 1 : index
  %s = tensor.dim %ids, %c1 : tensor<?x?xi64>
  %length = arith.addi %past, %s : index
  %table = terse.weight "table" = dense<0.0> : tensor<9x8xf32> -> tensor<9x8xf32>
  %head = terse.weight "head" = dense<0.0> : tensor<4x8xf32> -> tensor<4x8xf32>
  %x = terse.embedding %ids, %table : tensor<?x?xi64>, tensor<9x8xf32> -> tensor<?x?x8xf32>{body}{more}
  %y = terse.linear %x{layers - 1}, %head {{name = "head"}} : tensor<?x?x8xf32>, tensor<4x8xf32> -> tensor<?x?x4xf32>
  return %y{caches} : tensor<?x?x4xf32>{types}
}}
"""


def prune(text, similarity, options):
    """The layers that are left, the states among arguments and results, facts; or what was said where it failed."""
    with open(f"{base}.mlir", "w") as file:
        file.write(text)
    tstats.write(f"{base}.tstats", {}, {}, similarity=similarity)
    ran = subprocess.run([opt, f"{base}.mlir", f"--terse-prune-blocks=stats={base}.tstats {options}", "--terse-print-report"],
                         capture_output=True, text=True)
    if ran.returncode:
        return ran.stderr
    facts = dict(re.findall(r"terse-prune-blocks: (\S+) (.*)", ran.stdout + ran.stderr))
    return (re.findall(r'terse\.linear .*name = "([^"]*)"', ran.stdout), re.findall(r'terse.state = "cache.(\d)"', ran.stdout), facts, ran.stdout)


def blocks(*cosines):
    return {"block": {f"attention.{i}": cosine for i, cosine in enumerate(cosines)}}


# Whole layers: the least different ones go, the later one of equals, never more than the share.
both = lambda *layers: [name for i in layers for name in (f"attention.{i}", f"mlp.{i}")] + ["head"]
layers, states, facts, text = prune(model(4), blocks(0.2, 0.9, 0.95, 0.9), "share=50%")
assert layers == both(0, 1) and states == ["0", "1"] * 2, (layers, states)
assert facts["blocks"] == "4" and facts["blocks-removed"] == "2" and facts["parameters-removed"] == str(4 * 64), facts
assert facts["removed"] == "attention.2 (0.9500); attention.3 (0.9000)", facts
for share, left in (("24%", (0, 1, 2, 3)), ("25%", (0, 1, 3)), ("0.99", (0,))):
    assert prune(model(4), blocks(0.2, 0.9, 0.95, 0.9), f"share={share}")[0] == both(*left), share
# The first one and the last one, which have neighbours on one side only; neighbours, in either order.
assert prune(model(3), blocks(0.9, 0.1, 0.8), "share=70%")[0] == both(1)
for cosines in ((0.1, 0.8, 0.9), (0.1, 0.9, 0.8)):
    assert prune(model(3), blocks(*cosines), "share=70%")[0] == both(0)
# What is left reads on where the removed ones read.
text = prune(model(3), blocks(0.1, 0.9, 0.8), "share=40%")[3]
value = re.search(r"(%\S+) = arith.addf .*\n(?:.*terse.weight.*\n)*.*terse.linear (%\S+), .*attention.2", text)
assert value and value[1] == value[2], text

# Attentions and feed-forward parts apart.
parts = {"sublayer": {"attention.0": 0.5, "mlp.0": 0.9, "attention.1": 0.8, "mlp.1": 0.3}}
layers, states, facts, text = prune(model(2), parts, "share=50% unit=sublayer")
assert layers == ["attention.0", "mlp.1", "head"] and states == ["0"] * 2, (layers, states)

# What may not go: the only caches, what is read elsewhere, what a policy keeps, what is excluded.
only = {"sublayer": {"attention.0": 0.9, "mlp.0": 0.1}}
layers, states, facts, text = prune(model(1), only, "share=50% unit=sublayer")
assert layers == ["attention.0", "head"] and '"attention.0":"no cache would be left"' in facts["left"], (layers, facts)
layers, states, facts, text = prune(model(2, returned="%a1"), blocks(0.1, 0.9), "share=50%")
assert layers == both(1) and '"attention.1":"a value within it is read elsewhere"' in facts["left"], (layers, facts)
layers, states, facts, text = prune(model(2, policy=", terse.policy = {keep}"), blocks(0.1, 0.9), "share=50%")
assert layers == both(1) and "the policy of layer 'attention.1' keeps it" in facts["left"], (layers, facts)
assert prune(model(2), blocks(0.1, 0.9), "share=50% exclude=mlp.1")[0] == both(1)
assert prune(model(2), blocks(0.1, 0.9), "share=50% layers=attention.0")[0] == both(1)
# Others may ask for a cache's sizes.
asking = """
  %c2 = arith.constant 2 : index
  %size = tensor.dim %state1, %c2 : tensor<?x1x?x8xf32>
  %wide = tensor.empty(%size) : tensor<?xf32>
  %kept = "test.keep"(%wide) : (tensor<?xf32>) -> tensor<?xf32>"""
with_sizes = model(2, more=asking)
layers, states, facts, text = prune(with_sizes.replace('"test.keep"(%wide) : (tensor<?xf32>) -> tensor<?xf32>', "math.exp %wide : tensor<?xf32>")
                                    .replace("return %y,", "return %y, %kept,").replace("return %y, %kept, %k0, %k1 : tensor<?x?x4xf32>,",
                                                                                         "return %y, %kept, %k0, %k1 : tensor<?x?x4xf32>, tensor<?xf32>,")
                                    .replace('terse.name = "logits"}', 'terse.name = "logits"}, tensor<?xf32> {terse.dims = ["capacity"], terse.name = "wide"}'),
                                    blocks(0.1, 0.9), "share=50%")
assert layers == both(0) and re.search(r"tensor.dim %arg2, ", text), text

# Wrong input.
for similarity, options, said in (
    ({}, "", "do not say how alike what the block of layer 'attention.0' takes and gives are"),
    (blocks(0.1), "", "do not say how alike what the block of layer 'attention.1' takes and gives are"),
    ({"block": 1}, "", "malformed 'similarity': expected an object of 'block'"),
    (blocks(0.1, 1.5), "", "malformed 'similarity': expected a cosine of 'attention.1'"),
    (blocks(0.1, 0.2), "share=1", "expected a share of 0 or more and less than 1"),
    (blocks(0.1, 0.2), "unit=head", "expected a unit of block or sublayer; got 'head'"),
    (blocks(0.1, 0.2), "layers=nothing", "nothing"),
    (blocks(0.1, 0.2), "stats=none.tstats", "none.tstats"),
):
    got = prune(model(2), similarity, options)
    assert isinstance(got, str) and said in got, (options, got)
with open(f"{base}.mlir", "w") as file:
    file.write(model(1))
ran = subprocess.run([opt, f"{base}.mlir", "--terse-prune-blocks"], capture_output=True, text=True)
assert ran.returncode and "got no file of statistics" in ran.stderr, ran.stderr
