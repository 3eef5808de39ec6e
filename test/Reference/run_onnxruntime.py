"""ONNX Runtime's quantizers: MatMulNBits by nearest values, HQQ, k-quant and GPTQ; W8A8 dynamic and static."""
import os
import tempfile

try:
    import numpy as np
except ImportError:  # the driver reads FIGURES where there is none
    np = None

from common import bits_per_weight, format_of, layer_of, main, Result

FIGURES = ["w8a8-dynamic", "w8a8-static-minmax", "w8a8-static-percentile"] + [
    f"{f}-{how}" for f in ("w4-g64", "w4-g32") for how in ("asym-rtn", "sym-rtn", "asym-hqq", "asym-kquant")] + [
    f"{f}-{how}" for f in ("w2-g64", "w2-g32") for how in ("asym-rtn", "sym-rtn")] + [
    f"{f}-asym-{how}" for f in ("w4-g32", "w4-g64", "w3-g64", "w3-g32", "w2-g64", "w2-g32") for how in ("gptq", "gptq-mse")]


class Reader:
    """The calibration's windows as ONNX Runtime's readers give them."""

    def __init__(self, ids, rows):
        self.batch_size = rows
        self.feeds = [{"input_ids": part, "attention_mask": np.ones_like(part)} for part in np.split(ids, len(ids) // rows)]
        self.rest = iter(self.feeds)

    def get_next(self):
        return next(self.rest, None)

    def __iter__(self):
        return iter([(feed, None) for feed in self.feeds])


def unpack(packed, bits):
    """[..., bytes] -> [..., values], the lowest bits first."""
    parts = [(packed >> shift) & (2**bits - 1) for shift in range(0, 8, bits)]
    return np.stack(parts, -1).reshape(*packed.shape[:-1], -1)


def dequantized(node, arrays):
    """A MatMulNBits' weight, [N, K]."""
    at = {attribute.name: attribute.i for attribute in node.attribute}
    n, k, bits, group = at["N"], at["K"], at["bits"], at["block_size"]
    groups = -(-k // group)
    codes = unpack(arrays[node.input[1]].reshape(n, groups, -1), bits).astype(np.float32)
    scales = arrays[node.input[2]].reshape(n, groups, 1).astype(np.float32)
    if len(node.input) > 3 and node.input[3]:
        zero = arrays[node.input[3]]
        if zero.dtype == np.uint8 and zero.size != n * -(-groups * bits // 8):
            raise ValueError("zero points not in whole bytes for each row, as MatMulNBits has them (an odd number of groups)")
        zero = unpack(zero.reshape(n, -1), bits)[:, :groups] if zero.dtype == np.uint8 else zero.reshape(n, groups)
        zero = zero.astype(np.float32)[..., None]
    else:
        zero = 2**(bits - 1)
    return ((codes - zero) * scales).reshape(n, -1)[:, :k]


def weights_only(figure, source, model, linear):
    from onnxruntime.quantization import matmul_nbits_quantizer as Q
    parts = figure.split("-")
    bits, group = format_of(figure)
    others = [node.name for node in model.graph.node if node.op_type == "MatMul" and node.name not in linear]
    if "gptq" in parts:
        from onnxruntime.quantization.neural_compressor.weight_only import gptq_quantize
        settings = {name: {"bits": bits, "group_size": group, "scheme": "asym" if "asym" in parts else "sym", "algorithm": "GPTQ"} for name in linear}
        settings.update({name: "fp32" for name in others})
        return gptq_quantize(model, Reader(source.calibration(), 32), weight_config=settings, num_bits=bits, group_size=group,
                             n_samples=128, mse="mse" in parts).model
    if "hqq" in parts:
        config = Q.HQQWeightOnlyQuantConfig(block_size=group, bits=bits)
    elif "kquant" in parts:
        config = Q.KQuantWeightOnlyQuantConfig()
    else:
        config = Q.DefaultWeightOnlyQuantConfig(block_size=group, is_symmetric="sym" in parts, bits=bits)
    quantizer = Q.MatMulNBitsQuantizer(model, bits=bits, block_size=group, is_symmetric="sym" in parts, nodes_to_exclude=others, algo_config=config)
    quantizer.process()
    return quantizer.model.model


def eight_bits(figure, source, linear):
    """Weights, and how inputs are rounded."""
    import onnx
    from onnxruntime import quantization as Q
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "quantized.onnx")
        if figure == "w8a8-dynamic":
            Q.quantize_dynamic(source.onnx, path, op_types_to_quantize=["MatMul"], nodes_to_quantize=linear, per_channel=True,
                               weight_type=Q.QuantType.QInt8)
        else:
            method = Q.CalibrationMethod.Percentile if "percentile" in figure else Q.CalibrationMethod.MinMax
            Q.quantize_static(source.onnx, path, Reader(source.calibration()[:32] if "percentile" in figure else source.calibration(), 4),
                              op_types_to_quantize=["MatMul"], nodes_to_quantize=linear, per_channel=True, calibrate_method=method,
                              activation_type=Q.QuantType.QUInt8, weight_type=Q.QuantType.QInt8)
        model = onnx.load(path)
    arrays = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    maker = {output: node for node in model.graph.node for output in node.output}
    weights, scales, zeros = {}, {}, {}
    for node in model.graph.node:
        name = layer_of(node.name)
        if name is None or node.op_type not in ("MatMul", "MatMulInteger"):
            continue
        if node.op_type == "MatMulInteger":
            weight = node.input[1]
            codes, scale = arrays[weight].astype(np.float32), arrays[weight.removesuffix("_quantized") + "_scale"]
            weights[name + ".weight"] = (codes * scale.reshape(1, -1)).T
            continue
        codes, scale = (arrays[i].astype(np.float32) for i in maker[node.input[1]].input[:2])
        weights[name + ".weight"] = (codes * scale.reshape(1, -1)).T
        rounded = maker[node.input[0]]
        scales[name], zeros[name] = float(arrays[rounded.input[1]]), int(arrays[rounded.input[2]])
    if figure == "w8a8-dynamic":
        return weights, {"kind": "tensor", "symmetric": False}
    return weights, {"kind": "static", "scale": scales, "zero": zeros, "low": 0, "high": 255}


def quantize(figure, source):
    import onnx
    model = onnx.load(source.onnx)
    linear = [node.name for node in model.graph.node if node.op_type == "MatMul" and layer_of(node.name)]
    if figure.startswith("w8a8"):
        weights, activations = eight_bits(figure, source, linear)
        return Result(weights, bits_per_weight(8, 256), activations)
    bits, group = format_of(figure)
    model = weights_only(figure, source, model, linear)
    arrays = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    weights, zero_bits = {}, 0
    for node in model.graph.node:
        name = layer_of(node.name)
        if name is None or node.op_type not in ("MatMul", "MatMulNBits"):
            continue
        if node.op_type == "MatMul":  # GPTQ leaves rounded floats at other bits than 4
            weights[name + ".weight"] = arrays[node.input[1]].T
            zero_bits = bits
            continue
        block = next(attribute.i for attribute in node.attribute if attribute.name == "block_size")
        if block != group:
            raise ValueError(f"groups of {block}, not {group}")
        weights[name + ".weight"] = dequantized(node, arrays)
        if len(node.input) > 3 and node.input[3]:
            zero_bits = bits if arrays[node.input[3]].dtype == np.uint8 else 16
    return Result(weights, bits_per_weight(bits, group, 16, zero_bits), None)


if __name__ == "__main__":
    main(quantize)
