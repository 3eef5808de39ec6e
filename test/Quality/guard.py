# RUN: rm -rf %t && mkdir -p %t && %python %s %t
"""A compile that measures what it did: the figures are terse-run's, the promise is kept or the status says it is not."""

from endtoend import *

import glob

folder = sys.argv[1]
model = os.path.join(SHIPPED, "torchscript_past.onnx")
tokenizer = os.path.join(SHIPPED, "tokenizer.model")
text = os.path.join(SHIPPED, "held-out.txt")
out = os.path.join(folder, "small.so")


def tersec(*more, ok=True, source=model):
    result = run("tersec", source, "-o", out, f"--tokenizer={tokenizer}", "--levels=baseline,avx2", *more)
    check((result.returncode == 0) == ok, f"status {result.returncode} of {' '.join(more)}: {result.stderr[-300:]}")
    return result.stderr


def read(name):
    with open(os.path.join(folder, name)) as file:
        return json.load(file)


measure = [f"--eval={text}", "--eval-window=128", "--eval-windows=6"]
report = os.path.join(folder, "report.json")
said = tersec("--recipe=w3", *measure, f"--report={report}", "--max-loss=50%,rarest_10:60%,rest:50%", "--price-per-hour=2", "--query=100:50",
              "--report-date=2026-01-02")
figures = read("report.json")
original = compile_model(model, f"--tokenizer={tokenizer}")
wanted = terse_run(out, f"--perplexity={text}", "--window=128", "--max-windows=6", f"--against={original}")
near = lambda a, b: abs(a / b - 1) < 1e-4
check(near(figures["after"]["perplexity"], wanted["perplexity"])
      and near(figures["before"]["perplexity"], wanted["against_perplexity"])
      and abs(figures["quality"]["loss"] - (wanted["perplexity_ratio"] - 1)) < 1e-4
      and near(figures["quality"]["kl"], wanted["kl"]), f"as terse-run measures: {figures['quality']}")
for band, other in zip(figures["bands"], wanted["bands"]):
    check(band["name"] == other["name"] and band["tokens"] == other["tokens"]
          and (other["tokens"] == 0 or abs(band["loss"] - (other["perplexity_ratio"] - 1)) < 1e-4), f"band {band}")
promised = {band["name"]: band.get("promised_loss") for band in figures["bands"]}
check(figures["quality"]["promised_loss"] == 0.5 and promised == {"rarest_1": None, "rarest_10": 0.6, "rest": 0.5}, f"promises: {promised}")
check(f"loss {100 * figures['quality']['loss']:.2f} %" in said and "quality: perplexity" in said, said.strip()[-300:])
check(all(figures[side][key] > 0 for side in ("before", "after")
          for key in ("prefill_tokens_per_s", "decode_tokens_per_s", "artifact_bytes", "weight_bytes")), "both sides")
check(figures["source"]["sha256"] == hashlib.sha256(open(model, "rb").read()).hexdigest()
      and figures["artifact"]["sha256"] == hashlib.sha256(open(out, "rb").read()).hexdigest(), "hashes")
layers = [layer for layer in figures["layers"] if layer["kind"] == "linear"]
check(layers and all(0 < layer["relative_error"] < 0.5 and layer["bytes_after"] < layer["bytes_before"]
                     for layer in layers), f"{len(layers)} layers with errors and bytes")
cost = figures["computed"]["cost_after"]
rates = figures["after"]
check(near(cost["thousand_queries"], 1000 * (100 / rates["prefill_tokens_per_s"] + 50 / rates["decode_tokens_per_s"])
           * 2 / 3600), "costs")
passes = figures["passes"]
check([entry["name"] for entry in passes] == ["terse-quantize-weights", "terse-quantize-activations"]
      and passes[1]["loss"] == figures["quality"]["loss"] and passes[1]["bytes"] == figures["after"]["weight_bytes"]
      and abs(passes[0]["added"] + passes[1]["added"] - passes[1]["loss"]) < 1e-9, f"passes: {passes}")
alone = compile_model(model, f"--tokenizer={tokenizer}", "--recipe=w3:activations=float", "--levels=baseline,avx2")
wanted = terse_run(alone, f"--perplexity={text}", "--window=128", "--max-windows=6", f"--against={original}")
check(abs(passes[0]["loss"] - (wanted["perplexity_ratio"] - 1)) < 1e-4, f"the first pass alone loses {wanted['perplexity_ratio'] - 1}")
check(figures["date"] == "2026-01-02" and figures["recipe"] == "w3", "date and recipe")

# A promise that is broken.
page = os.path.join(folder, "report.html")
os.remove(out)
said = tersec("--pass-pipeline=terse-quantize-weights{bits=2},terse-quantize-activations", *measure, f"--report={page}", "--skip-pass-losses", "--max-loss=900%,rest:0.1%", ok=False)
check("% in the band rest; expected at most 0.10 % (--max-loss)" in said and "900.00 %" not in said and "is written, but breaks the promise" in said
      and "layers with the largest relative error: " in said and "model.layers." in said, said.strip()[-400:])
written = open(page, encoding="utf-8").read()
check(os.path.exists(out) and "Promise broken" in written and "Promise kept" in written, "artifact and report are there, each promise judged")
check(sorted(glob.glob(folder + "/*")) == sorted([out, report, page]), f"nothing is left: {glob.glob(folder + '/*')}")

# Without a text: what the compile knows.
tersec("--recipe=w4", f"--report={report}")
figures = read("report.json")
check("quality" not in figures and "before" not in figures and figures["after"]["bits_per_weight"] < 8
      and figures["facts"], "no quality without a text")
said = tersec("--recipe=w4", "--report")
check("terse-quantize-weights: layers-quantized" in said and "layer-errors" not in said, "--report as before")

for options, message in ((["--max-loss=1%"], "expected --eval with --max-loss"),
                         (["--eval=/nonexistent"], "cannot read '/nonexistent'"),
                         ([f"--report={folder}/x.pdf"], "expected a file .html or .json"),
                         (["--max-loss=much"], "expected a share of at least 0, such as 1% or 0.01; got 'much'"),
                         (["--max-loss=1%,rarest1:2%"], "unknown band of token frequency 'rarest1'; did you mean 'rarest_1'?"),
                         (["--max-loss=1%,rest:"], "expected a share of at least 0, such as 1% or 0.01; got ''"),
                         (["--max-loss=rest:1%,rest:2%"], "two promises for the band 'rest'"),
                         (["--query=7"], "expected PROMPT:COMPLETION"),
                         (["--price-per-hour=-1"], "expected a price of at least 0"),
                         ([f"--eval={text}", "--stop-after=normalize"], "expected an artifact")):
    check(message in tersec(*options, ok=False), message)
stage = os.path.join(folder, "compressed.mlir")
must("tersec", model, "--recipe=w4", "--stop-after=compress", "-o", stage)
check("expected a model before the stage 'compress' with --eval" in tersec(*measure, source=stage, ok=False),
      "what is compressed is no original")
finish()
