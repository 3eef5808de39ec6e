# RUN: rm -rf %t && mkdir -p %t && %python %s %t
"""Perplexity, KL divergence and agreement equal a float64 computation."""

import json
import math
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "Inputs"))
import numpy as np

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

# Bands of token frequency, counted in the text and in another one.
def bands(counted, predicted):
    """The header's definition, written down again."""
    counts = np.bincount(counted, minlength=256)
    mass = lambda most: counts[counts <= most].sum() / len(counted)
    limits = [min(c for c in range(1, len(counted) + 1) if mass(c) >= share) for share in (0.01, 0.1)]
    of = np.searchsorted(limits, counts, side="left")
    return of[predicted], [counts[of == b].sum() / len(counted) for b in range(3)]


other_text = tmp / "other.txt"
draw = lambda seed, size: bytes((np.random.default_rng(seed).zipf(1.4, size) % 200).astype(np.uint8))
other_text.write_bytes(draw(1, 5000))
model = toy(tmp / "state.so", "--tokenizer", "bytes")
against = toy(tmp / "state2.so", "--seed", "2")
mixed = tmp / "mixed.txt"
mixed.write_bytes(draw(2, 1300) + b"\xfa")  # one that the other text lacks
for counted in (mixed, other_text):
    more = () if counted is mixed else ("--band-text", counted)
    got = run_json(model, "--perplexity", mixed, "--window", 40, "--against", against, *more)
    want = json.loads(reference("perplexity", mixed, 40, 10000, "--against", 2, "--each"))
    ids = np.frombuffer(counted.read_bytes(), np.uint8)
    of, mass = bands(ids, np.array(want["targets"]))
    assert [b["name"] for b in got["bands"]] == ["rarest_1", "rarest_10", "rest"]
    assert sum(b["tokens"] for b in got["bands"]) == got["tokens"] == len(of)
    assert math.isclose(got["perplexity_ratio"], got["perplexity"] / got["against_perplexity"], rel_tol=1e-9)
    for index, band in enumerate(got["bands"]):
        inside = of == index
        assert band["tokens"] == inside.sum() and inside.any(), (index, band, inside.sum())
        assert math.isclose(band["mass"], mass[index], rel_tol=1e-12), (band, mass)
        mean = lambda key: np.mean(np.array(want[key])[inside])
        for key, value in (("nll", mean("nll")), ("perplexity", math.exp(mean("nll"))), ("kl", mean("kl")),
                           ("perplexity_ratio", math.exp(mean("nll") - mean("other_nll"))),
                           ("top1_agreement", mean("agree"))):
            assert math.isclose(band[key], value, rel_tol=5e-5, abs_tol=1e-7), (counted, index, key, band, value)

# Equally frequent tokens are one band, however small the shares; nothing is said of a band without tokens.
even = tmp / "even.txt"
even.write_bytes(bytes(range(97, 123)) * 8)
first, second, rest = run_json(model, "--perplexity", even, "--window", 50)["bands"]
assert first["tokens"] == 200 and first["mass"] == 1 and first["most_count"] == 8, first
for band in (second, rest):
    assert band["tokens"] == band["mass"] == 0 and band["nll"] is band["perplexity"] is None and "kl" not in band, band
assert "No such file" in error(model, "--perplexity", text, "--band-text", tmp / "none.txt")
assert "has no tokens" in error(model, "--perplexity", text, "--band-text", tmp / "empty.txt")

# Plain output has the same figures, and progress stays off a pipe.
same = run_json(model, "--perplexity", text, "--window", 50)
out = run(model, "--perplexity", text, "--window", 50).stdout.decode().splitlines()
lines = dict(line.split() for line in out[:4])
assert math.isclose(float(lines["perplexity"]), same["perplexity"], rel_tol=1e-5), lines
assert set(lines) == {"perplexity", "nll", "tokens", "windows"}, lines
assert out[4].split() == ["band", "mass", "tokens", "perplexity"], out
for line, band in zip(out[5:], same["bands"]):
    name, mass, tokens, value = line.split()
    assert name == band["name"] and int(tokens) == band["tokens"], (line, band)
    if tokens == "0":
        assert value == "-", line
    else:
        assert math.isclose(float(value), band["perplexity"], rel_tol=1e-5), (line, band)
out = run(model, "--perplexity", text, "--window", 50, "--against", against).stdout.decode().splitlines()
assert out[8].split() == ["band", "mass", "tokens", "perplexity", "ratio", "kl", "top1"], out
assert all(len(line.split()) == 7 for line in out[9:]) and len(out) == 12, out
