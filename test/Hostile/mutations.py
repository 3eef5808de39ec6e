# RUN: rm -rf %t && mkdir -p %t && %python %s %t
"""Truncated and bit-flipped models and artifacts, seeded: each run ends in success or in
one error that names the file, with no crash, no file left, and bounded memory and time.

    mutations.py FOLDER [COUNT]

COUNT mutations of models and as many of artifacts; a few are enough for every build, 1000
is the whole.
"""

import glob
import os
import random
import resource
import shutil
import subprocess
import sys

SOURCE, DATA = os.environ["TERSE_SOURCE"], os.environ["TERSE_DATA"]
SANITIZED = os.environ.get("TERSE_SANITIZE")
folder, count = os.path.realpath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 24
SEED, SECONDS, MEGABYTES = 11, 300, 1500
SHIPPED = os.path.join(SOURCE, "test", "models", "tales2m")
failures = 0


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def structure(data, begin=0, end=None, path=()):
    """Ranges of a model that are not the values of its initializers."""
    at, end = begin, len(data) if end is None else end
    while at < end:
        start = at
        tag, at = varint(data, at)
        wire, here = tag & 7, path + (tag >> 3,)
        if wire == 0:
            _, at = varint(data, at)
        elif wire == 2:
            size, at = varint(data, at)
            if here == (7, 5, 9):
                yield start, at
            elif here in ((7,), (7, 5)):
                yield start, at
                yield from structure(data, at, at + size, here)
            else:
                yield start, at + size
            at += size
            continue
        else:
            at += 8 if wire == 1 else 4
        yield start, at


def mutate(data, ranges, draw):
    """A changed copy, and how it was changed."""
    kind = draw.random()
    if kind < 0.3:
        begin, end = draw.choice(ranges)
        at = draw.choice((draw.randrange(len(data)), draw.randrange(begin, end)))
        return data[:at], f"cut off at byte {at}"
    changed = bytearray(data)
    places = []
    for _ in range(draw.choice((1, 1, 2, 8))):
        begin, end = draw.choice(ranges)
        at = draw.randrange(begin, end) if draw.random() < 0.9 else draw.randrange(len(data))
        changed[at] ^= 1 << draw.randrange(8)
        places.append(at)
    if kind > 0.95:
        changed += draw.randbytes(draw.randrange(1, 100))
        places.append("more at the end")
    return bytes(changed), f"bits flipped in bytes {places}"


def check(condition, *message):
    global failures
    if not condition:
        failures += 1
        print("FAILED:", *message, flush=True)
    return condition


def run(command, what):
    """Exit status; an error is one line that names a place."""
    def limit():
        if not SANITIZED:
            resource.setrlimit(resource.RLIMIT_DATA, (MEGABYTES << 20, MEGABYTES << 20))

    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=SECONDS,
                              preexec_fn=limit)
    except subprocess.TimeoutExpired:
        check(False, what, "takes too long")
        return None
    errors = [line for line in done.stderr.splitlines() if "error: " in line]
    if done.returncode:
        check(done.returncode in (1, 2) and len(errors) == 1 and "Stack dump" not in done.stderr
              and "alloc" not in done.stderr, what, done.returncode, done.stderr[:600])
    return done.returncode


def keep(name, content):
    path = os.path.join(folder, name)
    with open(path, "wb") as file:
        file.write(content)
    return path


models = [os.path.join(SHIPPED, "torchscript_past.onnx"), os.path.join(SHIPPED, "opset23.onnx")]
models += sorted(glob.glob(os.path.join(DATA, "graphs", "*", "model.onnx")))
models += sorted(glob.glob(os.path.join(DATA, "models", "stories260K", "onnx", "*.onnx")))
#: Bits that were not refused as they should be: file, byte, bit.
KEPT = [("graphs/phi3_optimum_past/model.onnx", 5636, 0)]


def try_model(model, changed, how, whole):
    """Compiles a changed copy: with an artifact or one error, and nothing else left."""
    place = os.path.join(folder, "model")
    shutil.rmtree(place, ignore_errors=True)
    os.makedirs(place + "/out")
    path = keep("model/model.onnx", changed)
    for extra in glob.glob(os.path.join(os.path.dirname(model), "*.data")):
        shutil.copy(extra, place)
    options = ["--levels=baseline"] if whole else ["--stop-after=normalize"]
    what = f"{os.path.relpath(model, SOURCE)}: {how}"
    output = "out.so" if whole else "out.mlir"
    status = run(["tersec", path, "-o", f"{place}/out/{output}", *options], what)
    left = os.listdir(place + "/out")
    check(output in left if status == 0 else left == [], what, status, left)
    return status


def read(model):
    with open(model, "rb") as file:
        return file.read()


for name, byte, bit in KEPT:
    model = os.path.join(DATA, name)
    if os.path.exists(model):
        changed = bytearray(read(model))
        changed[byte] ^= 1 << bit
        try_model(model, bytes(changed), f"bit {bit} flipped in byte {byte}", True)

draw = random.Random(SEED)
counts = {}
for trial in range(count):
    model = models[trial % len(models)] if count >= 500 else draw.choice(models[:2] + models)
    data = read(model)
    changed, how = mutate(data, list(structure(data)), draw)
    # The whole way now and then: most of it does not depend on the file any more.
    status = try_model(model, changed, how, trial % 8 == 0)
    counts[status] = counts.get(status, 0) + 1
print("models:", counts)

artifact = os.path.join(folder, "artifact.so")
subprocess.run(["tersec", models[0], "-o", artifact, "--recipe=w4", "--levels=baseline",
                "--tokenizer", os.path.join(SHIPPED, "tokenizer.model")], check=True)
with open(artifact, "rb") as file:
    data = file.read()
sections = {}
for line in subprocess.run(["llvm-readelf", "-SW", artifact], capture_output=True, text=True,
                           check=True).stdout.splitlines():
    words = line.replace("[ ", "[").split()
    if len(words) > 6 and words[1].startswith("."):
        sections[words[1]] = (int(words[4], 16), int(words[4], 16) + int(words[5], 16))
weights = sections[".terse.weights"]
ranges = [r for n, r in sections.items() if r[0] < r[1] <= len(data)] + [(0, 1000), (len(data) - 1000, len(data))]
counts = {}
for trial in range(count):
    changed, how = mutate(data, ranges, draw)
    if changed == data:
        continue
    path = keep("changed.so", changed)
    verified = run(["terse-inspect", path, "--verify", "--json"], how)
    check(verified != 0, "not noticed:", how)
    ran = run(["terse-run", path, "--prompt-ids", "1,2", "--max-tokens", "2", "--threads", "1"], how)
    if ran == 0: # altered weights are found by --verify alone
        same = len(changed) == len(data) and all(
            weights[0] <= i < weights[1] for i in range(len(data)) if changed[i] != data[i])
        check(same, "runs:", how)
    counts[ran] = counts.get(ran, 0) + 1
print("artifacts:", counts)
sys.exit(1 if failures else 0)
