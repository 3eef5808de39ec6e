# RUN: %python %s
"""Quantized operators: what they compute, against ONNX Runtime and NumPy; weights keep the codes of the file."""
import os
import re
import sys
import tempfile

import numpy as np
import onnxruntime
from onnx import helper, numpy_helper

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
import importing
from models import *

onnxruntime.set_default_logger_severity(4)
rng = np.random.default_rng(5)
failures = 0
MICROSOFT = "com.microsoft"


def f32(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def fail(what, why):
    global failures
    failures += 1
    print(f"FAILED {what}: {why}", flush=True)


def compare(what, content, inputs, want=None, bound=3e-6):
    """Outputs against `want`, a list, or ONNX Runtime without its optimizations."""
    if want is None:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = onnxruntime.InferenceSession(content.SerializeToString(), options, providers=["CPUExecutionProvider"])
        want = session.run(None, inputs)
    with tempfile.TemporaryDirectory() as folder:
        path = save(content, folder)
        try:
            got = importing.Model(path)(inputs)
        except Exception as error:
            return fail(what, str(error)[:600])
        for output, expected in zip(content.graph.output, want):
            result, expected = got[output.name], np.asarray(expected)
            error = np.abs(result.astype(np.float64) - expected.astype(np.float64)).max() / max(np.abs(expected.astype(np.float64)).max(), 1e-9)
            if result.shape != expected.shape or result.dtype != expected.dtype or not error <= bound:
                fail(what, f"{output.name}: {error:.3g}, {result.dtype}{result.shape} {expected.dtype}{expected.shape}")


def weights(content):
    """Weights that the import made or names, by name: their bytes."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        text = importing.import_onnx(save(content, folder))
        for name, data in re.findall(r'terse\.weight "([^"]*)" = (dense<"0x[0-9A-F]*">|#terse\.file<[^>]*>)', text):
            if data.startswith("dense"):
                found[name] = bytes.fromhex(data[9:-2])
            else:
                path, offset, size = re.match(r'#terse\.file<"(.*)", (\d+), (\d+)>', data).groups()
                with open(path, "rb") as file:
                    file.seek(int(offset))
                    found[name] = file.read(int(size))
    return text, found


def pack(codes, bits):
    """Rows of codes as a little-endian bit stream."""
    n, k = codes.shape
    stream = (codes.astype(np.uint8)[:, :, None] >> np.arange(bits) & 1).reshape(n, k * bits).astype(np.uint8)
    return np.packbits(stream, axis=1, bitorder="little")


# ---- MatMulNBits
def matmul_nbits(k, n, bits, block, zero=None, bias=False, element=np.float32, group_of=False, level=0):
    blocks = -(-k // block)
    codes = rng.integers(0, 1 << bits, (n, blocks * block))
    codes[:, k:] = 0
    scales = (rng.random((n, blocks)) * 0.1 + 0.01).astype(element)
    names, tensors = ["x", "w_codes", "w_scales", "", "", ""], [constant("w_codes", pack(codes, bits).reshape(n, blocks, -1)), constant("w_scales", scales)]
    zeros = np.full((n, blocks), 1 << (bits - 1))
    if zero == "packed":
        zeros = rng.integers(0, 1 << bits, (n, blocks))
        names[3], _ = "w_zeros", tensors.append(constant("w_zeros", pack(zeros, bits)))
    elif zero == "float":
        zeros = (rng.random((n, blocks)) * (1 << bits)).astype(element)
        names[3], _ = "w_zeros", tensors.append(constant("w_zeros", zeros))
    order = np.arange(k) // block
    if group_of:
        order = rng.permutation(order)
        names[4], _ = "w_groups", tensors.append(constant("w_groups", order.astype(np.int32)))
    added = f32(n).astype(element) if bias else np.zeros(n, element)
    if bias:
        names[5], _ = "b", tensors.append(constant("b", added))
    while not names[-1]:
        names.pop()
    made = helper.make_node("MatMulNBits", names, ["y"], name="/layer/MatMul", domain=MICROSOFT, K=k, N=n, bits=bits, block_size=block, accuracy_level=level)
    kind = FLOAT16 if element == np.float16 else FLOAT
    content = model([made], [value("x", ["t", k], kind)], [value("y", ["t", n], kind)], tensors, domains=[MICROSOFT])
    w = (codes[:, :k] - zeros[:, order].astype(np.float64)) * scales[:, order].astype(np.float64)
    return content, codes[:, :k], lambda x: (x.astype(np.float64) @ w.T + added).astype(element)


for case in [dict(k=96, n=40, bits=4, block=32), dict(k=80, n=24, bits=4, block=16, zero="packed"), dict(k=72, n=20, bits=4, block=32, zero="packed", bias=True),
             dict(k=256, n=18, bits=8, block=128, zero="packed"), dict(k=64, n=16, bits=2, block=64, zero="packed"), dict(k=48, n=33, bits=8, block=64, zero="float"),
             dict(k=128, n=20, bits=4, block=32, zero="float", bias=True), dict(k=96, n=24, bits=4, block=32, group_of=True),
             dict(k=64, n=32, bits=4, block=16, element=np.float16, level=4)]:
    content, codes, want = matmul_nbits(**case)
    x = f32(3, case["k"]).astype(case.get("element", np.float32))
    compare(f"MatMulNBits {case}", content, {"x": x}, [want(x)], 2e-3 if x.dtype == np.float16 else 3e-6)
    text, found = weights(content)
    if not case.get("group_of") and found["w_codes"] != pack(codes, case["bits"]).tobytes():
        fail(f"MatMulNBits {case}", "other codes than in the file")
    if ("terse.round_input" in text) != (case.get("level") == 4):
        fail(f"MatMulNBits {case}", "rounding of the input")

# ---- GatherBlockQuantized
for dtype, zero in (("uint4", True), ("int4", False), ("uint8", True), ("uint8", False)):
    kind = {"uint4": TensorProto.UINT4, "int4": TensorProto.INT4, "uint8": TensorProto.UINT8}[dtype]
    codes, zeros, scales = rng.integers(0, 16, (50, 64)), rng.integers(0, 16, (50, 2)), rng.random((50, 2)).astype(np.float32)
    def packed(name, array):
        if dtype == "uint8":
            return constant(name, pack(array, 4))
        tensor = helper.make_tensor(name, kind, array.shape, (pack(array.reshape(1, -1), 4)).tobytes(), raw=True)
        return tensor
    tensors = [packed("table", codes), constant("scales", scales)] + ([packed("zeros", zeros)] if zero else [])
    made = helper.make_node("GatherBlockQuantized", ["table", "ids", "scales"] + (["zeros"] if zero else []), ["y"], domain=MICROSOFT, block_size=32)
    compare(f"GatherBlockQuantized {dtype} {zero}", model([made], [value("ids", ["b", "s"], INT64)], [value("y", ["b", "s", 64])], tensors, opset=21, domains=[MICROSOFT]),
            {"ids": rng.integers(0, 50, (2, 5))})

# ---- Weights behind DequantizeLinear
KINDS = {"int8": (TensorProto.INT8, 8, True), "uint8": (TensorProto.UINT8, 8, False), "int4": (TensorProto.INT4, 4, True), "uint4": (TensorProto.UINT4, 4, False)}


def codes_tensor(name, array, kind):
    """Unsigned codes as a tensor of this kind; signed ones are those less half of the range."""
    dtype, bits, signed = KINDS[kind]
    flipped = array ^ (1 << (bits - 1) if signed else 0)
    if bits == 8:
        return constant(name, flipped.astype(np.uint8).view(np.int8 if signed else np.uint8))
    return helper.make_tensor(name, dtype, array.shape, pack(flipped.reshape(1, -1), bits).tobytes(), raw=True)


K, N = 64, 40
for kind in KINDS:
    for scaling in ("tensor", "channel", "block", "input"):
        for zero in (False, True):
            bits = KINDS[kind][1]
            codes = rng.integers(0, 1 << bits, (K, N))
            shape, attributes = {"tensor": ((), {}), "channel": ((N,), {"axis": 1}), "block": ((K // 16, N), {"axis": 0, "block_size": 16}), "input": ((K,), {"axis": 0})}[scaling]
            tensors = [codes_tensor("layer.weight", codes, kind), constant("s", np.asarray(rng.random(shape) * 0.1 + 0.01, np.float32))]
            if zero:
                tensors.append(codes_tensor("z", np.asarray(rng.integers(0, 1 << bits, shape)), kind))
            nodes = [node("DequantizeLinear", "layer.weight s" + (" z" if zero else ""), "w", **attributes), node("MatMul", "x w", "y")]
            content = model(nodes, [value("x", ["b", "s", K])], [value("y", ["b", "s", N])], tensors, opset=21)
            what = f"DequantizeLinear {kind} per {scaling}, zero points {zero}"
            compare(what, content, {"x": f32(2, 3, K)})
            text, found = weights(content)
            if scaling != "input" and (found["layer.weight"] != pack(codes.T, bits).tobytes() or "reduction_axis = 0" in text):
                fail(what, "other codes than in the file")
            # Two computations of one weight: transposed, and element by element.
            if zero and scaling == "channel":
                nodes += [node("Transpose", "w", "t", perm=[1, 0]), node("MatMul", "y t", "v"), node("Mul", "w w", "u")]
                compare(what + ", shared", model(nodes, [value("x", ["b", "s", K])], [value("v", ["b", "s", K]), value("u", [K, N])], tensors, opset=21), {"x": f32(2, 3, K)})

# A layer as quantize_static writes it: Gemm with transposed int8 weights, int32 bias, rounded input and output.
tensors = [codes_tensor("w_q", rng.integers(0, 256, (300, 64)), "int8"), constant("w_s", (rng.random(300) * 0.01 + 0.001).astype(np.float32)), constant("w_z", np.zeros(300, np.int8)),
           constant("b_q", rng.integers(-1000, 1000, 300).astype(np.int32)), constant("b_s", (rng.random(300) * 1e-3).astype(np.float32)),
           constant("x_s", np.float32(0.02)), constant("x_z", np.uint8(120)), constant("y_s", np.float32(0.05)), constant("y_z", np.uint8(131))]
nodes = [node("DequantizeLinear", "w_q w_s w_z", "w", axis=0), node("DequantizeLinear", "b_q b_s", "b", axis=0), node("QuantizeLinear", "x x_s x_z", "xq"),
         node("DequantizeLinear", "xq x_s x_z", "xr"), node("Gemm", "xr w b", "p", transB=1), node("QuantizeLinear", "p y_s y_z", "yq"), node("DequantizeLinear", "yq y_s y_z", "y")]
content = model(nodes, [value("x", ["t", 64])], [value("y", ["t", 300])], tensors)
compare("QDQ Gemm", content, {"x": f32(5, 64)})
text, _ = weights(content)
if text.count("terse.quantize_static") != 2 or text.count("terse.dequantize") != 1:
    fail("QDQ Gemm", "expected two rounded activations and one weight in codes")

# Rounding and back, around movement, of 4 to 16 bits.
for kind, array in (("uint8", np.uint8(100)), ("int8", np.int8(-7)), ("uint16", np.uint16(30000)), ("int16", np.int16(5))):
    scale = 0.0003 if "16" in kind else 0.03
    tensors = [constant("s", np.float32(scale)), constant("z", array), constant("shape", np.array([6, 4], np.int64))]
    nodes = [node("QuantizeLinear", "x s z", "q"), node("Transpose", "q", "t", perm=[2, 0, 1]), node("Reshape", "t shape", "r"), node("DequantizeLinear", "r s z", "y"),
             node("QuantizeLinear", "x c_s c_z", "c", axis=1), node("DequantizeLinear", "c c_s c_z", "d", axis=1)]
    tensors += [constant("c_s", np.array([scale, 2 * scale, 3 * scale], np.float32)), constant("c_z", np.array([array, array + 1, array + 2], array.dtype))]
    content = model(nodes, [value("x", [2, 3, 4])], [value("y", [6, 4]), value("d", [2, 3, 4]), value("c", [2, 3, 4], helper.np_dtype_to_tensor_dtype(array.dtype))], tensors, opset=21)
    compare(f"QuantizeLinear {kind}", content, {"x": 2 * f32(2, 3, 4)})
    if weights(content)[0].count("terse.quantize_static") != 1:
        fail(f"QuantizeLinear {kind}", "expected one rounded value")
tensors = [constant("s", f32(2, 2, 4) ** 2 + 0.1), codes_tensor("z", rng.integers(0, 16, (2, 2, 4)), "int4")]
nodes = [node("QuantizeLinear", "x s z", "q", axis=1, block_size=3), node("DequantizeLinear", "q s z", "y", axis=1, block_size=3)]
compare("blocks of int4", model(nodes, [value("x", [2, 5, 4])], [value("y", [2, 5, 4])], tensors, opset=21), {"x": f32(2, 5, 4)})

# ---- Dynamic quantization
compare("DynamicQuantizeLinear", model([node("DynamicQuantizeLinear", "x", "y s z")], [value("x", ["b", 5])], [value("y", ["b", 5], TensorProto.UINT8), value("s", []), value("z", [], TensorProto.UINT8)]),
        {"x": f32(3, 5)})
for channels, zero in ((False, False), (True, False), (True, True), (False, True)):
    shape = (N,) if channels else ()
    codes, scales = rng.integers(0, 256, (K, N)), np.asarray(rng.random(shape) * 0.1, np.float32)
    zeros = np.asarray(rng.integers(-100, 100, shape) if zero else np.zeros(shape), np.int8)
    tensors = [codes_tensor("layer.weight", codes, "int8"), constant("w_s", scales), constant("w_z", zeros)]
    nodes = [node("DynamicQuantizeLinear", "x", "q s z"), node("MatMulInteger", "q layer.weight z w_z", "p"), node("Cast", "p", "f", to=FLOAT), node("Mul", "s w_s", "both"), node("Mul", "f both", "y")]
    # The definition: ONNX Runtime's sums of u8 x s8 saturate on processors without VNNI.
    x = f32(2, 3, K)
    low, high = min(x.min(), np.float32(0)), max(x.max(), np.float32(0))
    x_scale = (high - low) / np.float32(255)
    x_zero = np.rint(-low / x_scale)
    x_codes = np.clip(np.rint(x / x_scale) + x_zero, 0, 255)
    sums = (x_codes - x_zero).astype(np.float64) @ (codes - 128.0 - zeros)
    want = (sums * (x_scale * scales)).astype(np.float32)
    compare(f"MatMulInteger, channels {channels}, zero points {zero}", model(nodes, [value("x", ["b", "s", K])], [value("y", ["b", "s", N])], tensors), {"x": x}, [want])
tensors = [codes_tensor("b", rng.integers(0, 256, (K, N)), "uint8"), constant("b_s", rng.random(N).astype(np.float32) * 0.1), constant("b_z", rng.integers(0, 256, N).astype(np.uint8)), constant("c", f32(N))]
made = helper.make_node("DynamicQuantizeMatMul", ["x", "b", "b_s", "b_z", "c"], ["y"], domain=MICROSOFT)
compare("DynamicQuantizeMatMul", model([made], [value("x", [3, K])], [value("y", [3, N])], tensors, domains=[MICROSOFT]), {"x": f32(3, K)}, bound=1e-5)
tensors += [constant("a_s", np.float32(0.02)), constant("a_z", np.uint8(77))]
made = helper.make_node("MatMulIntegerToFloat", ["x", "b", "a_s", "b_s", "a_z", "b_z", "c"], ["y"], domain=MICROSOFT)
compare("MatMulIntegerToFloat", model([made], [value("x", [3, K], TensorProto.UINT8)], [value("y", [3, N])], tensors, domains=[MICROSOFT]), {"x": rng.integers(0, 256, (3, K)).astype(np.uint8)}, bound=1e-5)

# ---- Operators on codes
scalars = [constant(n, v) for n, v in (("s", np.float32(0.02)), ("z", np.uint8(100)), ("t", np.float32(0.03)), ("u", np.uint8(120)), ("r", np.float32(0.11)), ("v", np.uint8(99)))]
byte = lambda *shape: rng.integers(0, 256, shape).astype(np.uint8)
two = [value("a", [3, 8], TensorProto.UINT8), value("b", [3, 8], TensorProto.UINT8)]
result = [value("y", [3, 8], TensorProto.UINT8)]
for op in ("QLinearAdd", "QLinearMul"):
    made = helper.make_node(op, "a s z b t u r v".split(), ["y"], domain=MICROSOFT)
    compare(op, model([made], two, result, scalars, domains=[MICROSOFT]), {"a": byte(3, 8), "b": byte(3, 8)}, bound=1 / 255)
made = helper.make_node("QLinearSigmoid", "a s z r v".split(), ["y"], domain=MICROSOFT)
compare("QLinearSigmoid", model([made], two[:1], result, scalars, domains=[MICROSOFT]), {"a": byte(3, 8)}, bound=1 / 255)
tensors = scalars + [constant("w", byte(8, 6)), constant("bias", rng.integers(-3000, 3000, 6).astype(np.int32))]
compare("QLinearMatMul", model([node("QLinearMatMul", "a s z w t u r v", "y")], two[:1], [value("y", [3, 6], TensorProto.UINT8)], tensors), {"a": byte(3, 8)}, bound=1 / 255)
made = helper.make_node("QGemm", "a s z w t u bias r v".split(), ["y"], domain=MICROSOFT)
compare("QGemm", model([made], two[:1], [value("y", [3, 6], TensorProto.UINT8)], tensors, domains=[MICROSOFT]), {"a": byte(3, 8)}, bound=1 / 255)
made = helper.make_node("QGemm", "a s z w t u bias".split(), ["y"], domain=MICROSOFT)
compare("QGemm in float", model([made], two[:1], [value("y", [3, 6])], tensors, domains=[MICROSOFT]), {"a": byte(3, 8)}, bound=1e-5)
sys.exit(1 if failures else 0)
