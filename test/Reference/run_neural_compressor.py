"""Intel Neural Compressor for PyTorch: GPTQ, AWQ, HQQ and nearest values."""
from common import format_of, grouped_bits, main, norms, Result

FIGURES = [f"{f}-{s}-{how}" for f in ("w2-g64", "w3-g64", "w4-g64", "w2-g32", "w3-g32", "w4-g32") for s in ("asym", "sym")
           for how in ("gptq", "awq", "rtn")] + [f"{f}-asym-gptq-order" for f in ("w2-g64", "w3-g64", "w4-g64", "w2-g32", "w3-g32", "w4-g32")]


def quantize(figure, source):
    import torch
    from neural_compressor.torch.quantization import AWQConfig, convert, GPTQConfig, prepare, RTNConfig
    parts = figure.split("-")
    bits, group = format_of(figure)
    common = {"bits": bits, "group_size": group, "use_sym": "asym" not in parts, "use_mse_search": "mse" in parts}
    if "gptq" in parts:
        order = "order" in parts
        config = GPTQConfig(act_order=order, static_groups=order, true_sequential=True, block_size=128, **common)
    else:
        config = (AWQConfig if "awq" in parts else RTNConfig)(**common)
    model = source.load()
    ids = torch.from_numpy(source.calibration())

    def calibrate(prepared):
        with torch.no_grad():
            for row in ids.split(1):
                try:
                    prepared(input_ids=row)
                except ValueError:  # GPTQ stops the model behind its first block so
                    pass

    model = prepare(model, config, example_inputs=ids[:1]) if "rtn" not in parts else prepare(model, config)
    if "rtn" not in parts:
        calibrate(model)
    model = convert(model)
    state = model.state_dict()
    weights = {}
    for name, module in model.named_modules():
        if hasattr(module, "recover"):
            weight = module.recover()
            weight = (weight if isinstance(weight, torch.Tensor) else weight.weight).detach().float()
            weights[name + ".weight"] = weight
    for name, module in model.named_modules():  # an input's scales belong to the weight here
        if hasattr(module, "input_scale"):
            weights[name + ".weight"] = weights.pop(name + ".linear.weight") * module.input_scale.float()
    return Result({name: w.numpy() for name, w in weights.items() if "layers." in name}, grouped_bits(bits, group, "asym" not in parts), None, norms(state))


if __name__ == "__main__":
    main(quantize)
