"""Small ONNX models for tests, and what the importer makes of them."""
import os
import subprocess
import tempfile

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT, INT64, BOOL, FLOAT16, STRING = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL, TensorProto.FLOAT16, TensorProto.STRING


def value(name, shape, dtype=FLOAT):
    return helper.make_tensor_value_info(name, dtype, shape)


def constant(name, array):
    return numpy_helper.from_array(np.asarray(array), name)


def model(nodes, inputs, outputs, initializers=(), opset=17, functions=(), domains=(), ir=10):
    graph = helper.make_graph(nodes, "test", inputs, outputs, list(initializers))
    opsets = [helper.make_opsetid("", opset)] + [helper.make_opsetid(domain, 1) for domain in domains]
    return helper.make_model(graph, opset_imports=opsets, functions=list(functions), ir_version=ir)


def node(op, inputs, outputs, name=None, **attributes):
    return helper.make_node(op, inputs.split(), outputs.split(), name=name or outputs.split()[0], **attributes)


def translate(path):
    """Status, output and diagnostics of the importer on a file."""
    done = subprocess.run(["terse-translate", "--import-onnx", path], capture_output=True, text=True, errors="replace")
    return done.returncode, done.stdout, done.stderr


def save(content, folder, name="model.onnx"):
    path = os.path.join(folder, name)
    with open(path, "wb") as file:
        file.write(content if isinstance(content, bytes) else content.SerializeToString())
    return path


def translate_model(content):
    with tempfile.TemporaryDirectory() as folder:
        return translate(save(content, folder))
