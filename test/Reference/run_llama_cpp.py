"""llama.cpp's quantizer with an importance matrix. Its sources, tools and all, come in llama-cpp-python's source package.

Its types are mixtures: bits are counted over the blocks' linear weights as they are in the file. 704 is no multiple of 256,
so that the K and most IQ types leave `down_proj` to others.
"""
import glob
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile

from common import CALIBRATION_WINDOWS, main, Result, WINDOW

PACKAGE = "llama-cpp-python==0.3.36"
FIGURES = ["q4_0", "q4_1", "q4_k_s", "q4_k_m", "iq4_nl", "iq4_xs", "q3_k_s", "q3_k_m", "q3_k_l", "iq3_m", "iq3_s", "iq3_xxs",
           "q2_k", "q2_k_s", "iq2_m", "iq2_s", "iq2_xs", "iq2_xxs", "q8_0"]
NAMES = {"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
         "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}


def run(*command, **more):
    done = subprocess.run(command, capture_output=True, text=True, **more)
    if done.returncode:
        print(done.stdout[-3000:], done.stderr[-3000:], file=sys.stderr)
        raise RuntimeError(f"{os.path.basename(command[0])} {command[1]} failed")


def tools(scratch):
    """The folder of the sources, with llama-quantize and llama-imatrix built in build/bin."""
    found = glob.glob(os.path.join(scratch, "llama_cpp_python-*", "vendor", "llama.cpp"))
    here = os.path.dirname(sys.executable)
    env = dict(os.environ, PATH=here + os.pathsep + os.environ["PATH"])
    if not found:
        run(sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", ":all:", "--no-cache-dir", "-d", scratch, PACKAGE)
        with tarfile.open(glob.glob(os.path.join(scratch, "llama_cpp_python-*.tar.gz"))[0]) as archive:
            archive.extractall(scratch, filter="data")
        found = glob.glob(os.path.join(scratch, "llama_cpp_python-*", "vendor", "llama.cpp"))
    build = os.path.join(found[0], "build")
    if not os.path.exists(os.path.join(build, "bin", "llama-imatrix")):
        run("cmake", "-S", found[0], "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DBUILD_SHARED_LIBS=OFF", "-DLLAMA_CURL=OFF",
            "-DLLAMA_BUILD_TESTS=OFF", "-DLLAMA_BUILD_EXAMPLES=OFF", "-DLLAMA_BUILD_SERVER=OFF", "-DLLAMA_BUILD_APP=OFF", env=env)
        run("ninja", "-C", build, "-j2", "llama-quantize", "llama-imatrix", env=env)
    return found[0]


def prepare(source, scratch):
    """The model in f32 and its importance matrix over the calibration's windows."""
    top = tools(scratch)
    wide, matrix = os.path.join(scratch, "f32.gguf"), os.path.join(scratch, "imatrix.gguf")
    if not os.path.exists(wide):
        with tempfile.TemporaryDirectory() as folder:
            for name in ("config.json", "model.safetensors", "tokenizer.model"):
                shutil.copyfile(os.path.join(source.folder, name), os.path.join(folder, name))
            with open(os.path.join(folder, "tokenizer_config.json"), "w") as file:
                json.dump({"add_bos_token": False, "add_eos_token": False, "tokenizer_class": "LlamaTokenizer"}, file)
            run(sys.executable, os.path.join(top, "convert_hf_to_gguf.py"), folder, "--outtype", "f32", "--outfile", wide)
    if not os.path.exists(matrix):
        run(os.path.join(top, "build", "bin", "llama-imatrix"), "-m", wide, "-f", source.text, "-o", matrix, "-c", str(WINDOW), "-b", str(WINDOW),
            "--chunks", str(CALIBRATION_WINDOWS), "-t", os.environ.get("OMP_NUM_THREADS", "2"), "--no-ppl")
    return os.path.join(top, "build", "bin", "llama-quantize"), wide, matrix


def as_in_transformers(weight, heads):
    """Rows of q and k as Transformers has them; llama.cpp keeps the halves of a rotated pair side by side."""
    n, k = weight.shape
    return weight.reshape(heads, n // heads // 2, 2, k).swapaxes(1, 2).reshape(n, k)


def quantize(figure, source):
    import gguf
    scratch = os.environ["SCRATCH"]
    quantizer, wide, matrix = prepare(source, scratch)
    path = os.path.join(scratch, figure + ".gguf")
    run(quantizer, "--imatrix", matrix, "--token-embedding-type", "f32", "--output-tensor-type", "f32", wide, path, figure.upper(), "2")
    with open(os.path.join(source.folder, "config.json")) as file:
        config = json.load(file)
    weights, bytes_, count, types = {}, 0, 0, {}
    for tensor in gguf.GGUFReader(path).tensors:
        parts = tensor.name.split(".")
        if parts[0] != "blk" or parts[2] not in NAMES:
            continue
        weight = gguf.quants.dequantize(tensor.data, tensor.tensor_type).reshape(tuple(int(d) for d in reversed(tensor.shape)))
        if parts[2] in ("attn_q", "attn_k"):
            weight = as_in_transformers(weight, config["num_attention_heads" if parts[2] == "attn_q" else "num_key_value_heads"])
        weights[f"model.layers.{parts[1]}.{NAMES[parts[2]]}.weight"] = weight
        bytes_, count = bytes_ + int(tensor.n_bytes), count + weight.size
        types.setdefault(tensor.tensor_type.name, set()).add(parts[2])
    os.remove(path)
    note = "; ".join(f"{name}: {', '.join(sorted(layers))}" for name, layers in sorted(types.items()))
    return Result(weights, 8 * bytes_ / count, None, {}, note)


if __name__ == "__main__":
    main(quantize)
