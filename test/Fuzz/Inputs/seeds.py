"""seeds.py TARGET FOLDER: files that fuzzing starts from, made small.

  import     one model of each operator that the importer knows (from the ONNX
             project's node tests), and forms that those have not: symbolic
             sizes, functions, external data, typed and damaged fields
  artifact   manifests, and a small ELF file with all sections of an artifact
  tokenizer  vocabularies of each kind, with texts
  ir         the operations of the passes' and dialects' own tests

What was found by fuzzing is put there too: TARGET/ (each file once crashed) and
TARGET.zip (inputs that reach more code, chosen by tools/fuzz --keep).
"""

import glob
import hashlib
import json
import os
import re
import shutil
import struct
import sys
import warnings
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))


def node_models():
    warnings.filterwarnings("ignore")
    from onnx.backend.test.case.node import collect_testcases
    known = set()
    for path in glob.glob(os.path.join(SOURCE, "lib/Import/Onnx/Ops/*.cpp")):
        with open(path) as file:
            known |= set(re.findall(r'TERSE_ONNX_OP\("[^"]*", *(\w+)', file.read()))
    smallest = {}
    for case in collect_testcases(None):
        model = case.model
        operators = {node.op_type for node in model.graph.node}
        if len(operators) != 1 or not operators <= known or any(o.version < 13 for o in model.opset_import):
            continue
        model.ClearField("producer_name")
        content = model.SerializeToString()
        name = min(operators)
        if len(content) < 1000 and len(content) < len(smallest.get(name, b"x" * 1000)):
            smallest[name] = content
    return smallest


def importer():
    import numpy as np
    from onnx import TensorProto, helper
    sys.path.insert(0, os.path.join(SOURCE, "test", "Import", "Inputs"))
    from models import FLOAT, INT64, constant, model, node, value
    seeds = node_models()
    seeds["chain"] = model(
        [node("Shape", "x", "s"), node("Gather", "s zero", "n"), node("Unsqueeze", "n zeros", "u"),
         node("Concat", "u minus", "t", axis=0), node("Reshape", "x t", "r"), node("MatMul", "r w", "m"),
         node("Softmax", "m", "y", axis=-1)],
        [value("x", ["batch", "seq", 4])], [value("y", None)],
        [constant("zero", np.array(0)), constant("zeros", np.array([0])), constant("minus", np.array([-1])),
         constant("w", np.ones((4, 3), np.float32))]).SerializeToString()
    double = helper.make_function("f", "Double", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])],
                                  [helper.make_opsetid("", 17)])
    seeds["function"] = model([helper.make_node("Double", ["x"], ["y"], domain="f")], [value("x", ["n"])],
                              [value("y", None)], functions=[double], domains=["f"]).SerializeToString()
    outside = TensorProto(name="c", data_type=FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    for key, text in (("location", "external"), ("offset", "16"), ("length", "16")):
        outside.external_data.add(key=key, value=text)
    seeds["external"] = model([node("Add", "x c", "y")], [value("x", ["n", 4])], [value("y", None)],
                              [outside]).SerializeToString()
    typed = TensorProto(name="c", data_type=FLOAT, dims=[2], float_data=[1, 2])
    seeds["slices"] = model(
        [node("Mul", "x c", "a"), node("Slice", "a i j k", "b"), node("Split", "b", "d e", axis=1, num_outputs=2),
         node("Concat", "d e", "f", axis=1), node("Transpose", "f", "g", perm=[1, 0]), node("CumSum", "g i", "y")],
        [value("x", ["2*n + 1", 2])], [value("y", None)],
        [typed, constant("i", np.array([0])), constant("j", np.array([9])), constant("k", np.array([1]))],
        opset=18).SerializeToString()
    branch = helper.make_graph([node("Identity", "x", "t")], "branch", [], [value("t", None)])
    seeds["branches"] = model([helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)],
                              [value("x", ["n"]), value("c", [], TensorProto.BOOL)],
                              [value("y", None)]).SerializeToString()
    past = ["batch", 2, "past", 8]
    for name, operator, inputs, attributes in (
            ("gqa", "GroupQueryAttention", "q k v pk pv l t", dict(num_heads=4, kv_num_heads=2)),
            ("rotary", "RotaryEmbedding", "q p cos sin", {}),
            ("skip", "SkipSimplifiedLayerNormalization", "q q2 g", {}),
            ("nbits", "MatMulNBits", "q b s", dict(K=32, N=4, bits=4, block_size=16))):
        made = helper.make_node(operator, inputs.split(), ["y"], domain="com.microsoft", **attributes)
        seeds[name] = model(
            [made],
            [value("q", ["batch", "seq", 32]), value("q2", ["batch", "seq", 32]), value("k", ["batch", "seq", 16]),
             value("v", ["batch", "seq", 16]), value("pk", past), value("pv", past),
             value("l", ["batch"], TensorProto.INT32), value("p", ["batch", "seq"], INT64)],
            [value("y", None)],
            [constant("t", np.array(5, np.int32)), constant("g", np.ones(32, np.float32)),
             constant("cos", np.ones((8, 4), np.float32)), constant("sin", np.ones((8, 4), np.float32)),
             constant("b", np.ones((4, 2, 8), np.uint8)), constant("s", np.ones((4, 2), np.float32))],
            domains=["com.microsoft"]).SerializeToString()
    return seeds


def manifest():
    tensor = lambda name, dtype, shape: {"name": name, "dtype": dtype, "shape": shape}
    return {
        "format": 1, "terse": "0.1.0", "recipe": "w4", "source": {"name": "m.onnx", "sha256": "0" * 64},
        "levels": ["baseline", "avx2"], "symbols": ["batch", "seq", "past", "capacity"], "past": "past",
        "capacity": "capacity", "inputs": [tensor("input_ids", "i64", ["batch", "seq"]),
                                           tensor("mask", "f32", ["batch", "past + 2*seq"])],
        "outputs": [tensor("logits", "f32", ["batch", "max(seq, 1)", 16])],
        "states": [tensor("k", "f32", ["batch", 1, "capacity", "(seq - 1) floordiv 2"])],
        "entries": [{"name": "forward", "functions": {"baseline": "f", "avx2": "g"}},
                    {"name": "decode", "functions": {"baseline": "f", "avx2": "g"}, "when": {"seq": 1}}],
        "weights": {"bytes": 64, "sha256": "0" * 64, "tensors": [
            {"name": "w", "kind": "linear", "shape": [4, 8], "bits": 4, "group_size": 8, "symmetric": True,
             "scale": "f16", "offset": 0, "bytes": 48},
            {"name": "s", "kind": "scales", "part_of": "w", "shape": [4], "bits": 16, "offset": 48, "bytes": 16}]},
        "code": {"sha256": "0" * 64}, "tokenizer": {"kind": "bytes", "bytes": 0}}


def elf(text):
    """A shared object with an artifact's sections and symbols and no code."""
    names, strings, body, sections, symbols = b"\0", b"\0", b"", [], [bytes(24)]
    begin = 64 + 56

    def add(name, kind, flags, content, align=8, link=0, size=0):
        nonlocal names, body
        body += bytes(-(begin + len(body)) % align)
        sections.append([len(names), kind, flags, begin + len(body) if flags else 0, begin + len(body),
                         len(content), link, 0, align, size])
        names += name.encode() + b"\0"
        body += content
        return sections[-1]

    for name, section, content in ((b"terse_manifest", ".terse.manifest", text),
                                   (b"terse_manifest_size", ".rodata", struct.pack("<Q", len(text))),
                                   (b"terse_abi_version", ".data", struct.pack("<I", 3))):
        made = add(section, 1, 2, content)
        symbols.append(struct.pack("<IBBHQQ", len(strings), 17, 0, len(sections), made[3], len(content)))
        strings += name + b"\0"
    add(".dynstr", 3, 2, strings)
    add(".dynsym", 11, 2, b"".join(symbols), link=len(sections), size=24)
    end = begin + len(body)
    # Page-aligned and small: the header serves as weights.
    add(".terse.weights", 1, 0, b"")[4:6] = [0, 64]
    add(".terse.seal", 1, 0, bytes(64), 1)
    add(".shstrtab", 3, 0, names + b".shstrtab\0", 1)
    table = bytes(64) + b"".join(struct.pack("<IIQQQQIIQQ", *s) for s in sections)
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 3, 62, 1, 0, 64, begin + len(body), 0, 64, 56, 1, 64,
                         len(sections) + 1, len(sections))
    segment = struct.pack("<IIQQQQQQ", 1, 4, 0, 0, 0, end, end, 4096)
    return header + segment + body + table


def artifact():
    text = json.dumps(manifest()).encode()
    small = json.dumps({"format": 1, "levels": [], "inputs": [], "outputs": [], "weights": {"bytes": 0},
                        "entries": [{"name": "f", "functions": {}}]}).encode()
    return {"manifest": text, "small": small, "elf": elf(text), "elf-small": elf(small)}


def tokenizer():
    words = ["<unk>", "<s>", "</s>", " ", "a", "b", "ab", " ab", "<0x41>", "\u00e9"]
    bin_ = struct.pack("<i", 8) + b"".join(
        struct.pack("<fi", -i, len(w.encode())) + w.encode() for i, w in enumerate(words))
    field = lambda number, content: bytes([number << 3 | 2, len(content)]) + content
    pieces = b""
    for i, word in enumerate(words + ["\u2581", "\u2581ab", "xyz"]):
        kind = 2 if i == 0 else 3 if i < 3 else 6 if word.startswith("<0x") else 4 if word == "xyz" else 1
        pieces += field(1, field(1, word.encode()) + b"\x15" + struct.pack("<f", -i) + bytes([0x18, kind]))
    trainer = field(2, bytes([0x18, 2]) + bytes([35 << 3 & 127 | 128, 2, 1]))
    normalizer = field(3, bytes([0x18, 1, 0x20, 1]))
    model = pieces + trainer + normalizer
    unigram = pieces + field(2, bytes([0x18, 1])) + normalizer
    text = "ab \u00e9 xyzA a".encode() + b"\xff\xc3"
    seed = lambda kind, content: bytes([kind, len(text)]) + text + content
    return {"detect-llama2c": seed(0, bin_), "detect-spm": seed(0, model), "llama2c": seed(1, bin_),
            "bpe": seed(2, model), "spm": seed(3, model), "unigram": seed(3, unigram), "bytes": seed(4, b"")}


def ir():
    seeds = {}
    for path in sorted(glob.glob(os.path.join(SOURCE, "passes/*/*/test/*.mlir")) +
                       glob.glob(os.path.join(SOURCE, "dialects/*/test/*.mlir"))):
        with open(path) as file:
            for i, part in enumerate(re.split(r"^// -----.*$", file.read(), flags=re.M)):
                text = "\n".join(line.rstrip() for line in part.splitlines()
                                 if line.strip() and not line.strip().startswith("//"))
                if 0 < len(text) < 3000:
                    name = hashlib.sha1(text.encode()).hexdigest()[:12]
                    seeds[name] = text.encode()
    return seeds


def main():
    target, folder = sys.argv[1:]
    os.makedirs(folder, exist_ok=True)
    for name, content in {"import": importer, "artifact": artifact, "tokenizer": tokenizer, "ir": ir}[target]().items():
        with open(os.path.join(folder, name), "wb") as file:
            file.write(content)
    found = os.path.join(HERE, target)
    for name in os.listdir(found) if os.path.isdir(found) else []:
        shutil.copy(os.path.join(found, name), folder)
    kept = os.path.join(HERE, target + ".zip")
    if os.path.exists(kept):
        with zipfile.ZipFile(kept) as archive:
            archive.extractall(folder)


main()
