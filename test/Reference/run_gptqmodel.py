"""GPTQModel: GPTQ with its orders, range search and asymmetric calibration (GPTAQ); AWQ."""
import os
import shutil
import tempfile

from common import format_of, grouped_bits, LAYERS, main, no_tokenizer, norms, Result

GROUPED = ("w4-g64", "w4-g32", "w3-g64", "w3-g32", "w2-g64", "w2-g32")
FIGURES = [f"{f}-{s}-gptq{how}" for how in ("", "-mse", "-gptaq", "-desc", "-rotate") for f in GROUPED for s in ("asym", "sym")] + [
    f"{f}-asym-awq" for f in ("w4-g64", "w4-g32")]


def config(figure):
    from gptqmodel.quantization import FORMAT, METHOD, QuantizeConfig
    from gptqmodel.quantization.config import GPTAQConfig
    parts = figure.split("-")
    bits, group = format_of(figure)
    common = {"bits": bits, "group_size": group, "sym": "asym" not in parts, "offload_to_disk": False}
    if "awq" in parts:
        return QuantizeConfig(method=METHOD.AWQ, format=FORMAT.GEMM, **common)
    if "desc" in parts:
        common.update(desc_act=True, act_group_aware=False)
    if "mse" in parts:
        common["mse"] = 2.0
    if "gptaq" in parts:
        common["gptaq"] = GPTAQConfig(device="cpu")
    if "rotate" in parts:
        common["rotation"] = "hadamard"
    return QuantizeConfig(method=METHOD.GPTQ, format=FORMAT.GPTQ_V2, **common)  # of version 1 the zero points are stored less one


def quantize(figure, source):
    os.environ.setdefault("GPTQMODEL_CPU_WORKERS", "2")  # with one, its default on two processors, its pool fails to start
    os.environ["TORCHDYNAMO_DISABLE"] = "1"  # weights are read once
    from gptqmodel import BACKEND, GPTQModel
    with tempfile.TemporaryDirectory() as folder:
        for name in ("config.json", "model.safetensors"):
            shutil.copyfile(os.path.join(source.folder, name), os.path.join(folder, name))
        no_tokenizer().save_pretrained(folder)
        model = GPTQModel.load(folder, config(figure), device="cpu", dtype="float32", backend=BACKEND.AUTO)
        ids = source.calibration().tolist()
        model.quantize([{"input_ids": row, "attention_mask": [1] * len(row)} for row in ids], batch_size=8,
                       backend=BACKEND.TORCH if "awq" not in figure else BACKEND.AUTO)
    weights = {}
    for name, module in model.model.named_modules():
        if name.endswith(LAYERS) and hasattr(module, "dequantize_weight"):
            if hasattr(module, "post_init"):
                module.post_init()
            weights[name + ".weight"] = module.dequantize_weight().detach().float().T.numpy()
    bits, group = format_of(figure)
    return Result(weights, grouped_bits(bits, group, "asym" not in figure), None, norms(model.model.state_dict()))


if __name__ == "__main__":
    main(quantize)
