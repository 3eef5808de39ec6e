"""What all candidates share: model, texts, formats, and how a result is kept.

A candidate is a file `run_NAME.py` with a function `figures()`, the names of what it can do, and `quantize(figure, model)`,
which gives a `Result`. The driver runs it in NAME's own environment with the figures that are wanted; each result becomes a
safetensors file of the weights of the blocks' linear layers, dequantized to f32, under their Hugging Face names, with
`meta.json`'s fields in its metadata. `evaluate.py` measures all of them alike.
"""
import dataclasses
import json
import os
import re
import sys
import time
import traceback

LAYERS = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
          "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")
FORMATS = ("w8a8", "w4-g64", "w4-g32", "w3-g64", "w3-g32", "w2-g64", "w2-g32")
WINDOW, CALIBRATION_WINDOWS, EVALUATION_WINDOWS = 256, 128, 60


@dataclasses.dataclass
class Result:
    """weights: name of a layer's weight -> f32 array [N, K]; bits: bits a weight, scales and zero points too.

    activations: how inputs of the layers are rounded, None or
    {"kind": "token", "symmetric": bool} (8 bits, ranges of each token),
    {"kind": "tensor", "symmetric": bool} (8 bits, the range of the whole input at run time), or
    {"kind": "static", "scale": {layer: s}, "zero": {layer: z}, "low": -128, "high": 127}.
    other: more tensors of the model that changed (norms, whose gains took on scales).
    """
    weights: dict
    bits: float
    activations: dict = None
    other: dict = dataclasses.field(default_factory=dict)
    note: str = ""


class Model:
    """The model's folder and the windows of token ids to calibrate with."""

    def __init__(self, data):
        self.folder = os.path.join(data, "models", "tales8m")
        self.onnx = os.path.join(self.folder, "onnx", "torchscript.onnx")
        self.text = os.path.join(data, "text", "tales", "calib_stories.txt")
        self.held_out = os.path.join(data, "text", "tales", "val_stories.txt")

    def ids(self, path, count):
        """The first token ids of the text, tokenized whole, without a token for its beginning."""
        import numpy as np
        import sentencepiece
        tokenizer = sentencepiece.SentencePieceProcessor(model_file=os.path.join(self.folder, "tokenizer.model"))
        with open(path, encoding="utf-8") as file:
            ids = tokenizer.encode(file.read())
        return np.array(ids[:count], np.int64)

    def calibration(self):
        """[128, 256] token ids."""
        return self.ids(self.text, CALIBRATION_WINDOWS * WINDOW).reshape(CALIBRATION_WINDOWS, WINDOW)

    def load(self):
        """The original as Transformers' LlamaForCausalLM, in f32."""
        import torch
        from transformers import AutoModelForCausalLM
        return AutoModelForCausalLM.from_pretrained(self.folder, dtype=torch.float32).eval()


def layer_of(node):
    """An ONNX node's layer, as 'model.layers.0.self_attn.q_proj', or None."""
    found = re.search(r"layers\W(\d+)\W(self_attn|mlp)\W(\w+_proj)\b", node)
    return "model.layers.{}.{}.{}".format(*found.groups()) if found else None


def no_tokenizer():
    """What packages ask for and, given token ids, never use."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"<unk>": 0, "<s>": 1, "</s>": 2}, unk_token="<unk>")),
                                   unk_token="<unk>", bos_token="<s>", eos_token="</s>", pad_token="</s>")


def format_of(figure):
    """bits and group size of 'w4-g64-...'."""
    bits, group = figure.split("-")[:2]
    return int(bits[1:]), int(group[1:])


def bits_per_weight(bits, group, scale_bits=16, zero_bits=0):
    return bits + (scale_bits + zero_bits) / group


def grouped_bits(bits, group, symmetric):
    """Codes, an f16 scale for each group and, if not symmetric, a zero point of as many bits as a code has."""
    return bits_per_weight(bits, group, 16, 0 if symmetric else bits)


def linear_weights(state):
    """The blocks' linear weights of a state dict, as f32 arrays."""
    return {name: tensor.detach().float().cpu().numpy() for name, tensor in state.items()
            if name.endswith(tuple(layer + ".weight" for layer in LAYERS))}


def norms(state):
    return {name: tensor.detach().float().cpu().numpy() for name, tensor in state.items()
            if name.endswith("norm.weight")}


def save(path, result):
    from safetensors.numpy import save_file
    import numpy as np
    tensors = {**result.weights, **result.other}
    meta = {"bits": result.bits, "activations": result.activations, "note": result.note}
    save_file({name: np.ascontiguousarray(t, np.float32) for name, t in tensors.items()}, path,
              metadata={"result": json.dumps(meta)})


def main(quantize):
    """run_NAME.py DATA FOLDER FIGURE...: a file for each figure in FOLDER; a line of JSON for each on standard output's last lines."""
    data, folder, *wanted = sys.argv[1:]
    model = Model(data)
    for figure in wanted:
        start, report = time.time(), {"figure": figure}
        with open(os.path.join(folder, "current"), "w") as file:
            file.write(figure)
        try:
            save(os.path.join(folder, figure + ".safetensors"), quantize(figure, model))
        except Exception as error:  # a package's own: said in the table
            traceback.print_exc()
            report["error"] = f"{type(error).__name__}: {error}".splitlines()[0][:300]
        report["seconds"] = round(time.time() - start, 1)
        with open(os.path.join(folder, "reports.jsonl"), "a") as file:
            file.write(json.dumps(report) + "\n")
