"""Builds the artifact of toy.c and computes in float64 what it should give.

  toy.py build OUT.so [--memory state|feedback|none] [--logits f32|f16|bf16] [--bidirectional]
                      [--seed N] [--tokenizer FILE] [--levels a,b] [--abi N]
                      [--patch KEY=JSON]... [--object] [--own-total] [--pad N] [--keep]
  toy.py perplexity TEXT WINDOW WINDOWS [--seed N] [--against SEED] [--each]
  toy.py generate IDS COUNT [--seed N]

Building needs only Python itself and clang; the rest needs NumPy.
"""

import argparse
import hashlib
import json
import pathlib
import random
import struct
import subprocess
import sys
import tempfile

D, VOCABULARY = 8, 256
NO_HASH = "1" * 64
HERE = pathlib.Path(__file__).resolve().parent


def weights(seed):
    """E, K, V and U, one after the other."""
    draw = random.Random(seed)
    values = [draw.uniform(-1, 1) for _ in range(4 * VOCABULARY * D)]
    return struct.pack(f"<{len(values)}f", *values)


def manifest(args, data):
    levels = args.levels.split(",")
    tensor = lambda name, dtype, shape, role="": {
        "name": name, "dtype": dtype, "shape": shape, **({"role": role} if role else {})}
    cache = ["batch", 1, "past", D]
    result = {
        "format": 1, "terse": "0.1.0", "source": {"name": "toy.onnx", "sha256": "0" * 64},
        "recipe": "keep", "levels": levels, "symbols": ["batch", "sequence", "past", "capacity", "total"],
        "inputs": [tensor("input_ids", "i64", ["batch", "sequence"], "input_ids")],
        "outputs": [tensor("logits", args.logits, ["batch", "sequence", VOCABULARY], "logits"),
                    tensor("level", "i32", [1])],
        "entries": [{"name": "forward", "functions": {l: f"terse_forward_{l}" for l in levels}}],
        "weights": {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(),
                    "tensors": [{"name": n, "kind": k, "shape": [VOCABULARY, D], "bits": 32,
                                 "group_size": D, "symmetric": True, "scale": "none",
                                 "offset": i * VOCABULARY * D * 4, "bytes": VOCABULARY * D * 4}
                                for i, (n, k) in enumerate([("embed", "embedding"), ("key", "embedding"),
                                                            ("value", "embedding"), ("head", "linear")])]},
        "code": {"sha256": NO_HASH},
    }
    if args.memory == "state":
        result.update(past="past", capacity="capacity", states=[
            tensor(f"past_key_values.0.{n}", "f32", ["batch", 1, "capacity", D]) for n in ("key", "value")])
        result["entries"].append({"name": "decode", "when": {"sequence": 1},
                                  "functions": {l: f"terse_decode_{l}" for l in levels}})
    if args.memory == "feedback":
        # Without roles, as other exporters' names must do.
        result["inputs"] += [tensor("attention_mask", "i64", ["batch", "total" if args.own_total else "past + sequence"]),
                             tensor("position_ids", "i64", ["batch", "sequence"])]
        for n in ("key", "value"):
            result["inputs"].append(tensor(f"past_key_values.0.{n}", "f32", cache))
            result["outputs"].append(tensor(f"present.0.{n}", "f32", ["batch", 1, "past + sequence", D]))
    if args.keep:
        result.update(logits_to_keep="sequence")
        result["symbols"].append("logits_to_keep")
        result["outputs"][0]["shape"][1] = "logits_to_keep"
    if args.tokenizer:
        kind = "bytes" if args.tokenizer == "bytes" else "llama2c" if args.tokenizer.endswith(".bin") else "sentencepiece"
        result["tokenizer"] = {"kind": kind, "bytes": 0}
    for patch in args.patch:
        key, value = patch.split("=", 1)
        result[key] = json.loads(value)
    return json.dumps(result).encode()


def build(args):
    data = weights(args.seed) + bytes(args.pad)
    text = manifest(args, data)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "manifest.json").write_bytes(text)
        (folder / "weights.bin").write_bytes(data)
        defines = [f"-DMEMORY={['state', 'feedback', 'none'].index(args.memory)}",
                   f"-DLOGITS={dict(f32='float', f16='_Float16', bf16='Brain')[args.logits]}",
                   f"-DMANIFEST_SIZE={len(text)}", f"-DABI_VERSION={args.abi}"]
        if args.bidirectional:
            defines.append("-DBIDIRECTIONAL")
        if args.keep:
            defines.append("-DKEEP")
        if args.tokenizer and args.tokenizer != "bytes":
            (folder / "tokenizer.bin").write_bytes(pathlib.Path(args.tokenizer).read_bytes())
            defines.append("-DTOKENIZER")
        if not args.object:
            defines.append("-DSEAL")
        kind = ["-c"] if args.object else ["-shared", "-fuse-ld=lld", "-lm"]
        subprocess.run([args.clang, "-std=c11", "-O1", "-fPIC", "-ffp-contract=off", *kind, *defines,
                        f"-I{HERE.parents[2] / 'include'}", "-Wa,-I" + str(folder), str(HERE / "toy.c"),
                        "-o", args.out], check=True)
    if not args.object:
        set_code_hash(pathlib.Path(args.out))
        seal(pathlib.Path(args.out))


def sections(data):
    """(name, kind, flags, offset, length) of each section of an ELF file."""
    table, = struct.unpack_from("<Q", data, 40)
    size, count, names = struct.unpack_from("<3H", data, 58)
    headers = [struct.unpack_from("<IIQQQQ", data, table + i * size) for i in range(count)]
    for name, kind, flags, _, offset, length in headers:
        begin = headers[names][4] + name
        yield data[begin:data.index(0, begin)].decode(), kind, flags, offset, length


def set_code_hash(path):
    """Writes the hash of all mapped PROGBITS sections but the manifest's own."""
    data = bytearray(path.read_bytes())
    code = hashlib.sha256()
    for name, kind, flags, offset, length in sections(data):
        if kind == 1 and flags & 2 and name != ".terse.manifest":
            code.update(data[offset:offset + length])
    path.write_bytes(data.replace(NO_HASH.encode(), code.hexdigest().encode(), 1))


def seal(path):
    """Writes the seal: hashes of the manifest and of all but weights and seal."""
    data = bytearray(path.read_bytes())
    place = {name: (offset, offset + length) for name, _, _, offset, length in sections(data)}
    rest, at = hashlib.sha256(), 0
    for begin, end in sorted([place[".terse.weights"], place[".terse.seal"], (len(data), len(data))]):
        rest.update(data[at:begin])
        at = end
    begin, end = place[".terse.seal"]
    data[begin:end] = hashlib.sha256(data[slice(*place[".terse.manifest"])]).digest() + rest.digest()
    path.write_bytes(data)


def logits(seed, ids):
    """float64 logits [len(ids), VOCABULARY] of a text run alone."""
    import numpy as np
    E, K, V, U = np.frombuffer(weights(seed), "<f4").astype(np.float64).reshape(4, VOCABULARY, D)
    n = len(ids)
    x = E[ids] * (1 + np.arange(n)[:, None] / 100)
    scores = np.where(np.tril(np.ones((n, n), bool)), x @ K[ids].T / np.sqrt(D), -np.inf)
    p = np.exp(scores - scores.max(1, keepdims=True))
    return (x + p / p.sum(1, keepdims=True) @ V[ids]) @ U.T


def perplexity(args):
    import numpy as np
    ids = np.frombuffer(pathlib.Path(args.text).read_bytes(), np.uint8).astype(np.int64)
    log_softmax = lambda l: l - l.max(1, keepdims=True) - np.log(np.exp(l - l.max(1, keepdims=True)).sum(1, keepdims=True))
    nll, kl, agree, other, targets = [], [], [], [], []
    for w in range(min(args.windows, (len(ids) - 1) // args.window)):
        part = ids[w * args.window:(w + 1) * args.window + 1]
        q = log_softmax(logits(args.seed, part[:-1]))
        nll += list(-q[np.arange(len(q)), part[1:]])
        targets += part[1:].tolist()
        if args.against is not None:
            p = log_softmax(logits(args.against, part[:-1]))
            kl += list((np.exp(p) * (p - q)).sum(1))
            agree += list(p.argmax(1) == q.argmax(1))
            other += list(-p[np.arange(len(p)), part[1:]])
    if args.each:
        return print(json.dumps({"targets": targets, "nll": nll, "kl": kl, "agree": [int(a) for a in agree],
                                 "other_nll": other}))
    result = {"perplexity": float(np.exp(np.mean(nll))), "nll": float(np.mean(nll)), "tokens": len(nll),
              "windows": len(nll) // args.window}
    if args.against is not None:
        result.update(kl=float(np.mean(kl)), top1_agreement=float(np.mean(agree)))
    print(json.dumps(result))


def generate(args):
    ids = [int(i) for i in args.ids.split(",")]
    begin = len(ids)
    for _ in range(args.count):
        ids.append(int(logits(args.seed, ids)[-1].argmax()))
    print(",".join(map(str, ids[begin:])))


def main():
    parser = argparse.ArgumentParser()
    verbs = parser.add_subparsers(dest="verb", required=True)
    b = verbs.add_parser("build")
    b.add_argument("out")
    b.add_argument("--memory", default="state", choices=["state", "feedback", "none"])
    b.add_argument("--logits", default="f32", choices=["f32", "f16", "bf16"])
    b.add_argument("--tokenizer")
    b.add_argument("--levels", default="baseline,avx2,avx512vnni,avx512bf16")
    b.add_argument("--abi", type=int, default=3)
    b.add_argument("--patch", action="append", default=[])
    b.add_argument("--object", action="store_true")
    b.add_argument("--own-total", action="store_true", help="the mask has a size of its own name")
    b.add_argument("--bidirectional", action="store_true", help="without memory: tokens attend to those behind too")
    b.add_argument("--keep", action="store_true", help="logits of the last tokens alone, as many as wanted")
    b.add_argument("--pad", type=int, default=0, help="bytes more in the weights section")
    b.add_argument("--clang", default="clang")
    p = verbs.add_parser("perplexity")
    p.add_argument("text")
    p.add_argument("window", type=int)
    p.add_argument("windows", type=int)
    p.add_argument("--against", type=int)
    p.add_argument("--each", action="store_true", help="figures of each token instead of means")
    g = verbs.add_parser("generate")
    g.add_argument("ids")
    g.add_argument("count", type=int)
    for verb in (b, p, g):
        verb.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    {"build": build, "perplexity": perplexity, "generate": generate}[args.verb](args)


if __name__ == "__main__":
    main()
