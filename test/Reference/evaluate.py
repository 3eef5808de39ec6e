"""evaluate.py DATA FILE...: perplexity on the held-out windows of the model with each file's weights, a line of JSON for each.

PyTorch and Transformers in f32, the same for all. The file `float` stands for the original.
"""
import json
import math
import sys

import torch
from safetensors import safe_open

from common import EVALUATION_WINDOWS, LAYERS, WINDOW, Model


def round_inputs(model, how):
    """Rounds what goes into the blocks' linear layers to 8 bits and back."""
    def of_range(x, low, high):
        if how["symmetric"]:
            scale = torch.maximum(-low, high).clamp(min=1e-12) / 127
            return (x / scale).round().clamp(-127, 127) * scale
        low, high = low.clamp(max=0), high.clamp(min=0)
        scale = ((high - low) / 255).clamp(min=1e-12)
        zero = (-low / scale).round()
        return ((x / scale).round() + zero).clamp(0, 255).sub(zero) * scale

    def hook(name):
        def rounded(_, inputs):
            x = inputs[0]
            if how["kind"] == "token":
                return (of_range(x, x.amin(-1, keepdim=True), x.amax(-1, keepdim=True)),)
            if how["kind"] == "tensor":
                return (of_range(x, x.min(), x.max()),)
            scale, zero = how["scale"][name], how["zero"][name]
            return (((x / scale).round() + zero).clamp(how["low"], how["high"]).sub(zero) * scale,)
        return rounded

    return [module.register_forward_pre_hook(hook(name)) for name, module in model.named_modules()
            if name.endswith(LAYERS)]


@torch.no_grad()
def perplexity(model, ids):
    """Each window alone predicts the token behind each of its tokens."""
    loss = 0.0
    for start in range(0, len(ids) - 1, WINDOW):
        logits = model(ids[None, start:start + WINDOW], use_cache=False).logits[0]
        loss += torch.nn.functional.cross_entropy(logits, ids[start + 1:start + WINDOW + 1], reduction="none").double().sum().item()
    return math.exp(loss / (len(ids) - 1))


def main():
    source = Model(sys.argv[1])
    ids = torch.from_numpy(source.ids(source.held_out, EVALUATION_WINDOWS * WINDOW + 1))
    model = source.load()
    original = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for path in sys.argv[2:]:
        model.load_state_dict(original)
        hooks, meta = [], {"bits": 32}
        if path != "float":
            with safe_open(path, "pt") as file:
                meta = json.loads(file.metadata()["result"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}
            missing = {name for name in original if name.endswith(tuple(layer + ".weight" for layer in LAYERS))} - set(tensors)
            wrong = [name for name, t in tensors.items() if name not in original or t.shape != original[name].shape]
            if missing or wrong:
                print(json.dumps({"path": path, "error": f"weights missing: {len(missing)}, unlike the model's: {wrong[:3]}"}), flush=True)
                continue
            model.load_state_dict(tensors, strict=False)
            if meta["activations"]:
                hooks = round_inputs(model, meta["activations"])
        print(json.dumps({"path": path, "perplexity": perplexity(model, ids), "bits": meta["bits"], "note": meta.get("note", "")}), flush=True)
        for hook in hooks:
            hook.remove()


main()
