# RUN: rm -rf %t && mkdir -p %t && %python %s %t
# UNSUPPORTED: asan
"""Memory: weights are mapped and only those read are resident; the capacity of
states costs nothing until it is used."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "Inputs"))
from harness import run_json, toy

tmp = pathlib.Path(sys.argv[1])
MB = 1 << 20
small = toy(tmp / "small.so")
large = toy(tmp / "large.so", "--pad", str(64 * MB))
peak = lambda *args: run_json(*args, "--prompt-ids", "1,2,3", "--max-tokens", 8)["peak_rss_bytes"]
base = peak(small)
assert base < 12 * MB, base
assert peak(large) < base + 8 * MB, peak(large)
assert peak(large, "--verify") > base + 60 * MB, "a check that the figure sees mapped weights"
# Two states of 10 million positions of 32 bytes.
assert peak(small, "--context", 10_000_000) < base + 2 * MB
# The least of a few: others use the machine too.
assert min(run_json(large, "--prompt-ids", "1", "--max-tokens", 1)["load_s"] for _ in range(5)) < 0.1
# The logits of a long prompt, 4 MB, are not kept: the second half fits where the first was.
long = ",".join(["1"] * 4096)
assert run_json(small, "--prompt-ids", long, "--max-tokens", 2)["peak_rss_bytes"] < base + 3 * MB
