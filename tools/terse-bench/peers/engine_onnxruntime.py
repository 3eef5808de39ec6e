"""ONNX Runtime: the model as it is (f32), dynamic int8 (MatMulInteger), or MatMulNBits that may compute in int8 (accuracy_level 4)."""
import os

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

from rounding import pack, round_groups
from samples import sample
from worker import timed


def save(model, path):
    if all(opset.domain != "com.microsoft" for opset in model.opset_import):
        model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    onnx.save(model, path + ".new", save_as_external_data=True, location=os.path.basename(path) + ".data", size_threshold=1024)
    os.rename(path + ".new", path)


def with_n_bits(source, path, bits, group):
    """Each MatMul with a weight as MatMulNBits."""
    model = onnx.load(source)
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    nodes, made = [], []
    for node in model.graph.node:
        weight = arrays.get(node.input[1]) if node.op_type == "MatMul" else None
        if weight is None:
            nodes.append(node)
            continue
        codes, scales = round_groups(weight.T, bits, group)
        made += [numpy_helper.from_array(pack(codes, bits), node.input[1] + "_codes"), numpy_helper.from_array(scales[..., 0], node.input[1] + "_scales")]
        nodes.append(helper.make_node("MatMulNBits", [node.input[0], made[-2].name, made[-1].name], list(node.output), node.name, domain="com.microsoft",
                                      K=weight.shape[0], N=weight.shape[1], bits=bits, block_size=group, accuracy_level=4))
    used = {name for node in nodes for name in node.input}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in used]
    for field, values in ((model.graph.node, nodes), (model.graph.initializer, kept + made)):
        values = list(values)
        del field[:]
        field.extend(values)
    save(model, path)


def fused(source, path):
    """As ONNX Runtime's own tool prepares a BERT: attention, norms and activations as single operators."""
    from onnxruntime.transformers import optimizer
    from onnxruntime.transformers.fusion_options import FusionOptions
    options = FusionOptions("bert")
    options.enable_shape_inference = False
    optimized = optimizer.optimize_model(source, model_type="bert", num_heads=0, hidden_size=0, opt_level=0, optimization_options=options)
    save(optimized.model, path)
    return ", ".join(f"{count} {op}" for op, count in optimized.get_fused_operator_statistics().items() if count)


class Engine:
    def __init__(self, spec):
        self.spec, self.version, self.note, self.alive = spec, onnxruntime.__version__, "", []
        self.path = getattr(self, "prepare_" + spec["kind"])()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = spec["threads"], 1
        self.session = onnxruntime.InferenceSession(self.path, options, providers=["CPUExecutionProvider"])
        getattr(self, "load_" + spec["kind"])()

    def made(self, name, make):
        path = os.path.join(self.spec["folder"], f"onnxruntime-{name}.onnx")
        if not os.path.exists(path):
            make(path)
        return path

    def dynamic(self, source, path):
        from onnxruntime import quantization
        quantization.quantize_dynamic(source, path + ".new", op_types_to_quantize=["MatMul", "Attention"], weight_type=quantization.QuantType.QInt8,
                                      use_external_data_format=True, extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT})
        # Its external data are named after the file, so they are written anew.
        model = onnx.load(path + ".new")
        for name in (path + ".new", path + ".new.data"):
            os.remove(name)
        save(model, path)

    def prepare_linear(self):
        spec = self.spec
        if spec["format"] == "f32":
            return spec["onnx"]
        if spec["group"] == 0:
            self.note = "dynamic int8, per tensor"
            return self.made("dynamic", lambda path: self.dynamic(spec["onnx"], path))
        self.note = f"MatMulNBits, {spec['bits']} bits in blocks of {spec['group']}, accuracy level 4"
        return self.made(spec["format"], lambda path: with_n_bits(spec["onnx"], path, spec["bits"], spec["group"]))

    def bound(self, inputs):
        """A function that runs the session on the inputs, into the same arrays each time."""
        binding = self.session.io_binding()
        values = {name: onnxruntime.OrtValue.ortvalue_from_numpy(array) for name, array in inputs.items()}
        for name, value in values.items():
            binding.bind_ortvalue_input(name, value)
        for output, array in zip(self.session.get_outputs(), self.session.run(None, inputs)):
            values[output.name] = onnxruntime.OrtValue.ortvalue_from_numpy(array)
            binding.bind_ortvalue_output(output.name, values[output.name])
        self.alive.append((inputs, values))
        return lambda: self.session.run_with_iobinding(binding)

    def load_linear(self):
        x = np.load(self.spec["inputs"])["x"]
        rows = {m: {f"x{i}": np.ascontiguousarray(x[i, :m]) for i in range(len(x))} for m in self.spec["rows"] + [self.spec["checked"]]}
        self.measures = {f"{m} rows": timed(self.bound(rows[m])) for m in self.spec["rows"]}
        self.sample = lambda: sample(np.stack(self.session.run(None, rows[self.spec["checked"]])))

    def prepare_encoder(self):
        fusions = os.path.join(self.spec["folder"], "onnxruntime-fused.txt")
        if not os.path.exists(fusions):
            text = fused(self.spec["onnx"], os.path.join(self.spec["folder"], "onnxruntime-fused.onnx"))
            with open(fusions, "w") as file:
                file.write(text)
        with open(fusions) as file:
            self.note = "fused by its tool: " + file.read()
        path = os.path.join(self.spec["folder"], "onnxruntime-fused.onnx")
        if self.spec["format"] == "f32":
            return path
        self.note = "dynamic int8, " + self.note
        return self.made("dynamic", lambda to: self.dynamic(path, to))

    def load_encoder(self):
        ids = np.load(self.spec["inputs"])["input_ids"]
        given = {m: {"input_ids": ids[:m].copy(), "attention_mask": np.ones_like(ids[:m]), "token_type_ids": np.zeros_like(ids[:m])}
                 for m in self.spec["batches"]}
        self.measures = {f"batch {m}": timed(self.bound(given[m])) for m in self.spec["batches"]}
        self.sample = lambda: sample(self.session.run(None, given[1])[0])
