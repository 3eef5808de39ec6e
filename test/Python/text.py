# RUN: %python %s
"""Text from Python: generation and perplexity against ONNX Runtime, tokens against SentencePiece."""

import dataclasses

from endtoend import *
import sentencepiece

import terse

path = os.path.join(SHIPPED, "torchscript_past.onnx")
tokenizer = os.path.join(SHIPPED, "tokenizer.model")
text = open(os.path.join(SHIPPED, "held-out.txt")).read()
encoder = sentencepiece.SentencePieceProcessor(model_file=tokenizer)
artifact = compile_model(path, f"--tokenizer={tokenizer}")
model = terse.load(artifact, threads=2)

# Tokens.
for sample in (text[:3000], "", "x", " two  spaces ", "Ünïcödé 漢字 🙂", "\n\n"):
    check(model.tokenize(sample) == encoder.encode(sample), f"tokens of {sample[:20]!r}")
check(model.detokenize(model.tokenize("Tom saw a big 漢字.")) == "Tom saw a big 漢字.", "and back")
check(model.tokenize("Tom", bos=True) == [encoder.bos_id(), *encoder.encode("Tom")], "after the token of a new text")

# Greedy text.
prompt = encoder.encode("Once upon a time")
expected, margin = oracle_greedy(path, prompt, 100)
generation = model.generate("Once upon a time", max_tokens=100, ignore_eos=True)
tokens = list(generation)
check([token.id for token in tokens] == expected, f"greedy text is ONNX Runtime's (least margin {margin:.4f})")
check("".join(map(str, tokens)) == generation.text and generation.finish_reason == "length", "pieces make up the text")
check(encoder.decode(prompt + expected) == "Once upon a time" + generation.text, "the text is SentencePiece's")
check(generation.prompt_token_ids == prompt and generation.token_ids == expected, "ids of prompt and text")
again = model.generate(prompt, max_tokens=100, ignore_eos=True, threads=1)
check(again.read() == generation.text, "a prompt of ids; one thread")

# Sampling gives what terse-run gives.
how = dict(temperature=0.9, top_k=40, top_p=0.95, seed=7)
options = [f"--{name.replace('_', '-')}={value}" for name, value in how.items()]
result = terse_run(artifact, "--prompt=Tom and Mia", "--max-tokens=60", *options)
generation = model.generate("Tom and Mia", max_tokens=60, **how)
check(generation.read() == result["text"] and generation.token_ids == result["token_ids"], "sampling is terse-run's")
check(generation.finish_reason == result["finish_reason"], f"ends for the same reason: {generation.finish_reason}")
other = model.generate("Tom and Mia", max_tokens=60, **dict(how, seed=8)).read()
check(other != generation.text, "another seed gives another text")

# Ends.
whole = model.generate("Once upon a time", max_tokens=60, ignore_eos=True).read()
word = whole.split()[8]
generation = model.generate("Once upon a time", max_tokens=60, ignore_eos=True, stop=[word, "never there"])
check(generation.read() == whole[:whole.index(word)] and generation.finish_reason == "stop", f"stops before {word!r}")
generation = model.generate("Once upon a time", max_tokens=60, ignore_eos=True, stop="never there")
check(generation.read() == whole and generation.finish_reason == "length", "text held back for a stop comes at the end")
generation = model.generate("Once upon a time", max_tokens=60, stop=expected[5])
check(generation.read() and generation.token_ids == expected[:expected.index(expected[5])], "stops at a token")
check(list(model.generate("x", max_tokens=0)) == [], "no tokens")
session = model.session(context=len(prompt) + 5)
generation = session.generate(prompt, max_tokens=50)
check(generation.read() and generation.finish_reason == "context" and len(generation.token_ids) == 6,
      "ends where the context is full")

# A session goes on: in two steps as in one.
session = model.session(threads=1)
first = session.generate("Once upon a time", max_tokens=10, ignore_eos=True)
first.read()
second = session.generate(first.token_ids[-1:], max_tokens=10, ignore_eos=True)
second.read()
check(first.token_ids + second.token_ids == expected[:20], "a session goes on after its text")

# Perplexity.
ids = encoder.encode(text)
wanted = oracle_perplexity(path, ids, 128, 6)
measured = model.perplexity(text, window=128, max_windows=6)
check(abs(measured.perplexity / wanted["perplexity"] - 1) < 1e-3 and measured.tokens == wanted["tokens"],
      f"perplexity {float(measured):.5f}, ONNX Runtime {wanted['perplexity']:.5f}")
check(measured.kl is None and measured.windows == 6, "nothing to compare with")
check(model.perplexity(ids, window=128, max_windows=6) == measured, "of ids")
small = terse.load(compile_model(path, f"--tokenizer={tokenizer}", "--recipe=w4"), threads=2)
compared = small.perplexity(text, window=256, max_windows=4, against=model)
result = terse_run(small.path, f"--perplexity={os.path.join(SHIPPED, 'held-out.txt')}", "--window=256",
                   "--max-windows=4", f"--against={artifact}")
check(all(getattr(compared, key) == result[key] for key in ("perplexity", "nll", "tokens", "kl", "top1_agreement",
                                                            "perplexity_ratio")),
      f"as terse-run measures: {compared}")
check([dataclasses.asdict(band) for band in compared.bands] == result["bands"] and len(compared.bands) == 3,
      "bands of token frequency too")
check(all(band.kl is None for band in measured.bands) and sum(band.tokens for band in measured.bands)
      == measured.tokens, "bands without a model to compare with")
check(model.perplexity(text, window=128, max_windows=6, band_text=text).bands == measured.bands
      and model.perplexity(text, window=128, max_windows=6, band_text="Tom saw a dog.").bands != measured.bands,
      "bands counted in another text")

# A tokenizer that the artifact does not have.
bare = terse.load(compile_model(path), tokenizer=tokenizer)
check(bare.generate("Once upon a time", max_tokens=20).read() == whole[:len(
    bare.generate("Once upon a time", max_tokens=20).read())], "a tokenizer given at load")
check([token.text for token in terse.load(compile_model(path)).generate(prompt, max_tokens=3)] == [""] * 3,
      "ids work without a tokenizer")

for text_, call in [
        ("the prompt is empty", lambda: model.generate([])),
        ("expected token ids of at least 0; got -1", lambda: model.generate([-1])),
        ("expected token ids, a sequence of integers",
         lambda: model.generate([1.5])),
        ("expected tokens of 0 to 4095; got 5000", lambda: model.generate([5000]).read()),
        ("expected a temperature of at least 0", lambda: model.generate("x", temperature=-1)),
        ("expected top_p above 0", lambda: model.generate("x", top_p=0)),
        ("max_tokens: expected at least 0", lambda: model.generate("x", max_tokens=-1)),
        ("stop: expected a text that is not empty", lambda: model.generate("x", stop="")),
        ("the text is too short: expected at least 257 tokens", lambda: model.perplexity("x")),
        ("expected a window of at least 1", lambda: model.perplexity("x", window=0)),
        ("expected 0 to 1024 threads; got 5000", lambda: model.generate("x", threads=5000).read())]:
    try:
        call()
    except ValueError as error:
        check(isinstance(error, terse.TerseError) and text_ in str(error), f"refused: {error}")
    else:
        check(False, f"expected an error: {text_}")

# What lies in the files.
inspection = terse.inspect(small.path, verify=True)
check(inspection.recipe == "w4" and inspection.levels == ("baseline", "avx2", "avx512vnni"), "inspect: recipe, levels")
bits = {layer.bits for layer in inspection.layers if layer.kind == "linear"}
check(bits == {4} and all(4.4 < layer.bits_per_weight < 4.6 for layer in inspection.layers if layer.kind == "linear"),
      f"inspect: {len(inspection.layers)} layers")
check(inspection.raw == json.loads(must("terse-inspect", small.path, "--json", "--verify").stdout),
      "inspect: as terse-inspect prints it")
source = terse.inspect(path)
check(source.hashes["model"] == inspection.hashes["source"] and source.bytes == os.path.getsize(path),
      "inspect: a model")
finish()
