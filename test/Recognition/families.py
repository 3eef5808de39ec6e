# RUN: %python %s decoders
# RUN: %python %s encoders
"""Every family of decoders and encoders is recognised, layer by layer, and gives ONNX Runtime's logits with the cache as state and as inputs."""
import os
import re
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
import families

KEYS = "attentions rotations biased states norms activations linears".split()
#: Decoders whose cache is left as inputs and outputs too.
KEPT = {"bloom", "gemma2", "phi3"}
rng = np.random.default_rng(0)
failed = []


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def compile(path, *options):
    run("tersec", path("model.onnx"), "--levels=baseline", *options, "-o", path("model.so"))


def check(condition, text):
    print(("ok:     " if condition else "FAILED: ") + text, flush=True)
    if not condition:
        failed.append(text)


def recognition(path, wanted):
    """What normalize makes of a file, compared with a dictionary."""
    run("terse-translate", "--import-onnx", path("model.onnx"), "-o", path("model.mlir"))
    report = run("terse-opt", path("model.mlir"), "--terse-normalize-stage", "--terse-print-report", "-o", path("out.mlir"))
    facts = dict(re.findall(r": ([a-z-]+) (\d+)$", report, re.M))
    text = open(path("out.mlir")).read()
    got = {"attentions": int(facts["attentions-recognized"]), "rotations": int(facts["ropes-recognized"]), "biased": int(facts["attentions-with-bias"]),
           "states": int(facts["states"]), "norms": len(re.findall(r"= terse\.norm ", text)), "activations": len(re.findall(r"= terse\.activation ", text)),
           "linears": len(re.findall(r"= terse\.linear ", text)), "softmaxes left": int(facts["softmaxes-left"])}
    wanted = {**wanted, "softmaxes left": 0}
    return got == wanted, f"{got}" + (f"; expected {wanted}\n{report}" if got != wanted else "")


def outputs(path, feeds):
    np.savez(path("in.npz"), **feeds)
    run("terse-run", path("model.so"), "--inputs", path("in.npz"), "--outputs", path("out.npz"))
    return np.load(path("out.npz"))


def compare(what, got, want):
    for name, expected in want.items():
        error = np.abs(got[name] - expected).max() / np.ptp(expected)
        check(error < 1e-5, f"{what}: {name}, error {error:.2g} of its range")


def decoder(name, path):
    make, *facts = families.DECODERS[name]
    onnx.save(families.decoder(**make), path("model.onnx"))
    holds, text = recognition(path, dict(zip(KEYS, facts)))
    check(holds, f"{name}: {text}")
    session = onnxruntime.InferenceSession(path("model.onnx"), providers=["CPUExecutionProvider"])
    cached = [i.name for i in session.get_inputs() if i.name.startswith("past")]
    names = [o.name for o in session.get_outputs()]

    def feeds(new, before, holes=0):
        mask = np.ones((2, before + new), np.int64)
        mask[1, :holes] = 0
        given = {"input_ids": rng.integers(0, families.VOCABULARY, (2, new)), "attention_mask": mask}
        for i in session.get_inputs():
            if i.name in cached:
                given[i.name] = rng.standard_normal((2, i.shape[1], before, i.shape[3])).astype(np.float32)
        return given

    if cached and name in KEPT:
        compile(path, "--keep-cache-io")
        for new, before, holes in ((7, 0, 2), (1, 9, 0), (3, 5, 2)):
            given = feeds(new, before, holes)
            want = dict(zip(names, session.run(None, given)))
            if holes > before:  # queries in the padding mean nothing
                want = {"logits": want["logits"][:, holes - before:]}
                got = {"logits": outputs(path, given)["logits"][:, holes - before:]}
            else:
                got = outputs(path, given)
            compare(f"{name}, {new} tokens after {before}", got, want)
    compile(path)
    given = feeds(11, 0)
    want = session.run(["logits"], given)[0]
    compare(f"{name}, 11 tokens", outputs(path, {k: v for k, v in given.items() if k not in cached}), {"logits": want})
    if not facts[3]:
        return
    # Greedy text, through the file's cache where it has one: frequencies may depend on how long the text is by then.
    tokens = given["input_ids"][0, :4].tolist()
    step, past = np.array([tokens]), {i.name: np.zeros((1, i.shape[1], 0, i.shape[3]), np.float32) for i in session.get_inputs() if i.name in cached}
    for _ in range(8):
        logits, *present = session.run(None, {"input_ids": step, "attention_mask": np.ones((1, len(tokens)), np.int64), **past})
        tokens.append(int(logits[0, -1].argmax()))
        past = dict(zip(past, present))
        step = np.array([tokens[-1:] if cached else tokens])
    text = run("terse-run", path("model.so"), "--prompt-ids=" + ",".join(map(str, tokens[:4])), "--max-tokens=8", "--ignore-eos", "--no-bos", "--json")
    ids = [int(i) for i in re.search(r'"token_ids":\[([\d,]*)\]', text).group(1).split(",")]
    check(ids == tokens[4:], f"{name}: greedy text {ids}, ONNX Runtime's {tokens[4:]}")


def encoder(name, path):
    make, *facts = families.ENCODERS[name]
    onnx.save(make(), path("model.onnx"))
    holds, text = recognition(path, dict(zip(KEYS, facts)))
    check(holds, f"{name}: {text}")
    session = onnxruntime.InferenceSession(path("model.onnx"), providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    compile(path, "--keep-cache-io")
    for batch, new, before, encoded in ((2, 9, 0, 5), (1, 1, 6, 19), (3, 17, 3, 4)):
        sizes = {"batch": batch, "sequence": new, "past": before, "encoder_sequence": encoded}
        given = {}
        for i in session.get_inputs():
            shape = [sizes.get(n, n) for n in i.shape]
            given[i.name] = rng.standard_normal(shape).astype(np.float32) if "float" in i.type else rng.integers(0, families.VOCABULARY, shape)
            if "mask" in i.name:
                given[i.name] = np.ones(shape, np.int64)
                given[i.name][0, shape[1] // 2 + 1:] = 0
        compare(f"{name}, {sizes}", outputs(path, given), dict(zip(names, session.run(None, given))))
    if facts[3]:  # the cache as state: all at once, and one by one, are the same
        compile(path)
        want = session.run(["logits"], {k: v[:, :, :0] if "decoder" in k else v for k, v in given.items()})[0]
        got = outputs(path, {k: v for k, v in given.items() if ".decoder." not in k})
        compare(f"{name}, as state", got, {"logits": want})


kind, table = {"decoders": (decoder, families.DECODERS), "encoders": (encoder, families.ENCODERS)}[sys.argv[1]]
for name in sys.argv[2:] or table:
    with tempfile.TemporaryDirectory() as folder:
        try:
            kind(name, lambda file: os.path.join(folder, file))
        except RuntimeError as error:
            check(False, f"{name}: {error}")
sys.exit(bool(failed))
