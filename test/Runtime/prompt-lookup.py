# RUN: rm -rf %t && mkdir -p %t && %python %s %t
"""Drafts change neither tokens nor where a text ends, whatever a model keeps its past in."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "Inputs"))
from harness import error, reference, run, run_json, toy

tmp = pathlib.Path(sys.argv[1])
prompt = ("--prompt-ids", "72,105,33")
want = [int(i) for i in reference("generate", "72,105,33", 200).split(",")]
for memory in ("state", "feedback", "none"):
    model = toy(tmp / f"{memory}.so", "--memory", memory, "--tokenizer", "bytes")
    for draft in (1, 5, 15, 256):
        got = run_json(model, *prompt, "--max-tokens", 200, "--prompt-lookup", draft)
        assert got["token_ids"] == want and got["finish_reason"] == "length", (memory, draft, got)
        # The toy repeats itself.
        assert 0 < got["accepted_tokens"] <= got["drafted_tokens"] and got["tokens_per_step"] > 1, (memory, draft, got)
    assert run(model, *prompt, "--max-tokens", 200, "--prompt-lookup", 15).stdout.decode() == got["text"] + "\n"
    sample = [run_json(model, *prompt, "--max-tokens", 200, "--temperature", 0.5, "--top-k", 4, "--seed", 3, *more)["token_ids"]
              for more in ((), ("--prompt-lookup", 15), ("--prompt-lookup", 15, "--threads", 3))]
    assert sample[0] == sample[1] == sample[2] != want, memory

# The context ends within a draft.
for room in (10, 60, 61, 62, 63):
    plain, drafted = (run_json(tmp / "state.so", *prompt, "--context", room, "--prompt-lookup", draft) for draft in (0, 15))
    assert plain["token_ids"] == drafted["token_ids"] == want[:room - 2], room
    assert drafted["finish_reason"] == "context" and "drafted_tokens" not in plain

# Models that must not be given drafts: said, and the same text.
bidirectional = toy(tmp / "bidirectional.so", "--memory", "none", "--bidirectional")
coupled = toy(tmp / "coupled.so", "--patch", "coupled_tokens=true")
for model in bidirectional, coupled:
    plain, drafted = (run_json(model, *prompt, "--max-tokens", 80, "--prompt-lookup", draft) for draft in (0, 15))
    assert plain["token_ids"] == drafted["token_ids"] and drafted["drafted_tokens"] == 0, drafted
    assert drafted["no_drafts_because"] == "what it gives for a token depends on the tokens behind", drafted
    said = run(model, *prompt, "--max-tokens", 80, "--prompt-lookup", 15, "--timing").stderr.decode()
    assert "no drafts for this model: what it gives" in said, said
assert error(toy(tmp / "bad.so", "--patch", "coupled_tokens=1"), *prompt).count("coupled_tokens") == 1

# The command line.
assert "--prompt-lookup: expected at least 0; got -1" in error(model, *prompt, "--prompt-lookup", -1)
assert "--prompt-lookup: expected at most 256; got 257" in error(model, *prompt, "--prompt-lookup", 257)
assert "--prompt-lookup" in error(model, *prompt, "--prompt-lookup", "x")
assert "--prompt-lookup needs --prompt or --prompt-ids" in error(model, "--verify", "--prompt-lookup", 3)
