"""What is measured: models in formats, and what our recipe and their types for each are."""
import hashlib
import json
import os
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
#: format: our recipe, bits, values in a group (0: a row), largest error of one layer's outputs over their size
FORMATS = {
    "f32": ("f32", 32, 0, 1e-4),
    "int8": ("w8:group-size=0", 8, 0, 0.03),
    "int8-g32": ("w8", 8, 32, 0.03),
    "int4-g32": ("w4", 4, 32, 0.14),
    "int4-g128": ("w4:group-size=128", 4, 128, 0.16),
}
#: format: our recipe, llama.cpp's type, largest error of the logits (unrelated ones: 1.4)
LANGUAGE_FORMATS = {"f16": ("f16", "F16", 0.05), "w8": ("w8", "Q8_0", 0.2), "w4": ("w4", "Q4_0", 0.9)}
ENCODERS = ("base", "tiny")
ROWS, BATCHES, PROMPTS = [1, 8, 256], [1, 8], [256, 512]


class Case:
    """A model in a format: `measures` for which engines take turns. `work` gives (amount, unit) of a measure."""

    def __init__(self, name, model, engines, spec, measures, bound, work):
        self.name, self.model, self.engines, self.spec, self.measures, self.bound, self.work = name, model, engines, spec, measures, bound, work


class Model:
    """Files that all engines get; made when they are first wanted."""

    def __init__(self, scratch, name, command, onnx=None, generate=None):
        self.folder = os.path.join(scratch, "models", name)
        self.onnx = onnx or os.path.join(self.folder, "model.onnx")
        self.command, self.generate = command, generate

    def make(self, python):
        reference = os.path.join(self.folder, "reference.json")
        if not os.path.exists(reference):
            os.makedirs(self.folder, exist_ok=True)
            if self.generate:
                subprocess.run([python, *self.generate], check=True, capture_output=True, text=True)
            subprocess.run([python, os.path.join(HERE, "models.py"), *self.command], check=True, capture_output=True, text=True)
        with open(reference) as file:
            return json.load(file)


def linear_cases(scratch, shape):
    count, n, k = map(int, shape.split("x"))
    model = Model(scratch, "linear-" + shape, ["linear", os.path.join(scratch, "models", "linear-" + shape), str(count), str(n), str(k)])
    for name, (recipe, bits, group, bound) in FORMATS.items():
        spec = {"kind": "linear", "recipe": recipe, "format": name, "bits": bits, "group": group, "rows": ROWS, "checked": 8}

        def work(measure, bits=bits, group=group):
            rows = int(measure.split()[0])
            if rows == 1:
                return count * n * k * (bits + (16 / group if group else 0)) / 8 * 1e-9, "GB/s"
            return 2 * rows * count * n * k * 1e-9, "GOPS"

        yield Case(f"linear {shape} {name}", model, ["terse", "onnxruntime", "openvino"], spec, [f"{rows} rows" for rows in ROWS], bound, work)


def encoder_cases(scratch, shape):
    model = Model(scratch, "encoder-" + shape, ["encoder", os.path.join(scratch, "models", "encoder-" + shape), shape])
    for name, bound in (("f32", 1e-3), ("int8", 0.2)):
        spec = {"kind": "encoder", "recipe": FORMATS[name][0], "format": name, "bits": FORMATS[name][1], "group": 0, "batches": BATCHES}
        engines = ["terse", "onnxruntime"] + (["openvino"] if name == "f32" else [])
        yield Case(f"encoder {shape} {name}", model, engines, spec, [f"batch {batch}" for batch in BATCHES], bound,
                   lambda measure: (int(measure.split()[1]), "sequences/s"))


def language_cases(scratch, path, shape, threads):
    """The model in the file or, without one, of a shape that test/FullSize has, with random weights."""
    if path:
        name = next((part for part in reversed(os.path.dirname(os.path.abspath(path)).split(os.sep)) if part != "onnx"), "model")
        model, generate = os.path.abspath(path), None
        stamp = f"{model} {os.stat(model).st_size} {os.stat(model).st_mtime_ns}"
        stored = f"{name}-{hashlib.sha256(stamp.encode()).hexdigest()[:8]}"
    else:
        stored = name = "llama-" + shape
        model = os.path.join(scratch, "models", name, "model.onnx")
        generate = [generator(), model, "--shape", shape]
    folder = os.path.join(scratch, "models", stored)
    measures = ["decode", *(["decode, 1 thread"] if threads > 1 else []), *(f"prompt {length}" for length in PROMPTS)]
    for format_, (recipe, type_, bound) in LANGUAGE_FORMATS.items():
        spec = {"kind": "language", "recipe": recipe, "type": type_, "format": format_, "prompts": PROMPTS,
                "context": max(PROMPTS), "prompt": [1, 29, 7, 41, 3, 86, 19, 55]}  # decoder.py's PROMPT
        yield Case(f"language {name} {format_}", Model(scratch, stored, ["reference", folder, model], model, generate), ["terse", "llama_cpp"], spec, measures, bound,
                   lambda measure: (1 if measure.startswith("decode") else int(measure.split()[1]), "tokens/s"))


def generator():
    """llama.py of test/FullSize, which lies beside this file where Terse is installed."""
    installed = os.path.join(HERE, "llama.py")
    return installed if os.path.exists(installed) else os.path.join(HERE, "..", "..", "..", "test", "FullSize", "Inputs", "llama.py")
