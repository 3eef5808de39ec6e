# RUN: rm -rf %t && mkdir -p %t && %python %s %t
"""Perplexity, KL divergence and agreement equal a float64 computation."""

import json
import math
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "Inputs"))
from harness import error, reference, run, run_json, toy

tmp = pathlib.Path(sys.argv[1])
text = tmp / "text.txt"
text.write_bytes("It was a dark night; naïve.\n".encode() * 40)
size = len(text.read_bytes())

for memory in ("state", "feedback", "none"):
    model = toy(tmp / f"{memory}.so", "--memory", memory, "--tokenizer", "bytes")
    other = toy(tmp / f"{memory}2.so", "--memory", memory, "--seed", "2")
    for window, windows in ((32, 5), (7, 11), (300, 2)):
        want = json.loads(reference("perplexity", text, window, windows, "--against", 2))
        got = run_json(model, "--perplexity", text, "--window", window, "--max-windows", windows,
                       "--against", other, "--threads", 2)
        for key in ("tokens", "windows"):
            assert got[key] == want[key], (key, got, want)
        for key in ("perplexity", "nll", "kl", "top1_agreement"):
            assert math.isclose(got[key], want[key], rel_tol=2e-5), (memory, window, key, got, want)
        for key in ("load_s", "prefill_tokens_per_s", "peak_rss_bytes"):
            assert got[key] > 0, (key, got)
        assert "text" not in got
    # A model does not differ from itself.
    same = run_json(model, "--perplexity", text, "--window", 50, "--against", model)
    assert abs(same["kl"]) < 1e-12 and same["top1_agreement"] == 1, same
    # Without --max-windows: all full windows that have a next token.
    assert same["windows"] == (size - 1) // 50, same

# A text of W + 1 tokens is one window; of W none.
short = tmp / "short.txt"
short.write_bytes(b"x" * 17)
assert run_json(model, "--perplexity", short, "--window", 16)["windows"] == 1
assert "is too short: expected at least 18 tokens" in error(model, "--perplexity", short, "--window", 17)
(tmp / "empty.txt").write_bytes(b"")
assert "is too short" in error(model, "--perplexity", tmp / "empty.txt")
assert "No such file" in error(model, "--perplexity", tmp / "none.txt")
assert "the artifact has no tokenizer" in error(tmp / "state2.so", "--perplexity", text)

# Plain output has the same figures, and progress stays off a pipe.
lines = dict(line.split() for line in run(model, "--perplexity", text, "--window", 50).stdout.decode().splitlines())
assert math.isclose(float(lines["perplexity"]), same["perplexity"], rel_tol=1e-5), lines
assert set(lines) == {"perplexity", "nll", "tokens", "windows"}, lines
