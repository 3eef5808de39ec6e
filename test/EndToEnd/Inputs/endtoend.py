"""What the end-to-end tests share: compiling, running, and ONNX Runtime as oracle.

Artifacts and the oracle's results are kept in the build folder under a key of
all that they depend on, so that tests share them and a second run is quick.
"""

import fcntl
import hashlib
import json
import os
import subprocess
import sys

import numpy as np

BUILD = os.environ["TERSE_BUILD"]
SOURCE = os.environ["TERSE_SOURCE"]
DATA = os.environ["TERSE_DATA"]
SHIPPED = os.path.join(SOURCE, "test", "models", "tales2m")
STORIES = os.path.join(DATA, "text", "tales", "val_stories.txt")
CACHE = os.path.join(BUILD, "test", "EndToEnd", "cache")

#: name: (file, tokenizer, layers, KV heads, head size, context)
MODELS = {
    "tales8m": ("tales8m/onnx/torchscript_past.onnx", "tales8m/tokenizer.model", 8, 4, 32, 1024),
    "tales2m": ("tales2m/onnx/torchscript_past.onnx", "tales2m/tokenizer.model", 6, 2, 32, 1024),
    "stories260K": ("stories260K/onnx/torchscript_past.onnx", "stories260K/tok512.bin", 5, 4, 8, 512),
    "babyllama": ("babyllama/onnx/tok361_past.onnx", "bytes", 5, 4, 16, 256),
}


def model_path(name):
    """The ONNX file of a model of MODELS, or `name` itself, a path below models/."""
    return os.path.join(DATA, "models", MODELS[name][0] if name in MODELS else name)


def tokenizer_path(name):
    tokenizer = MODELS[name][1]
    return tokenizer if tokenizer == "bytes" else os.path.join(DATA, "models", tokenizer)


# ------------------------------------------------------------------ checking

_failures = []


def check(condition, message):
    """Prints the line; a false one fails the test when `finish` is called."""
    print(("ok:     " if condition else "FAILED: ") + message, flush=True)
    if not condition:
        _failures.append(message)


def finish():
    sys.exit(1 if _failures else 0)


# ------------------------------------------------------------------ caching

def _digest(*parts):
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]


def _stamp(path):
    info = os.stat(path)
    return [os.path.realpath(path), info.st_size, info.st_mtime_ns]


def cached(key, suffix, make):
    """The file of this key; make(path) writes it the first time."""
    os.makedirs(CACHE, exist_ok=True)
    path = os.path.join(CACHE, _digest(*key) + suffix)
    with open(path + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(path):
            make(path + ".new")
            os.rename(path + ".new", path)
    return path


# ------------------------------------------------------------------ Terse

def run(*command, **options):
    """Runs a program to its end and returns what `subprocess.run` gives."""
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, errors="replace",
                          **options)


def must(*command, **options):
    result = run(*command, **options)
    if result.returncode:
        sys.exit(f"{' '.join(map(str, command))}: exit status {result.returncode}\n"
                 f"{result.stdout}{result.stderr}")
    return result


def _best_level():
    with open("/proc/cpuinfo") as file:
        cpu = file.read().split()
    return "avx512vnni" if "avx512_vnni" in cpu else "avx2" if "avx2" in cpu else "baseline"


#: Makes code for the best CPU level of this machine only.
LEVEL = "--levels=" + _best_level()


def compile_model(model, *options):
    """The artifact of an ONNX file, compiled with these options of tersec."""
    tersec = os.path.join(BUILD, "bin", "tersec")
    library = os.path.join(BUILD, "lib", "libTerse.so")
    key = ["artifact", _stamp(tersec), _stamp(library), _stamp(model), options]
    return cached(key, ".so", lambda out: must(tersec, model, "-o", out, *options))


def compile_named(name, recipe="keep", *more):
    """A model of MODELS with its tokenizer inside."""
    options = [f"--recipe={recipe}", *more]
    tokenizer = tokenizer_path(name)
    if tokenizer != "bytes":
        options.append(f"--tokenizer={tokenizer}")
    return compile_model(model_path(name), *options)


def terse_run(artifact, *options):
    """The JSON object of a run of terse-run."""
    return json.loads(must("terse-run", artifact, "--json", *options).stdout)


# ------------------------------------------------------------------ tokens

def encode(name, text):
    """Token ids of a text, without BOS, by means that are not Terse's."""
    tokenizer = tokenizer_path(name)
    if tokenizer == "bytes":
        return list(text.encode())
    if tokenizer.endswith(".bin"):
        return _encode_llama2c(tokenizer, text)
    import sentencepiece
    return sentencepiece.SentencePieceProcessor(model_file=tokenizer).encode(text)


def _encode_llama2c(path, text):
    """The encoder of llama2.c: characters, then the best-scored merge until none is left."""
    data = open(path, "rb").read()
    pieces, offset = [], 4
    while offset < len(data):
        score = np.frombuffer(data, "<f4", 1, offset)[0]
        size = int(np.frombuffer(data, "<i4", 1, offset + 4)[0])
        pieces.append((data[offset + 8:offset + 8 + size], float(score)))
        offset += 8 + size
    ids = {piece: index for index, (piece, _) in reversed(list(enumerate(pieces)))}
    cache = {}

    def encode_piece(piece):
        tokens = []
        for character in piece:
            raw = character.encode()
            tokens += [ids[raw]] if raw in ids else [byte + 3 for byte in raw]
        while True:
            best = None
            for i in range(len(tokens) - 1):
                merged = ids.get(pieces[tokens[i]][0] + pieces[tokens[i + 1]][0])
                if merged is not None and (best is None or pieces[merged][1] > best[0]):
                    best = (pieces[merged][1], i, merged)
            if best is None:
                return tokens
            tokens[best[1]:best[1] + 2] = [best[2]]

    # No piece of these vocabularies has a space after its first character, so
    # words merge alone.
    assert not any(b" " in piece[1:] for piece, _ in pieces[259:])
    words, out = [], []
    for character in " " + text:
        if character == " " or not words:
            words.append(character)
        else:
            words[-1] += character
    for word in words:
        if word not in cache:
            cache[word] = encode_piece(word)
        out += cache[word]
    return out


# ------------------------------------------------------------------ ONNX Runtime

class Oracle:
    """ONNX Runtime on a decoder's file, whatever inputs its exporter gave it."""

    def __init__(self, path):
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"])
        self.inputs = {i.name: i for i in self.session.get_inputs()}
        self.outputs = [o.name for o in self.session.get_outputs()]
        # Some exporters leave the head size open and say it in a file beside the model.
        config = os.path.join(os.path.dirname(path), "genai_config.json")
        self.head_size = None
        if os.path.exists(config):
            with open(config) as file:
                self.head_size = json.load(file)["model"]["decoder"]["head_size"]
        self.reset()

    def reset(self):
        self.past = 0
        self.cache = {
            name: np.zeros((1, i.shape[1], 0, i.shape[3] if isinstance(i.shape[3], int) else self.head_size),
                           np.float16 if "float16" in i.type else np.float32)
            for name, i in self.inputs.items() if name.startswith("past_key_values")}

    def inputs_for(self, tokens):
        """All inputs for these tokens after those that the cache holds."""
        count = len(tokens)
        feeds = dict(self.cache, input_ids=np.array([tokens], np.int64))
        if "attention_mask" in self.inputs:
            feeds["attention_mask"] = np.ones((1, self.past + count), np.int64)
        if "position_ids" in self.inputs:
            feeds["position_ids"] = np.arange(self.past, self.past + count, dtype=np.int64)[None]
        return feeds

    def run(self, tokens):
        """Logits [tokens, vocabulary]; the cache, if there is one, grows."""
        values = dict(zip(self.outputs, self.session.run(None, self.inputs_for(tokens))))
        if self.cache:
            self.past += len(tokens)
            self.cache = {name: values[name.replace("past_key_values", "present")]
                          for name in self.cache}
        return values["logits"][0].astype(np.float32)


def oracle_perplexity(path, tokens, window, windows):
    """As terse-run defines it: each window of tokens alone predicts every next token."""
    def make(out):
        oracle, nll, count = Oracle(path), 0.0, 0
        for start in range(0, min(len(tokens) - 1, windows * window), window):
            inputs = tokens[start:start + window]
            targets = tokens[start + 1:start + window + 1]
            if len(targets) < window:
                break
            oracle.reset()
            logits = oracle.run(inputs).astype(np.float64)
            logits -= logits.max(axis=1, keepdims=True)
            logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
            nll -= logits[np.arange(window), targets].sum()
            count += window
        with open(out, "w") as file:
            json.dump({"perplexity": float(np.exp(nll / count)), "tokens": count}, file)

    key = ["perplexity", _stamp(path), _digest(tokens), window, windows]
    with open(cached(key, ".json", make)) as file:
        return json.load(file)


def oracle_greedy(path, prompt, count):
    """Prompt and `count` likeliest tokens, and the least margin of a choice."""
    def make(out):
        oracle = Oracle(path)
        ids, margin, logits = [], np.inf, oracle.run(prompt)[-1]
        while True:
            two = np.sort(logits)[-2:]
            margin = min(margin, float(two[1] - two[0]))
            ids.append(int(logits.argmax()))
            if len(ids) == count:
                break
            logits = oracle.run([ids[-1]])[-1]
        with open(out, "w") as file:
            json.dump([ids, margin], file)

    with open(cached(["greedy", _stamp(path), prompt, count], ".json", make)) as file:
        return json.load(file)
