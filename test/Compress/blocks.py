# RUN: rm -rf %t && mkdir -p %t && %python %s %t
"""How alike what layers take and give are, against ONNX Runtime and NumPy; a model without some of them against ONNX Runtime's with zeros in their
weights; an interrupted calibration goes on."""
from endtoend import *

import time

import onnx
import onnxruntime
import sentencepiece

import tstats
from shorten import shorten

folder = sys.argv[1]
LAYERS = 2
model = os.path.join(folder, "model.onnx")
proto = shorten(os.path.join(SHIPPED, "torchscript_past.onnx"), LAYERS)
onnx.save(proto, model)
tokenizer = os.path.join(SHIPPED, "tokenizer.model")
text = os.path.join(SHIPPED, "held-out.txt")
tokens = sentencepiece.SentencePieceProcessor(model_file=tokenizer).encode(open(text).read()[:20000])
windows = os.path.join(folder, "calibration.ids")
with open(windows, "w") as file:
    file.write(" ".join(map(str, tokens[:8 * 64])))


def command(name, recipe, *options):
    path = os.path.join(folder, name)
    return ["tersec", model, "-o", path, f"--tokenizer={tokenizer}", f"--recipe={recipe}", f"--calib={windows}", "--calib-windows=8",
            "--calib-window=64", LEVEL, *options]


def compile(name, recipe, *options):
    must(*command(name, recipe, *options))
    return os.path.join(folder, name)


def perplexity(path):
    return terse_run(path, f"--perplexity={text}", "--window=64", "--max-windows=4")["perplexity"]


# Where layers and their halves begin and end.
places = ["/model/embed_tokens/Gather_output_0"] + [f"/model/layers.{i}/{add}_output_0" for i in range(LAYERS) for add in ("Add", "Add_1")]
seen = onnx.load(model)
seen.graph.output.extend(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in places)
session = onnxruntime.InferenceSession(seen.SerializeToString())
feeds = {"input_ids": np.array(tokens[:8 * 64]).reshape(8, 64), "attention_mask": np.ones((8, 64), np.int64),
         "position_ids": np.tile(np.arange(64), (8, 1))}
for info in session.get_inputs():
    if info.name.startswith("past"):
        feeds[info.name] = np.zeros((8, info.shape[1], 0, info.shape[3]), np.float32)
values = [value.astype(np.float64) for value in session.run(places, feeds)]


def cosine(a, b):
    return np.mean(np.sum(a * b, -1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1))


names = [f"model.layers.{i}.{name}" for i in range(LAYERS) for name in ("self_attn.q_proj", "mlp.gate_proj")]
wanted = {"block": {names[2 * i]: cosine(values[2 * i], values[2 * i + 2]) for i in range(LAYERS)},
          "sublayer": {name: cosine(values[i], values[i + 1]) for i, name in enumerate(names)}}

statistics = os.path.join(folder, "s.tstats")
report = os.path.join(folder, "report.json")
pruned = compile("pruned.so", "w8:prune=blocks:50%",
                 f"--save-statistics={statistics}", f"--report={report}")
measured = json.loads(tstats.read(statistics)[0]["similarity"])
check(measured.keys() == wanted.keys() and all(
    measured[kind].keys() == wanted[kind].keys() and all(abs(measured[kind][name] - value) < 1e-5 for name, value in wanted[kind].items())
    for kind in wanted), f"similarities {measured}, wanted {wanted}")
shown = must("terse-inspect", statistics)
check("similarity" in shown.stdout, "terse-inspect shows them")
with open(report) as file:
    facts = {(fact["pass"], fact["name"]): fact["value"] for fact in json.load(file)["facts"]}
alike = max(wanted["block"], key=wanted["block"].get)
check(facts["terse-prune-blocks", "removed"].startswith(alike), f"the report says what was removed: {facts['terse-prune-blocks', 'removed']}")

# Its function: the whole model with zeros for what the removed layer adds.
removed = int(alike.split(".")[2])
nodes = {node.name: node for node in proto.graph.node}
initializers = {initializer.name: initializer for initializer in proto.graph.initializer}
for layer in ("self_attn/o_proj", "mlp/down_proj"):
    initializer = initializers[nodes[f"/model/layers.{removed}/{layer}/MatMul"].input[1]]
    initializer.CopyFrom(onnx.numpy_helper.from_array(np.zeros_like(onnx.numpy_helper.to_array(initializer)), initializer.name))
reference = os.path.join(folder, "reference.onnx")
onnx.save(proto, reference)
tuned = os.path.join(folder, "float.so")
must("tersec", model, "-o", tuned, f"--tokenizer={tokenizer}", LEVEL, f"--pass-pipeline=terse-prune-blocks{{share=50% stats={statistics}}}")
wanted_perplexity = oracle_perplexity(reference, tokens, 64, 4)["perplexity"]
got = perplexity(tuned)
check(abs(got / wanted_perplexity - 1) < 1e-4, f"perplexity {got}, in ONNX Runtime {wanted_perplexity}")
prompt = [1, 691, 617, 262]
expected, margin = oracle_greedy(reference, prompt, 24)
ids = terse_run(tuned, f"--prompt-ids={','.join(map(str, prompt))}", "--max-tokens=24", "--ignore-eos")["token_ids"]
check(ids == expected or margin < 1e-3, f"the same {len(ids)} tokens (least margin {margin:.4f})")
manifest = json.loads(must("terse-inspect", tuned, "--json").stdout)
check({layer["name"].split(".")[2] for layer in manifest["layers"] if layer["name"].startswith("model.layers.")} ==
      {str(i) for i in range(LAYERS) if i != removed}, "the layer is gone")
got = perplexity(pruned)
check(abs(got / wanted_perplexity - 1) < 0.02, f"in 8 bits {got}")

# With what else recipes prune, and interrupted.
recipe = "w4:prune=sublayers:25%+2:4,group-size=64"
whole = compile("hybrid.so", recipe)
child = subprocess.Popen(command("killed.so", recipe), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
spans = os.path.join(folder, "killed.so.calibration", "block-001.span.tstats")
while child.poll() is None and not os.path.exists(spans):
    time.sleep(0.01)
check(child.poll() is None, "it is interrupted between two layers")
child.kill()
child.wait()
again = compile("killed.so", recipe)
with open(whole, "rb") as first, open(again, "rb") as second:
    check(first.read() == second.read(), "the same bytes after a kill between two layers")

for prune, said in (("blocks:100%", "or several of them with + between"), ("blocks:", "or several"), ("layers:25%", "expected a pattern"),
                    ("blocks:25%+", "or several")):
    refused = run(*command("none.so", f"w8:prune={prune}"))
    check(refused.returncode != 0 and said in refused.stderr and not os.path.exists(os.path.join(folder, "none.so")), f"{prune}: {refused.stderr.strip()}")
finish()
