# RUN: %python %s %t
"""NumPy in and out, against ONNX Runtime: types, layouts, sizes, memory, and what is refused."""

import shutil

from endtoend import *
import onnx
import onnxruntime
from onnx import TensorProto, helper

import terse

folder = sys.argv[1]
shutil.rmtree(folder, ignore_errors=True)
os.makedirs(folder)
random = np.random.default_rng(0)


def model_of(name, nodes, inputs, outputs, initializers=()):
    """An ONNX file and its artifact; inputs and outputs are {name: (type, shape)}."""
    infos = [[helper.make_tensor_value_info(key, *value) for key, value in part.items()] for part in (inputs, outputs)]
    graph = helper.make_graph(nodes, name, *infos, list(initializers))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    path = f"{folder}/{name}.onnx"
    onnx.save(model, path)
    terse.compile(path, f"{folder}/{name}.so", levels=["avx2", "baseline"])
    return path, terse.load(f"{folder}/{name}.so", threads=2)


def same(path, model, feeds, what, tolerance=1e-5):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    expected = dict(zip(names, session.run(None, {
        key: np.ascontiguousarray(value, value.dtype.newbyteorder("=")) for key, value in feeds.items()})))
    got = model(feeds)
    for name, array in expected.items():
        close = np.allclose(got[name], array, rtol=tolerance, atol=tolerance)
        check(got[name].dtype == array.dtype and got[name].shape == array.shape and close, f"{what}: {name}")
    return got


# A product, an integer sum, a comparison and a conversion: five types.
weight = onnx.numpy_helper.from_array(random.standard_normal((6, 5)).astype(np.float32), "w")
path, model = model_of(
    "mixed",
    [helper.make_node("MatMul", ["x", "w"], ["y"]), helper.make_node("Add", ["i", "i"], ["twice"]),
     helper.make_node("Less", ["y", "z"], ["less"]), helper.make_node("Cast", ["y"], ["half"], to=TensorProto.FLOAT16)],
    {"x": (TensorProto.FLOAT, ["n", 6]), "i": (TensorProto.INT32, ["n", "m"]), "z": (TensorProto.FLOAT, ["n", 5])},
    {"y": (TensorProto.FLOAT, ["n", 5]), "twice": (TensorProto.INT32, ["n", "m"]),
     "less": (TensorProto.BOOL, ["n", 5]), "half": (TensorProto.FLOAT16, ["n", 5])}, [weight])
check([str(spec) for spec in model.inputs] == ["x: float32 [n, 6]", "i: int32 [n, m]", "z: float32 [n, 5]"],
      f"inputs: {[str(spec) for spec in model.inputs]}")
check(model.outputs[2].dtype == np.bool_ and model.outputs[3].dtype == np.float16, "types of outputs")


def feeds(n, m):
    return {"x": random.standard_normal((n, 6)).astype(np.float32), "i": random.integers(-9, 9, (n, m), np.int32),
            "z": random.standard_normal((n, 5)).astype(np.float32)}


given = feeds(4, 3)
same(path, model, given, "contiguous", 1e-3)
same(path, model, feeds(1, 7), "other sizes", 1e-3)
empty = same(path, model, feeds(0, 3), "no rows")
check(empty["y"].shape == (0, 5), "an output without elements")
transposed = dict(given, x=np.asfortranarray(given["x"]), i=given["i"][::-1])
check(not transposed["x"].flags.c_contiguous, "an input that is not contiguous")
same(path, model, transposed, "other layouts", 1e-3)
swapped = dict(given, x=given["x"].astype(">f4"))
same(path, model, dict(swapped), "other byte order", 1e-3)
memory = np.zeros(given["x"].nbytes + 1, np.uint8)
memory[1:] = np.frombuffer(given["x"].tobytes(), np.uint8)
same(path, model, dict(given, x=memory[1:].view(np.float32).reshape(4, 6)), "an unaligned input", 1e-3)
got = model(dict(given, i=given["i"].tolist(), x=given["x"].tolist()))
check(np.array_equal(got["twice"], 2 * given["i"]), "lists become the type that the model wants")

# Memory: outputs belong to NumPy, stay when the model goes on, and can be the caller's.
first = model(given)
copy = {name: array.copy() for name, array in first.items()}
model(feeds(4, 3))
check(all(np.array_equal(first[name], copy[name]) for name in copy), "outputs of a run are not those of the next")
check(all(array.ctypes.data % 64 == 0 and array.flags.writeable for array in first.values()), "outputs are aligned")
y = np.full((4, 5), np.nan, np.float32)
got = model(given, out={"y": y})
check(got["y"] is y and np.array_equal(y, first["y"]), "an output goes where `out` says")

# Numbers that no model expects are refused when asked.
odd = dict(given, z=given["z"].copy())
odd["z"][1, 2] = np.nan
model(odd)
checked = terse.load(model.path, check_inputs=True)
for call in (lambda: checked(odd), lambda: checked.session().run(odd), lambda: model.session(check_inputs=True).run(odd)):
    try:
        call()
    except terse.InvalidArgumentError as error:
        check("input 'z': expected normal numbers and zeros; got another at [1, 2] (NaN: 1," in str(error), f"an odd number: {error}")
    else:
        check(False, "an odd number was not refused")
checked(given)
checked.session(check_inputs=False).run(odd)

# What is read in place: the pointer that the runtime gets is that of the array.
from terse import _arrays
check(_arrays.as_input(given["x"], np.dtype(np.float32), "x") is given["x"], "contiguous inputs are not copied")


def refused(kind, text, call):
    try:
        call()
    except kind as error:
        check(text in str(error), f"refused: {error}")
    else:
        check(False, f"expected {kind.__name__}: {text}")


wrong = terse.InvalidArgumentError
refused(wrong, "the model has no input 'xx'; did you mean 'x'?", lambda: model(dict(given, xx=1)))
refused(wrong, "inputs are missing: z: float32 [n, 5]", lambda: model(x=given["x"], i=given["i"]))
refused(wrong, "input 'x': expected f32 [n, 6]; got f64", lambda: model(dict(given, x=given["x"].astype(np.float64))))
refused(wrong, "input 'x': expected 6 in dimension 1; got 5", lambda: model(dict(given, x=given["x"][:, :5])))
refused(wrong, "expected f32 [n, 6]; got shape [24]", lambda: model(dict(given, x=given["x"].reshape(-1))))
refused(wrong, "expected n = 4 in dimension 0; got 3", lambda: model(dict(given, z=given["z"][:3])))
refused(wrong, "expected an array of float32; got complex64", lambda: model(dict(given, x=given["x"].astype(np.complex64))))
refused(wrong, "expected an array of float32; got", lambda: model(dict(given, x=[["a"] * 6] * 4)))
refused(wrong, "expected f32 [n, 6]; got f64", lambda: model(dict(given, x=np.float64(3))))
refused(wrong, "the model has no output 'yy'; did you mean 'y'?", lambda: model(given, out={"yy": y}))
refused(wrong, "expected a writeable contiguous array of float32 and shape [4, 5]; got float32 and [5, 4]",
        lambda: model(given, out={"y": y.T}))
refused(wrong, "out['y'] shares memory with an input",
        lambda: model(dict(given, z=y), out={"y": y}))
refused(TypeError, "load() has no argument 'thread'; did you mean 'threads'?", lambda: terse.load(model.path, thread=1))
refused(wrong, "expected CPU level baseline, avx2, avx512vnni or avx512bf16; got 'avx3'",
        lambda: terse.load(model.path, cpu_level="avx3"))
refused(terse.FileError, "/nowhere.so", lambda: terse.load(folder + "/nowhere.so"))
refused(OSError, "/nowhere.so", lambda: terse.load(folder + "/nowhere.so"))
refused(terse.BadArtifactError, "is not an artifact", lambda: terse.load(path))
refused(wrong, "not a language model", lambda: model.generate([1]).read())
refused(wrong, "the artifact has no tokenizer", lambda: model.tokenize("x"))
with terse.load(model.path) as closed:
    closed.verify()
refused(wrong, "is closed", lambda: closed(given))

# An input that is an initializer too has a default.
default = onnx.numpy_helper.from_array(np.array([1, 2, 3], np.float32), "b")
zero = onnx.numpy_helper.from_array(np.zeros(3, np.float32), "z")
path, model = model_of("default", [helper.make_node("Add", ["a", "b"], ["t"]), helper.make_node("Add", ["t", "z"], ["c"])],
                       {name: (TensorProto.FLOAT, [3]) for name in "ab"}, {"c": (TensorProto.FLOAT, [3])}, [default, zero])
ones = np.ones(3, np.float32)
check([spec.optional for spec in model.inputs] == [False, True], "an input may be left out")
check(model(a=ones)["c"].tolist() == [2, 3, 4] and model(a=ones, b=ones)["c"].tolist() == [2, 2, 2], "and has its default")

# bfloat16 through ml_dtypes.
import ml_dtypes
path, model = model_of("bf16", [helper.make_node("Neg", ["x"], ["y"])], {"x": (TensorProto.BFLOAT16, ["n"])},
                       {"y": (TensorProto.BFLOAT16, ["n"])})
x = np.array([1.5, -2, 0.25], ml_dtypes.bfloat16)
y = model(x=x)["y"]
check(y.dtype == x.dtype and np.array_equal(y.astype(np.float32), -x.astype(np.float32)), "bfloat16")

# A language model's logits, state and cache as inputs and outputs.
path = os.path.join(SHIPPED, "torchscript_past.onnx")
model = terse.load(compile_model(path, f"--tokenizer={os.path.join(SHIPPED, 'tokenizer.model')}"), threads=2)
ids = random.integers(3, 4000, (1, 12))
oracle = Oracle(path)
expected = oracle.run(ids[0].tolist())
span = np.ptp(expected)


def inputs_for(ids, past=0):
    batch, count = ids.shape
    return {"input_ids": ids, "attention_mask": np.ones((batch, past + count), np.int64),
            "position_ids": np.broadcast_to(np.arange(past, past + count), (batch, count))}


logits = model(inputs_for(ids))["logits"]
check(np.abs(logits[0] - expected).max() < 1e-3 * span, "logits are ONNX Runtime's")
session = model.session(context=64)
parts = [session.run(inputs_for(ids[:, a:b], a))["logits"][0] for a, b in ((0, 5), (5, 6), (6, 12))]
check(session.past == 12, "a session counts its positions")
check(np.abs(np.concatenate(parts) - expected).max() < 1e-3 * span, "a session goes on where it was")
session.reset()
check(session.past == 0 and np.abs(session.run(inputs_for(ids))["logits"][0] - expected).max() < 1e-3 * span,
      "a session begins again")
both = np.concatenate([ids, random.integers(3, 4000, ids.shape)])
logits = model(inputs_for(both))["logits"]
check(logits.shape == (2, 12, 4096) and np.abs(logits[0] - expected).max() < 1e-3 * span, "two sequences at once")
last = model.session(threads=1).eval(ids[0])
check(np.abs(last - expected[-1]).max() < 1e-3 * span, "eval gives the last logits")
refused(terse.ContextFullError, "the context is full", lambda: model.session(context=8).eval(ids[0]))
refused(wrong, "expected another one for terse_eval", lambda: session.eval([1]))

kept = terse.load(compile_model(path, "--keep-cache-io"), threads=2)
oracle.reset()
feeds = oracle.inputs_for(ids[0].tolist())
results = kept(feeds)
check(np.abs(results["logits"][0] - expected).max() < 1e-3 * span, "the cache as inputs and outputs: logits")
oracle.run(ids[0].tolist())
check(all(np.abs(results[name.replace("past_key_values", "present")] - value).max() < 1e-3 * np.ptp(value)
          for name, value in oracle.cache.items()), "the cache as inputs and outputs: keys and values")
finish()
