# REQUIRES: mounts
# RUN: %python %S/Inputs/llama.py %t.onnx --width 768 --layers 4 --heads 12 --kv-heads 4 --ffn 2048 --vocabulary 16000
# RUN: unshare --mount %python %s %t.onnx %t
"""What a compile will take is told before it begins, and refused where it is too much, with what would do."""

import re

from endtoend import *

model, folder = sys.argv[1:]
os.makedirs(folder, exist_ok=True)


def facts(text):
    return {name: float(value) for name, value in re.findall(r"^tersec: ([a-z-]+) ([0-9.e+]+)$", text, re.M)}


def fields(text):
    return dict(re.split(r"\s+", line, maxsplit=1) for line in text.splitlines())


def megabytes(text):
    return float(text.split(" MB")[0].split()[-1]) * 1e6


def near(expected, got):
    return got / 1.3 <= expected <= got * 1.3


for recipe, levels in (("w4", "baseline,avx2,avx512vnni"), ("keep", "avx2"), ("w3:group-size=128,head-bits=0,symmetric=false", "avx2")):
    out = folder + "/out.so"
    told = fields(must("tersec", model, f"--recipe={recipe}", f"--levels={levels}", "-o", out, "--preflight").stderr)
    check(not os.path.exists(out) and "time" in told, f"{recipe}: told {told}")
    said = facts(must("tersec", model, f"--recipe={recipe}", f"--levels={levels}", "-o", out, "--report").stderr)
    for what, got in (("artifact", os.path.getsize(out)), ("memory", said["memory-bytes"]),
                      ("disk", max(os.path.getsize(out), said["disk-bytes"]))):
        check(near(megabytes(told[what]), got), f"{recipe}: {what}: told {told[what]}, took {got / 1e6:.1f} MB")
    os.remove(out)

# Too little memory: refused with the least that does, and that is kept to.
refused = run("tersec", model, "--recipe=w4", "--levels=avx2", "-o", out, "--max-memory=20M")
least = re.search(r"expected --max-memory of at least (\d+)M; got 21.0 MB \(weight '[^']+' takes [0-9.]+ MB, code generation [0-9.]+ MB\)",
                  refused.stderr)
check(refused.returncode == 1 and refused.stderr.count("error:") == 1 and least is not None, refused.stderr)
limit = int(least[1])
said = facts(must("tersec", model, "--recipe=w4", "--levels=avx2", "-o", out, f"--max-memory={limit}M", "--report").stderr)
check(said["memory-bytes"] <= limit * 2**20, f"--max-memory={limit}M: took {said['memory-bytes'] / 2**20:.1f} MiB")
os.remove(out)
for size in ("0", "x", "12T", "-5M", ""):
    wrong = run("tersec", model, "-o", out, f"--max-memory={size}")
    check(wrong.returncode == 1 and "--max-memory" in wrong.stderr, f"--max-memory={size}: {wrong.stderr.strip()}")

# Too little disk: refused at once, naming a recipe that fits.
must("mount", "-t", "tmpfs", "-o", "size=70m", "tmpfs", folder)
refused = run("tersec", model, "--recipe=keep", "-o", out)
suggested = re.search(r"No space left on device: expected [0-9.]+ MB in '[^']+'; got [0-9.]+ MB \(--recipe=(w\d) takes", refused.stderr)
check(refused.returncode == 1 and suggested is not None and os.listdir(folder) == [], refused.stderr)
check(run("tersec", model, f"--recipe={suggested[1]}", "--levels=avx2", "-o", out).returncode == 0, f"the recipe {suggested[1]} fits")
must("umount", folder)

# What is compiled already has no forecast.
layout = folder + "/layout.mlir"
must("tersec", model, "--recipe=w4", "--stop-after=layout", "-o", layout)
late = run("tersec", layout, "-o", out, "--preflight")
check(late.returncode == 1 and "before the stage 'compress'" in late.stderr, late.stderr.strip())
finish()
