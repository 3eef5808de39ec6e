# RUN: %python %s
"""Prompt lookup: the text is the same with and without, whatever is drafted, and wherever it ends."""

from endtoend import *
import sentencepiece

import terse

path = os.path.join(SHIPPED, "torchscript_past.onnx")
tokenizer = os.path.join(SHIPPED, "tokenizer.model")
text = open(os.path.join(SHIPPED, "held-out.txt")).read()
encoder = sentencepiece.SentencePieceProcessor(model_file=tokenizer)
embed = f"--tokenizer={tokenizer}"
cpu = open("/proc/cpuinfo").read().split()
levels = ["baseline"] + ["avx2"] * ("avx2" in cpu) + ["avx512vnni"] * ("avx512_vnni" in cpu)
models = {"f32": compile_model(path, embed), "w4": compile_model(path, embed, "--recipe=w4"),
          "w4, cache of 8 and 4 bits": compile_model(path, embed, LEVEL, "--recipe=w4:kv-cache=k8v4"),
          "cache fed back": compile_model(path, "--keep-cache-io")}

# What it rests on: logits after a token are the same to the bit, however many tokens a step has.
ids = np.array([encoder.encode(text)[:90]])
sizes = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 16, 19]
assert sum(sizes) == ids.size
for name in list(models)[:3]:
    for level in levels if name != "w4, cache of 8 and 4 bits" else levels[-1:]:
        model = terse.load(models[name], threads=1, cpu_level=level)

        def rows(parts):
            session = model.session(context=ids.size)
            ends = np.cumsum(parts)
            return np.concatenate([session.run(input_ids=ids[:, end - size:end], attention_mask=np.ones((1, end), np.int64),
                                               position_ids=np.arange(end - size, end)[None])["logits"][0]
                                   for size, end in zip(parts, ends)])

        single = rows([1] * ids.size)
        differing = np.flatnonzero((rows(sizes) != single).any(1)).tolist()
        check(not differing, f"{name}, {level}: rows of steps of {sizes} tokens are those of single steps {differing}")

# Texts that repeat themselves, and one that does not.
story = text[:600]
begun = encoder.encode(story + "\n" + story[:100])
prompts = {"begun again": begun, "counting": encoder.encode("one two three one two three one two three one two"),
           "new": encoder.encode("Once upon a time")}
accepted = 0
for name, artifact in models.items():
    model = terse.load(artifact, threads=1)
    for what, prompt in prompts.items():
        for sampling in ({}, dict(temperature=0.7, top_p=0.9, seed=7)):
            plain = model.generate(prompt, max_tokens=60, ignore_eos=True, **sampling)
            drafted = model.generate(prompt, max_tokens=60, ignore_eos=True, prompt_lookup=15, **sampling)
            plain.read(), drafted.read()
            same = plain.token_ids == drafted.token_ids and plain.text == drafted.text
            check(same and plain.drafted_tokens == 0,
                  f"{name}: {what}, {sampling}: the same text, {drafted.accepted_tokens} of {drafted.drafted_tokens} accepted")
            accepted += drafted.accepted_tokens
check(accepted > 0, f"{accepted} drafted tokens were right")

# terse-run says the same, and what was drafted.
model = models["w4"]
prompt = "--prompt-ids=" + ",".join(map(str, begun))
plain = terse_run(model, prompt, "--threads=1", "--max-tokens=120", "--ignore-eos")
drafted = terse_run(model, prompt, "--threads=1", "--max-tokens=120", "--ignore-eos", "--prompt-lookup=256")
check(plain["token_ids"] == drafted["token_ids"] and plain["text"] == drafted["text"], "terse-run: the same text")
check(0 <= drafted["accepted_tokens"] <= drafted["drafted_tokens"] > 0 and "drafted_tokens" not in plain,
      f"{drafted['accepted_tokens']} of {drafted['drafted_tokens']} accepted")
steps = 119 / drafted["tokens_per_step"]
check(abs(steps + drafted["accepted_tokens"] - 119) < 1e-6, f"{steps:.3f} steps and the accepted tokens make 119")

# Ends: the context's and the text's. With an end amid a draft nothing behind it is given or kept.
loaded = terse.load(model, threads=1)
for room in (1, 2, 7, 30):
    ends = []
    for lookup in (0, 256):
        session = loaded.session(context=len(begun) + room)
        generation = session.generate(begun, max_tokens=500, ignore_eos=True, prompt_lookup=lookup)
        generation.read()
        ends.append((generation.token_ids, generation.finish_reason, session.past))
    check(ends[0] == ends[1] and ends[0][1] == "context" and ends[0][2] == len(begun) + room,
          f"a context with room for {room} more is filled alike")
for stop in (5, 23, 47):
    token, ends = plain["token_ids"][stop], []
    for lookup in (0, 15):
        session = loaded.session(context=len(begun) + 200)
        first = session.generate(begun, max_tokens=100, stop=[token], prompt_lookup=lookup)
        first.read()
        past = session.past
        second = session.generate([token], max_tokens=20, ignore_eos=True, prompt_lookup=lookup)
        second.read()
        ends.append((first.token_ids, first.finish_reason, past, second.token_ids))
    check(ends[0] == ends[1] and ends[0][1] == "stop", f"ends before token {token} and goes on after another one")
try:
    loaded.generate("x", prompt_lookup=257)
    check(False, "257 tokens are refused")
except terse.InvalidArgumentError as error:
    check("prompt_lookup of 0 to 256; got 257" in str(error), str(error))
finish()
