"""Times an artifact beside llama.cpp on the same shape: python bench_peers.py ARTIFACT FOLDER [--shape 1b] [--threads 2] [--rounds 3]

Not a test. Needs the packages llama-cpp-python (built for this machine) and gguf. FOLDER receives a GGUF file of the shape with random
weights, in llama.cpp's Q4_0. Candidates take turns, each in a process of its own; rates are tokens a second. On processors whose AMX
the system does not really offer, llama.cpp must be built without it.
"""
import argparse
import ctypes
import json
import os
import statistics
import subprocess
import sys
import time

import numpy as np

from shapes import FIELDS, SHAPES

PROMPT = [3 + i * 37 % 90 for i in range(256)]


def packages():
    try:
        import gguf
        import llama_cpp
    except ImportError as error:
        sys.exit(f"bench_peers: expected the packages llama-cpp-python and gguf (pip install them); got: {error}")
    return gguf, llama_cpp


def write_gguf(path, gguf, width, layers, heads, kv_heads, ffn, vocabulary):
    w = gguf.GGUFWriter(path, "llama")
    w.add_context_length(4096)
    w.add_embedding_length(width)
    w.add_block_count(layers)
    w.add_feed_forward_length(ffn)
    w.add_head_count(heads)
    w.add_head_count_kv(kv_heads)
    w.add_layer_norm_rms_eps(1e-5)
    w.add_rope_dimension_count(width // heads)
    w.add_vocab_size(vocabulary)
    w.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    w.add_tokenizer_model("llama")
    w.add_token_list([b"<unk>", b"<s>", b"</s>"] + [f"<{i}>".encode() for i in range(3, vocabulary)])
    w.add_token_scores([0.0] * vocabulary)
    w.add_token_types([gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL] + [gguf.TokenType.NORMAL] * (vocabulary - 3))
    rng = np.random.default_rng(0)
    pool = rng.standard_normal(1 << 22, dtype=np.float32)

    def add(name, n, k):
        w.add_tensor(name, np.resize((pool / np.float32(np.sqrt(k))).astype(np.float16)[int(rng.integers(1 << 20)):], (n, k)))

    add("token_embd.weight", vocabulary, width)
    kv = kv_heads * (width // heads)
    for i in range(layers):
        for norm in ("attn_norm", "ffn_norm"):
            w.add_tensor(f"blk.{i}.{norm}.weight", np.ones(width, np.float32))
        for name, n, k in (("attn_q", width, width), ("attn_k", kv, width), ("attn_v", kv, width), ("attn_output", width, width),
                           ("ffn_gate", ffn, width), ("ffn_up", ffn, width), ("ffn_down", width, ffn)):
            add(f"blk.{i}.{name}.weight", n, k)
    w.add_tensor("output_norm.weight", np.ones(width, np.float32))
    add("output.weight", vocabulary, width)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def make_model(folder, shape):
    gguf, L = packages()
    path = os.path.join(folder, f"{shape}-q4_0.gguf")
    if not os.path.exists(path):
        wide = os.path.join(folder, f"{shape}-f16.gguf")
        write_gguf(wide, gguf, **dict(zip(FIELDS, SHAPES[shape])))
        options = L.llama_model_quantize_default_params()
        options.ftype = L.LLAMA_FTYPE_MOSTLY_Q4_0
        if L.llama_model_quantize(wide.encode(), path.encode(), ctypes.byref(options)) != 0:
            sys.exit("bench_peers: llama.cpp could not quantize the model")
        os.remove(wide)
    return path


def run_llama(path, threads, steps):
    """Prints the rates of one prefill and of `steps` single tokens after it."""
    _, L = packages()
    L.llama_backend_init()
    model = L.llama_model_load_from_file(path.encode(), L.llama_model_default_params())
    options = L.llama_context_default_params()
    options.n_ctx = options.n_batch = options.n_ubatch = 512
    options.n_threads = options.n_threads_batch = threads
    context = L.llama_init_from_model(model, options)

    def evaluate(tokens):
        array = (L.llama_token * len(tokens))(*tokens)
        assert L.llama_decode(context, L.llama_batch_get_one(array, len(tokens))) == 0

    evaluate(PROMPT[:32])
    L.llama_memory_clear(L.llama_get_memory(context), True)
    begin = time.perf_counter()
    evaluate(PROMPT)
    middle = time.perf_counter()
    for i in range(steps):
        evaluate([100 + i])
    print(json.dumps([len(PROMPT) / (middle - begin), steps / (time.perf_counter() - middle)]))


def run_terse(artifact, threads, steps):
    result = subprocess.run(["terse-run", artifact, "--prompt-ids=" + ",".join(map(str, PROMPT)), f"--max-tokens={steps + 1}", "--ignore-eos",
                             f"--threads={threads}", "--json"], check=True, capture_output=True, text=True)
    report = json.loads(result.stdout)
    return [report["prefill_tokens_per_s"], report["decode_tokens_per_s"]]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("artifact")
    parser.add_argument("folder")
    parser.add_argument("--shape", choices=SHAPES, default="1b")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--llama", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.llama:
        return run_llama(options.artifact, options.threads, options.steps)
    model = make_model(options.folder, options.shape)
    rates = {"terse": [], "llama.cpp Q4_0": []}
    for _ in range(options.rounds):
        rates["terse"].append(run_terse(options.artifact, options.threads, options.steps))
        peer = subprocess.run([sys.executable, __file__, model, options.folder, "--llama", f"--threads={options.threads}",
                               f"--steps={options.steps}"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        if peer.returncode:
            sys.exit(f"bench_peers: llama.cpp ended with status {peer.returncode}")
        rates["llama.cpp Q4_0"].append(json.loads(peer.stdout.splitlines()[-1]))
    medians = {}
    print(f"{'':16}{'prefill 256':>12}{'decode':>9}")
    for name, values in rates.items():
        medians[name] = [statistics.median(column) for column in zip(*values)]
        print(f"{name:16}{medians[name][0]:12.1f}{medians[name][1]:9.2f}")
    ours, theirs = medians.values()
    print(f"{'ratio':16}{ours[0] / theirs[0]:12.2f}{ours[1] / theirs[1]:9.2f}")


if __name__ == "__main__":
    main()
