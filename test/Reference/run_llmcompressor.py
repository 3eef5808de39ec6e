"""llm-compressor: GPTQ, AWQ and rounding to nearest for weights, SmoothQuant for W8A8."""
from common import bits_per_weight, format_of, grouped_bits, linear_weights, main, no_tokenizer, norms, Result

GROUPED = ("w4-g64", "w4-g32", "w3-g64", "w3-g32", "w2-g64", "w2-g32")
FIGURES = [f"{f}-{s}-gptq" for f in GROUPED for s in ("asym", "sym")] + ["w8a8-rtn", "w8a8-gptq", "w8a8-smooth-gptq"] + [
    f"{f}-{s}-{how}" for f in GROUPED for s in ("asym", "sym") for how in ("gptq-mse", "awq", "rtn")] + [
    f"{f}-asym-spin-gptq" for f in ("w2-g64", "w2-g32")]


def dataset(model):
    from datasets import Dataset
    ids = model.calibration().tolist()
    return Dataset.from_dict({"input_ids": ids, "attention_mask": [[1] * len(row) for row in ids]})


def scheme(bits, group, symmetric, observer, activations):
    weights = {"num_bits": bits, "type": "int", "symmetric": symmetric, "strategy": "group" if group else "channel",
               "observer": observer}
    if group:
        weights["group_size"] = group
    inputs = {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "token", "dynamic": True, "observer": None} if activations else None
    return {"group_0": {"targets": ["Linear"], "weights": weights, "input_activations": inputs}}


def recipe(figure):
    from llmcompressor.modifiers.gptq import GPTQModifier
    from llmcompressor.modifiers.quantization import QuantizationModifier
    from llmcompressor.modifiers.transform import AWQModifier, SmoothQuantModifier, SpinQuantModifier
    parts = figure.split("-")
    activations = parts[0] == "w8a8"
    bits, group = (8, 0) if activations else format_of(figure)
    observer = "memoryless_mse" if "mse" in parts else "memoryless_minmax"
    groups = scheme(bits, group, "asym" not in parts, observer, activations)
    modifiers = []
    if "smooth" in parts:
        modifiers.append(SmoothQuantModifier(smoothing_strength=0.5))
    if "awq" in parts:
        modifiers.append(AWQModifier(duo_scaling=True))
    if "spin" in parts:
        modifiers.append(SpinQuantModifier(rotations=["R1", "R2"], transform_type="hadamard"))
    rounding = GPTQModifier if "gptq" in parts else QuantizationModifier
    return modifiers + [rounding(config_groups=groups, ignore=["lm_head"])]


def quantize(figure, source):
    from compressed_tensors.quantization.lifecycle.forward import fake_quantize
    from llmcompressor import oneshot
    model = source.load()
    oneshot(model=model, processor=no_tokenizer(), dataset=dataset(source), recipe=recipe(figure), max_seq_length=256, num_calibration_samples=128, batch_size=8,
            shuffle_calibration_samples=False)
    for name, module in model.named_modules():
        if hasattr(module, "quantization_scheme") and hasattr(module, "weight_scale"):
            module.weight.data = fake_quantize(module.weight, module.weight_scale, getattr(module, "weight_zero_point", None),
                                               module.quantization_scheme.weights, getattr(module, "weight_g_idx", None))
    state = model.state_dict()
    other = norms(state)
    if "spin" in figure:
        other.update({name: state[name].float().numpy() for name in ("model.embed_tokens.weight", "lm_head.weight")})
    if figure.startswith("w8a8"):
        return Result(linear_weights(state), bits_per_weight(8, 256), {"kind": "token", "symmetric": True}, other)
    bits, group = format_of(figure)
    return Result(linear_weights(state), grouped_bits(bits, group, "asym" not in figure), None, other)


if __name__ == "__main__":
    main(quantize)
