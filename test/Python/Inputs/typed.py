"""What users write, for the type checker."""

import numpy as np

import terse

compiled: terse.Compiled = terse.compile("model.onnx", "model.so", recipe="w4", levels=["avx2"])
with terse.load(compiled, threads=2) as model:
    logits = model(input_ids=np.array([[1, 2]]))["logits"]
    shape: tuple[int, ...] = logits.shape
    words: list[str] = [token.text for token in model.generate("Once", max_tokens=3, stop=["."])]
    score: float = model.perplexity("text", against=model).perplexity
    ids: list[int] = model.tokenize("text")
    session: terse.Session = model.session(context=10)
    best: int = int(session.eval(ids).argmax())
bits: list[float] = [layer.bits for layer in terse.inspect("model.so").layers]
try:
    terse.compile("model.onnx", "model.so")
except terse.CompileError as error:
    places: list[str] = [diagnostic.location for diagnostic in error.diagnostics]
