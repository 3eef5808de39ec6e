# RUN: rm -rf %t && mkdir -p %t && %python %s %t
"""Greedy tokens equal a float64 computation; sampling follows its seed."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "Inputs"))
from harness import error, reference, run, run_json, toy

tmp = pathlib.Path(sys.argv[1])
want = [int(i) for i in reference("generate", "72,105,33", 60).split(",")]
plain = toy(tmp / "plain.so")
for memory in ("state", "feedback", "none"):
    model = toy(tmp / f"{memory}.so", "--memory", memory, "--tokenizer", "bytes")
    for threads in (1, 2, 3, 7):
        got = run_json(model, "--prompt-ids", "72,105,33", "--max-tokens", 60, "--threads", threads)
        assert got["token_ids"] == want, (memory, threads, got)
        assert got["finish_reason"] == "length"
        for key in ("load_s", "first_token_s", "prefill_tokens_per_s", "decode_tokens_per_s", "peak_rss_bytes"):
            assert got[key] > 0, (key, got)
    assert run_json(model, "--prompt", "Hi!", "--max-tokens", 60)["token_ids"] == want
    text = bytes(want).decode(errors="replace")
    assert got["text"] == text, (got["text"], text)
    # Streamed text is the same, and nothing else is in the pipe.
    assert run(model, "--prompt", "Hi!", "--max-tokens", 60).stdout.decode() == text + "\n"

# Without a tokenizer: ids in, ids out.
done = run(plain, "--prompt-ids", "[72 105, 33]", "--max-tokens", 5)
assert done.stdout.decode().split() == [str(i) for i in want[:5]], done
got = run_json(plain, "--prompt-ids", "72,105,33", "--max-tokens", 5)
assert got["text"] == "" and got["prompt_token_ids"] == [72, 105, 33], got
assert "the artifact has no tokenizer" in error(plain, "--prompt", "x")
assert run_json(plain, "--prompt", "Hi!", "--tokenizer", "bytes", "--max-tokens", 60)["token_ids"] == want

# Lengths.
assert run_json(model, "--prompt", "Hi!", "--max-tokens", 0)["token_ids"] == []
one = run_json(model, "--prompt", "Hi!", "--max-tokens", 1)
assert one["token_ids"] == want[:1] and "decode_tokens_per_s" not in one, one
full = run_json(plain, "--prompt-ids", "72,105,33", "--context", 10, "--max-tokens", 60)
assert full["token_ids"] == want[:8] and full["finish_reason"] == "context", full
run(plain, "--prompt-ids", "72,105,33", "--context", 10, "--max-tokens", 60, said="terse-run: the text ends here: the context of 10 tokens is full\n")
assert "is full" in error(plain, "--prompt-ids", "1,2,3", "--context", 2)

# Sampling.
sample = lambda *args: run_json(plain, "--prompt-ids", "1", "--max-tokens", 40, "--temperature", 1, *args)["token_ids"]
assert sample("--seed", 5) == sample("--seed", 5, "--threads", 3)
assert sample("--seed", 5) != sample("--seed", 6)
greedy = run_json(plain, "--prompt-ids", "1", "--max-tokens", 40)["token_ids"]
assert sample("--top-k", 1) == greedy and sample("--top-p", 1e-9) == greedy

# Errors.
assert "expected tokens of 0 to 255; got 256" in error(plain, "--prompt-ids", "256")
assert "the prompt is empty" in error(model, "--prompt", "")
assert "expected token numbers" in error(plain, "--prompt-ids", "1,x")
