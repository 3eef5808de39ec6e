"""OpenVINO: weights as compressed constants, in the form that NNCF writes, and inputs that its CPU plugin rounds to int8 itself; or f32."""
import numpy as np
import onnx
import openvino
from onnx import numpy_helper
from openvino import opset13 as ops

from rounding import pack, round_groups
from samples import sample
from worker import timed


def compressed(weight, bits, group, alive):
    """weight [N, K] f32 as a node of that shape: signed codes and f16 scales. `alive` receives an array that the node refers to."""
    n, k = weight.shape
    codes, scales = round_groups(weight, bits, group or k)
    if bits == 8:
        values = ops.constant(codes.astype(np.int16) - 128, openvino.Type.i8)
    else:  # what is signed is two's complement: the highest bit turned
        alive.append(pack(codes ^ 8, bits))
        values = ops.constant(openvino.Tensor(alive[-1], list(codes.shape), openvino.Type.i4))
    wide = ops.multiply(ops.convert(values, "f16"), ops.constant(scales.astype(np.float16)))
    return ops.convert(ops.reshape(wide, ops.constant([n, k]), False), "f32")


class Engine:
    def __init__(self, spec):
        self.spec, self.version, self.note = spec, openvino.__version__.split("-")[0], spec["format"]
        self.core, self.alive = openvino.Core(), []
        self.properties = {"INFERENCE_NUM_THREADS": spec["threads"], "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": 1}
        if spec["format"] != "f32":
            group = spec["group"] or 2**64 - 1  # all of a token
            self.properties["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = str(group)
            self.note += ", inputs in int8 " + (f"in groups of {spec['group']}" if spec["group"] else "per token")
        getattr(self, "load_" + spec["kind"])()

    def request(self, model, shapes, inputs):
        """A function that runs the model, compiled for these very shapes."""
        model = model.clone()
        model.reshape(shapes)
        request = self.core.compile_model(model, "CPU", self.properties).create_infer_request()
        self.alive.append(inputs)
        for name, array in inputs.items():
            request.set_tensor(name, openvino.Tensor(array, shared_memory=True))

        def run():
            request.infer()
            return [tensor.data for tensor in request.output_tensors]
        return run

    def load_linear(self):
        x = np.load(self.spec["inputs"])["x"]
        if self.spec["format"] == "f32":
            model = self.core.read_model(self.spec["onnx"])
        else:
            source = onnx.load(self.spec["onnx"])
            weights = {tensor.name: tensor for tensor in source.graph.initializer}
            inputs, outputs = [], []
            for node in source.graph.node:
                weight = numpy_helper.to_array(weights[node.input[1]]).T
                inputs.append(ops.parameter([-1, weight.shape[1]], np.float32, name=node.input[0]))
                inputs[-1].output(0).set_names({node.input[0]})
                outputs.append(ops.matmul(inputs[-1], compressed(weight, self.spec["bits"], self.spec["group"], self.alive), False, True))
            model = openvino.Model(outputs, inputs, "linear")

        def runner(m):
            given = {f"x{i}": np.ascontiguousarray(x[i, :m]) for i in range(len(x))}
            return self.request(model, {name: list(array.shape) for name, array in given.items()}, given)

        self.measures = {f"{m} rows": timed(runner(m)) for m in self.spec["rows"]}
        self.sample = lambda: sample(np.stack(runner(self.spec["checked"])()))

    def load_encoder(self):
        ids = np.load(self.spec["inputs"])["input_ids"]
        model = self.core.read_model(self.spec["onnx"])

        def runner(m):
            given = {"input_ids": ids[:m].copy(), "attention_mask": np.ones_like(ids[:m]), "token_type_ids": np.zeros_like(ids[:m])}
            return self.request(model, {name: list(array.shape) for name, array in given.items()}, given)

        self.measures = {f"batch {m}": timed(runner(m)) for m in self.spec["batches"]}
        self.sample = lambda: sample(runner(1)()[0])
