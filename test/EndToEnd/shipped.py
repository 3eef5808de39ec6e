# RUN: %python %s
"""The shipped model, by two exporters: ONNX Runtime's logits, perplexity and text."""

from endtoend import *

text = os.path.join(SHIPPED, "held-out.txt")
tokenizer = os.path.join(SHIPPED, "tokenizer.model")
import sentencepiece

encoder = sentencepiece.SentencePieceProcessor(model_file=tokenizer)
tokens, prompt = encoder.encode(open(text).read()), encoder.encode("Once upon a time")
for name in ("torchscript_past.onnx", "opset23.onnx"):
    path = os.path.join(SHIPPED, name)
    oracle = oracle_perplexity(path, tokens, 256, 12)["perplexity"]
    artifact = compile_model(path, f"--tokenizer={tokenizer}")
    measure = [f"--perplexity={text}", "--window=256", "--max-windows=12"]
    original = terse_run(artifact, *measure)["perplexity"]
    check(abs(original / oracle - 1) <= 1e-3,
          f"{name}: perplexity {original:.5f}, ONNX Runtime {oracle:.5f}")
    for recipe, bound in [("w8", 0.003), ("w4", 0.02)]:
        small = compile_model(path, f"--tokenizer={tokenizer}", f"--recipe={recipe}")
        result = terse_run(small, *measure, f"--against={artifact}")
        change = result["perplexity"] / original - 1
        check(change <= bound, f"{name}: {recipe}: perplexity {change:+.3%}; at most {bound:.1%}")
        check(0 < result["kl"] < 0.05 and result["top1_agreement"] > 0.85,
              f"{name}: {recipe}: KL {result['kl']:.4f}, top-1 {result['top1_agreement']:.4f}")

path = os.path.join(SHIPPED, "torchscript_past.onnx")
artifact = compile_model(path, f"--tokenizer={tokenizer}")
expected, margin = oracle_greedy(path, prompt, 100)
result = terse_run(artifact, "--prompt=Once upon a time", "--max-tokens=100", "--ignore-eos")
check(result["token_ids"] == expected, f"greedy text is ONNX Runtime's (least margin {margin:.4f})")
check(result["text"].strip().startswith(encoder.decode(expected)[:40].strip()),
      f"text: {result['text'][:60]!r}")
finish()
