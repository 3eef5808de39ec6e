# RUN: rm -rf %t && mkdir -p %t && %python %s %t
"""Quality by token frequency on the shipped model: NumPy's float64 from ONNX Runtime's logits."""

from endtoend import *

import onnx
import onnx.numpy_helper
import sentencepiece

folder = sys.argv[1]
original = os.path.join(SHIPPED, "torchscript_past.onnx")
tokenizer = os.path.join(SHIPPED, "tokenizer.model")
text = os.path.join(SHIPPED, "held-out.txt")
WINDOW, WINDOWS = 128, 10

# What is compared with it: the same model with noise in its weights, which ONNX Runtime can run too.
noisy = os.path.join(folder, "noisy.onnx")
model = onnx.load(original)
draw = np.random.default_rng(0)
for weight in model.graph.initializer:
    values = onnx.numpy_helper.to_array(weight)
    if values.ndim == 2 and values.dtype == np.float32:
        values = values + 0.1 * values.std() * draw.standard_normal(values.shape).astype(np.float32)
        weight.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float32), weight.name))
onnx.save(model, noisy)


def log_probabilities(path, tokens):
    """[predicted, vocabulary], float64."""
    oracle, rows = Oracle(path), []
    for start in range(0, WINDOW * WINDOWS, WINDOW):
        oracle.reset()
        logits = oracle.run(tokens[start:start + WINDOW]).astype(np.float64)
        logits -= logits.max(axis=1, keepdims=True)
        rows.append(logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)))
    return np.concatenate(rows)


encoder = sentencepiece.SentencePieceProcessor(model_file=tokenizer)
tokens = encoder.encode(open(text).read())
targets = np.array(tokens[1:WINDOW * WINDOWS + 1])
p, q = log_probabilities(original, tokens), log_probabilities(noisy, tokens)
each = {"nll": -q[np.arange(len(q)), targets], "other": -p[np.arange(len(p)), targets],
        "kl": (np.exp(p) * (p - q)).sum(1), "top1_agreement": p.argmax(1) == q.argmax(1)}

other_text = os.path.join(folder, "other.txt")
with open(other_text, "w") as file:
    file.write(open(text).read()[:9000])
options = [f"--tokenizer={tokenizer}"]
artifact, against = compile_model(noisy, *options), compile_model(original, *options)
for counted, more in ((tokens, []), (encoder.encode(open(other_text).read()), [f"--band-text={other_text}"])):
    counts = np.bincount(counted, minlength=4096)
    limits = [min(c for c in range(1, counts.max() + 1) if counts[counts <= c].sum() >= share * len(counted))
              for share in (0.01, 0.1)]
    result = terse_run(artifact, f"--perplexity={text}", f"--window={WINDOW}", f"--max-windows={WINDOWS}",
                       f"--against={against}", *more)
    check(abs(result["perplexity_ratio"] / np.exp((each["nll"] - each["other"]).mean()) - 1) < 1e-4,
          f"ratio {result['perplexity_ratio']:.5f}")
    for index, band in enumerate(result["bands"]):
        inside = np.searchsorted(limits, counts[targets]) == index
        want = {key: values[inside].mean() for key, values in each.items()} if inside.any() else {}
        check(band["tokens"] == inside.sum(), f"{band['name']}: {band['tokens']} tokens, {band['mass']:.2%} of the text")
        if not want:
            check(band["kl"] is None, f"{band['name']}: nothing is said of no tokens")
            continue
        ratio = np.exp(want["nll"] - want["other"])
        check(abs(band["perplexity_ratio"] / ratio - 1) < 1e-3 and abs(band["kl"] / want["kl"] - 1) < 5e-3
              and abs(band["nll"] / want["nll"] - 1) < 1e-3,
              f"{band['name']}: ratio {band['perplexity_ratio']:.5f} (NumPy {ratio:.5f}), KL {band['kl']:.5f} "
              f"({want['kl']:.5f})")
        check(abs(band["top1_agreement"] - want["top1_agreement"]) <= 2 / band["tokens"],
              f"{band['name']}: top-1 {band['top1_agreement']:.4f} ({want['top1_agreement']:.4f})")
finish()
