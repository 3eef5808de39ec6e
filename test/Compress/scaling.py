# RUN: rm -rf %t && mkdir -p %t && %python %s %t
"""Smoothing and AWQ's scales keep the model's function, whatever the statistics say, folded or not; what they are for holds on a real model."""
from endtoend import *

import onnx

import tstats
from shorten import shorten

sys.path.insert(0, os.path.join(SOURCE, "test", "Compress", "Inputs"))
import plant_outliers

folder = sys.argv[1]
model = os.path.join(folder, "model.onnx")
onnx.save(shorten(os.path.join(SHIPPED, "torchscript_past.onnx"), 2), model)
tokenizer = f"--tokenizer={os.path.join(SHIPPED, 'tokenizer.model')}"
text = os.path.join(SHIPPED, "held-out.txt")
calibration = [f"--calib={text}", "--calib-windows=8", "--calib-window=128"]
rng = np.random.default_rng(1)


def compile(name, *options, source=model):
    path = os.path.join(folder, name + ".so")
    must("tersec", source, "-o", path, tokenizer, LEVEL, *options)
    return path


def perplexity(path, against=None):
    return terse_run(path, f"--perplexity={text}", "--window=128", "--max-windows=6", *([f"--against={against}"] if against else []))


def measure(name, source):
    path = os.path.join(folder, name + ".tstats")
    compile(name, *calibration, f"--save-statistics={path}", source=source)
    return path


original = compile("keep")
statistics = measure("measured", model)
metadata, tensors = tstats.read(statistics)
layers = json.loads(metadata["layers"])
# Of other sizes than any that were measured.
wild = {name: value * np.float32(10) ** rng.uniform(-2, 2, value.shape).astype(np.float32) if name.endswith(("abs_max", "abs_mean")) else value
        for name, value in tensors.items()}
path = os.path.join(folder, "wild.tstats")
tstats.write(path, layers, wild)
for name, passes in {
    "smooth": f"terse-smooth-outliers{{stats={path} alpha=0.7}},terse-fold-scales",
    "smooth-all": f"terse-smooth-outliers{{stats={path} only-absorbed=false}},terse-fold-scales",
    "smooth-explicit": f"terse-smooth-outliers{{stats={path} only-absorbed=false}}",
    "awq": f"terse-awq-scale{{stats={path} bits=3 rows=64 only-absorbed=false head=true}},terse-fold-scales",
}.items():
    result = perplexity(compile(name, f"--pass-pipeline={passes}"), against=original)
    check(result["kl"] < 1e-7 and result["top1_agreement"] > 0.999, f"{name} keeps the function: {result['kl']}, {result['top1_agreement']}")

# Outliers break a static range for all channels; smoothing mends it. Rounding of weights to 3 bits loses less by AWQ's scales there, and by GPTQ block by block.
planted = os.path.join(folder, "planted.onnx")
proto = onnx.load(model)
check(len(plant_outliers.plant(proto)) == 5, "outliers planted behind every norm")
onnx.save(proto, planted)
outliers = measure("planted", planted)
w8 = "terse-quantize-weights{bits=8 group-size=0}"
static = f"terse-quantize-activations{{mode=static stats={outliers}}}"
w3 = "bits=3 group-size=64 symmetric=false"
divergences, ratios = {}, {}
for name, source, option in [
    ("static", planted, f"--pass-pipeline={w8},{static}"),
    ("static-smooth", planted, f"--pass-pipeline=terse-smooth-outliers{{stats={outliers}}},{w8},{static},terse-fold-scales"),
    ("static-auto", planted, f"--pass-pipeline=terse-smooth-outliers{{alpha=auto stats={outliers}}},{w8},{static},terse-fold-scales"),
    ("dynamic-smooth", planted, f"--pass-pipeline=terse-smooth-outliers{{stats={outliers}}},{w8},terse-quantize-activations,terse-fold-scales"),
    ("rtn", model, f"--pass-pipeline=terse-quantize-weights{{{w3}}}"),
    ("planted-rtn", planted, f"--pass-pipeline=terse-quantize-weights{{{w3}}}"),
    ("planted-awq", planted, f"--pass-pipeline=terse-awq-scale{{{w3} head=true stats={outliers}}},terse-quantize-weights{{{w3}}},terse-fold-scales"),
    ("gptq", model, f"--pass-pipeline=terse-quantize-weights{{{w3} method=gptq}}"),
]:
    path = compile(name, option, *(calibration if name == "gptq" else []), source=source)
    result = perplexity(path, against=original)
    divergences[name], ratios[name] = result["kl"], result["perplexity_ratio"]
print({name: f"{divergence:.5f}" for name, divergence in divergences.items()})
check(ratios["static"] > 1.5, f"outliers break a static range: {ratios['static']}")
for name in ("static-smooth", "static-auto", "dynamic-smooth"):
    check(abs(ratios[name] - 1) < 0.01 and divergences[name] < 0.01, f"{name}: {ratios[name]}, {divergences[name]}")
check(divergences["gptq"] < 0.6 * divergences["rtn"], f"gptq {divergences['gptq']}, rtn {divergences['rtn']}")
# The weights of planted channels are small beside the others of their group, and would be rounded away.
check(divergences["planted-awq"] < 0.8 * divergences["planted-rtn"], f"awq {divergences['planted-awq']}, rtn {divergences['planted-rtn']}")

# Statistics that a recipe needs and nobody measures are missed at once.
refused = run("tersec", model, "-o", os.path.join(folder, "none.so"), "--recipe=w8:smooth=0.5")
check(refused.returncode != 0 and "needs the inputs of layers to be measured: give it data with --calib" in refused.stderr, refused.stderr.strip())
finish()
