# RUN: rm -rf %t && mkdir -p %t && %python %s %t
"""Outlier channels in layers of their own: the function is ONNX Runtime's, whatever channels they are; static W8A8 of a model with planted outliers keeps
its function, which it loses without."""
from endtoend import *

import onnx

import tstats
from shorten import shorten

sys.path.insert(0, os.path.join(SOURCE, "test", "Compress", "Inputs"))
import plant_outliers

folder = sys.argv[1]
model = os.path.join(folder, "model.onnx")
proto = shorten(os.path.join(SHIPPED, "torchscript_past.onnx"), 2)
plant_outliers.plant(proto)
onnx.save(proto, model)
tokenizer = os.path.join(SHIPPED, "tokenizer.model")
text = os.path.join(SHIPPED, "held-out.txt")
calibration = [f"--calib={text}", "--calib-windows=8", "--calib-window=64"]


def compile(name, *options):
    path = os.path.join(folder, name + ".so")
    must("tersec", model, "-o", path, f"--tokenizer={tokenizer}", LEVEL, *options)
    return path


def measure(path, against):
    return terse_run(path, f"--perplexity={text}", "--window=64", "--max-windows=4", f"--against={against}")


plain = os.path.join(folder, "plain.so")
must("tersec", model, "-o", plain, f"--tokenizer={tokenizer}", LEVEL, "-O0")
# Channels by statistics of no model's, an odd number of them; kernels against the plain lowering of what was given.
rng = np.random.default_rng(3)
layers = [f"model.layers.{i}.{name}" for i in range(2) for name in ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj",
                                                 "mlp.up_proj", "mlp.down_proj")]
inputs = {"q": 128, "o": 128, "gate": 128, "down": 352, "head": 128}
taps = dict(zip(layers + ["lm_head"], 2 * ("q", "q", "q", "o", "gate", "gate", "down") + ("head",)))
made = os.path.join(folder, "made.tstats")
tstats.write(made, taps, {f"{tap}/{what}": value for tap, size in inputs.items()
                          for what, value in (("count", np.array([9])), ("abs_max", rng.random(size).astype(np.float32)))})
for share in ("1%", "5%"):
    result = measure(compile("split", f"--pass-pipeline=terse-split-outliers{{share={share} criterion=range stats={made}}}"), plain)
    # Weights of the outliers are in f16.
    check(result["kl"] < 1e-6 and abs(result["perplexity_ratio"] - 1) < 1e-4, f"{share} of the channels apart: KL {result['kl']:.2e}")

broken = measure(compile("broken", "--recipe=w8:group-size=0,activations=static", *calibration), plain)
check(broken["kl"] > 1, f"static W8A8 with planted outliers: KL {broken['kl']:.3f}")
for bits in (16, 8):
    path = compile(f"kept{bits}", f"--recipe=w8:group-size=0,activations=static,outliers=3%,outlier-bits={bits}", *calibration)
    kept = measure(path, plain)
    # In 8 bits the outliers' inputs, a few channels far apart, are rounded by one range for each token.
    near, apart = (0.01, 0.005) if bits == 16 else (0.03, 0.02)
    check(abs(kept["perplexity_ratio"] - 1) < near and kept["kl"] < apart,
          f"with 3 % of the channels in {bits} bits: perplexity times {kept['perplexity_ratio']:.4f}, KL {kept['kl']:.4f}")
    shown = json.loads(must("terse-inspect", path, "--json").stdout)["layers"]
    names = {layer["name"]: layer for layer in shown}
    check(any(".outliers" in name for name in names), f"terse-inspect lists them: {sorted(names)}")

for recipe, said in (("w8:outliers=200%", "expected a share of 0 or more and less than 1"), ("w8:outliers=1%,outlier-bits=4", "expected bits to be 16 or 8; got 4"),
                     ("w8:outlier-bits=8", "expected the key 'outliers' of the recipe 'w8' with 'outlier-bits'"),
                     ("auto:outliers=1%", "expected a recipe w8 to w2 with 'outliers'; got 'auto'")):
    refused = run("tersec", model, "-o", os.path.join(folder, "none.so"), f"--recipe={recipe}", *calibration)
    check(refused.returncode != 0 and said in refused.stderr and not os.path.exists(os.path.join(folder, "none.so")), f"{recipe}: {refused.stderr.strip()}")
refused = run("tersec", model, "-o", os.path.join(folder, "none.so"), "--recipe=w8:outliers=1%")
check(refused.returncode != 0 and "give it data with --calib" in refused.stderr, refused.stderr.strip())
finish()
