"""NNCF on the ONNX model read by OpenVINO: 4, 3 and 2 bits with AWQ, scale estimation and GPTQ."""
from common import format_of, grouped_bits, layer_of, main, Result

FIGURES = [f"{f}-{how}" for f in ("w4-g64", "w4-g32") for s in ("sym", "asym") for how in (f"{s}-awq-scale", f"{s}-gptq", f"{s}-scale")] + [
    f"{f}-sym-{how}" for f in ("w3-g64", "w3-g32", "w2-g64", "w2-g32") for how in ("awq-scale", "gptq", "gptq-scale")]


def linear_layers(ov_model):
    found = {layer_of(op.get_friendly_name()): op for op in ov_model.get_ops() if op.get_type_name() == "MatMul"}
    found.pop(None, None)
    return found


def constants(outputs):
    """What outputs that depend on constants alone hold, computed by OpenVINO itself."""
    import openvino as ov
    compiled = ov.Core().compile_model(ov.Model(list(outputs.values()), []), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    results = compiled([])
    return {name: results[i] for i, name in enumerate(outputs)}


def depends_on_constants(output):
    node = output.get_node()
    if node.get_type_name() == "Parameter":
        return False
    return all(depends_on_constants(node.input_value(i)) for i in range(node.get_input_size()))


def input_scale(matmul):
    """The scales of channels that AWQ multiplies a layer's input by, which belong to the weight here."""
    node = matmul.input_value(0).get_node()
    if node.get_type_name() == "Multiply" and "awq" in node.get_friendly_name():
        for i in (0, 1):
            if depends_on_constants(node.input_value(i)):
                return node.input_value(i)
    return None


def quantize(figure, source):
    import nncf
    import numpy as np
    import openvino as ov
    model = ov.convert_model(source.onnx)
    layers = linear_layers(model)
    others = [op.get_friendly_name() for op in model.get_ops() if op.get_type_name() in ("MatMul", "Gather") and layer_of(op.get_friendly_name()) is None]
    ids = source.calibration()
    dataset = nncf.Dataset([{"input_ids": row[None], "attention_mask": np.ones((1, len(row)), np.int64)} for row in ids])
    bits, group = format_of(figure)
    symmetric = "asym" not in figure
    mode = nncf.CompressWeightsMode(f"int{bits}_{'sym' if symmetric else 'asym'}")
    parts = figure.split("-")
    model = nncf.compress_weights(model, mode=mode, group_size=group, all_layers=True, ratio=1.0, dataset=dataset, subset_size=128,
                                  awq="awq" in parts, scale_estimation="scale" in parts, gptq="gptq" in parts,
                                  ignored_scope=nncf.IgnoredScope(names=others, validate=False))
    layers = linear_layers(model)
    weights = constants({name: op.input_value(1) for name, op in layers.items()})
    scaled = {name: input_scale(op) for name, op in layers.items()}
    scaled = {name: output for name, output in scaled.items() if output}
    scales = constants(scaled) if scaled else {}
    tensors = {}
    for name, op in layers.items():
        weight = weights[name].astype(np.float32)  # [N, K], or [K, N] where not transposed
        weight = weight if op.get_attributes()["transpose_b"] else weight.T
        tensors[name + ".weight"] = weight * scales[name].reshape(1, -1) if name in scales else weight
    return Result(tensors, grouped_bits(bits, group, symmetric), None, {}, f"{len(scales)} layers with scaled inputs")


if __name__ == "__main__":
    main(quantize)
