# RUN: %python %s %t
"""A model that is no language model, calibrated with arrays of a .npz file: statistics are NumPy's of ONNX Runtime's values, what is rounded with
them is nearer to the original than without, and what does not fit is one error."""
import random
import shutil
import signal
import sys

from endtoend import *

import onnx
import onnxruntime
from onnx import helper, numpy_helper

import tstats

folder = sys.argv[1]
shutil.rmtree(folder, ignore_errors=True)
os.makedirs(folder)
rng = np.random.default_rng(3)
SIZE, INNER, FEATURES, KINDS, LENGTH, SAMPLES = 48, 160, 20, 5, 12, 90


def encoder():
    """[n, T, 20] features and [n, T] kinds, with a mask, through a layer of an encoder to scores of their mean."""
    nodes, weights = [], []

    def weight(name, *shape, scale=None):
        values = rng.normal(0, scale or shape[0] ** -0.5, shape).astype(np.float32)
        weights.append(numpy_helper.from_array(values, name))
        return name

    def constant(name, values):
        weights.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def op(kind, inputs, output, **attributes):
        nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def linear(x, name, k, n):
        return op("Add", [op("MatMul", [x, weight(name + ".weight", k, n)], name), weight(name + ".bias", n, scale=0.1)], name + ".sum")

    x = linear("features", "enter", FEATURES, SIZE)
    x = op("Add", [x, op("Gather", [weight("kinds", KINDS, SIZE, scale=1), "kind"], "kind.row")], "start")
    bias = op("Mul", [op("Sub", [constant("one", np.float32(1)), op("Unsqueeze", ["mask", constant("axes", [1, 2])], "mask.wide")], "mask.off"),
                      constant("low", np.float32(-1e4))], "mask.bias")
    for layer in ("a",):
        heads = []
        for part in "qkv":
            split = op("Reshape", [linear(x, f"{layer}.{part}", SIZE, SIZE), constant(f"{layer}.{part}.split", [0, 0, 4, SIZE // 4])], f"{layer}.{part}.heads")
            heads.append(op("Transpose", [split], f"{layer}.{part}.t", perm=[0, 2, 3, 1] if part == "k" else [0, 2, 1, 3]))
        scores = op("Mul", [op("MatMul", heads[:2], f"{layer}.qk"), constant(f"{layer}.scale", np.float32((SIZE // 4) ** -0.5))], f"{layer}.scaled")
        shares = op("Softmax", [op("Add", [scores, bias], f"{layer}.masked")], f"{layer}.shares", axis=-1)
        mixed = op("Transpose", [op("MatMul", [shares, heads[2]], f"{layer}.mixed")], f"{layer}.mixed.t", perm=[0, 2, 1, 3])
        mixed = op("Reshape", [mixed, constant(f"{layer}.join", [0, 0, SIZE])], f"{layer}.joined")
        for sub, value in (("o", lambda: linear(mixed, f"{layer}.o", SIZE, SIZE)),
                           ("down", lambda: linear(op("Relu", [linear(x, f"{layer}.up", SIZE, INNER)], f"{layer}.relu"), f"{layer}.down", INNER, SIZE))):
            total = op("Add", [x, value()], f"{layer}.{sub}.residual")
            x = op("LayerNormalization", [total, constant(f"{layer}.{sub}.gain", np.ones(SIZE, np.float32)), weight(f"{layer}.{sub}.shift", SIZE, scale=0.1)],
                   f"{layer}.{sub}.norm", axis=-1)
    op("ReduceMean", [x, constant("over", [1])], "mean", keepdims=0)
    scores = linear("mean", "score", SIZE, 7)
    f32, i64 = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64
    graph = helper.make_graph(nodes, "encoder", [helper.make_tensor_value_info("features", f32, ["n", "t", FEATURES]),
                                                 helper.make_tensor_value_info("kind", i64, ["n", "t"]),
                                                 helper.make_tensor_value_info("mask", f32, ["n", "t"])],
                              [helper.make_tensor_value_info(scores, f32, ["n", 7])], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return model


def draw(count, length=LENGTH):
    # Few directions carry most of the features, as they do in what is measured in the world.
    mixing = np.random.default_rng(8).normal(0, 1, (4, FEATURES))
    features = (rng.normal(0, 1, (count, length, 4)) @ mixing + 0.1 * rng.normal(0, 1, (count, length, FEATURES))).astype(np.float32)
    mask = (np.arange(length) < rng.integers(length // 2, length + 1, (count, 1))).astype(np.float32)
    return {"features": features, "kind": rng.integers(0, KINDS, (count, length)), "mask": mask}


model = encoder()
path = os.path.join(folder, "encoder.onnx")
onnx.save(model, path)
data, held_out, more = draw(SAMPLES), draw(64), draw(30, LENGTH + 5)
save = lambda name, arrays, how=np.savez: (how(os.path.join(folder, name), **arrays), os.path.join(folder, name))[1]
plain = save("data.npz", data)
# The same numbers in other forms: deflated, big-endian, in Fortran order.
turned = save("turned.npz", {"mask": data["mask"].astype(">f4"), "features": np.asfortranarray(data["features"]), "kind": data["kind"]}, np.savez_compressed)
longer, inputs = save("longer.npz", more), save("inputs.npz", held_out)


def compile_with(name, *options, result=False):
    """The artifact, or what the compiler said, and, of a calibration, its statistics."""
    out, statistics = (os.path.join(folder, name + suffix) for suffix in (".so", ".tstats"))
    if any(option.startswith("--calib=") for option in options):
        options = (*options, f"--save-statistics={statistics}")
    if not any(option.startswith("--recipe=") for option in options):
        # Statistics alone: nothing changes from block to block, and no artifact is needed.
        options = (*options, "--calib-inputs=original", "--stop-after=compress")
    said = must("tersec", path, "-o", out, LEVEL, *options)
    return said if result else out, statistics


# Statistics, of the first samples of a file.
WANTED = 64
statistics = compile_with("keep", f"--calib={plain}", f"--calib-windows={WANTED}")[1]
metadata, tensors = tstats.read(statistics)
layers = json.loads(metadata["layers"])
check(json.loads(metadata["data"])["samples"] == WANTED, "the file says of how many samples it is")
taps = onnx.ModelProto()
taps.CopyFrom(model)
products = {node.name: node.input[0] for node in model.graph.node if node.op_type == "MatMul" and node.input[1].endswith(".weight")}
taps.graph.output.extend(onnx.ValueInfoProto(name=name) for name in sorted(set(products.values()) - {"features"}))
session = onnxruntime.InferenceSession(taps.SerializeToString())
names = [output.name for output in session.get_outputs()]


def compare(tensors, parts, what):
    """Statistics of all products' inputs over these parts of the data."""
    values = [dict(zip(names, session.run(names, part)), features=part["features"]) for part in parts]
    compared = 0
    for layer, tap in layers.items():
        matches = [source for name, source in products.items() if layer in (name, name + ".weight")]
        if len(matches) != 1:
            continue
        compared += 1
        x = np.concatenate([value[matches[0]].reshape(-1, value[matches[0]].shape[-1]) for value in values]).astype(np.float64)
        get = lambda name: tensors[f"{tap}/{name}"].astype(np.float64)
        near = lambda got, expected: np.abs(got - expected).max() <= 2e-4 * np.abs(expected).max()
        good = get("count") == len(x) and near(get("abs_max"), np.abs(x).max(0)) and near(get("abs_mean"), np.abs(x).mean(0)) and \
            near(get("mean"), x.mean(0)) and near(get("second_moment"), x.T @ x / len(x))
        if not good:
            check(False, f"{what}: statistics of {layer}")
    check(compared == 8, f"{what}: statistics of {compared} layers are NumPy's")


first = lambda arrays, count: {name: values[:count] for name, values in arrays.items()}
compare(tensors, [first(data, WANTED)], "one file")
# Shares of two files, of samples of another length; deflated, of another order of bytes and of indices.
mixed = tstats.read(compile_with("mixed", f"--calib={turned}:weight=3", f"--calib={longer}:weight=2", "--calib-windows=50", "--threads=1")[1])[1]
compare(mixed, [first(data, 30), first(more, 20)], "two files")
# With traffic, ranges are compared.
far = save("far.npz", {**data, "features": data["features"] * 40})
result, statistics = compile_with("every", f"--calib={plain}", f"--calib-windows={SAMPLES}", "--calib-seed=7", f"--traffic={far}", result=True)
compare(tstats.read(statistics)[1], [data], "all samples, drawn without putting them back")
check("warning" in result.stderr and "overlap" in result.stderr, f"traffic of other ranges: {result.stderr[-300:]}")

# Errors of the outputs on other samples.
original = compile_with("original", "--recipe=f32")[0]
calibration = [f"--calib={plain}", "--calib-windows=80", "--calib-seed=1"]


def error_of(name, *options):
    artifact = compile_with(name, *options)[0]
    result = must("terse-run", artifact, "--inputs", inputs, "--against", original, "--json")
    (output,) = json.loads(result.stdout)["outputs"].values()
    return output["relative_l2"]


expected = onnxruntime.InferenceSession(path).run(None, held_out)[0]
must("terse-run", original, "--inputs", inputs, "--outputs", os.path.join(folder, "out.npz"))
(got,) = np.load(os.path.join(folder, "out.npz")).values()
check(np.abs(got - expected).max() < 1e-4, "the original is ONNX Runtime's")
GPTQ = "--recipe=w3:group-size=0,method=gptq"
rtn, gptq = error_of("rtn", "--recipe=w3:group-size=0"), error_of("gptq", GPTQ, *calibration)
check(gptq < 0.9 * rtn, f"3 bits: gptq {gptq:.4f} under rtn {rtn:.4f}")
static = error_of("static", "--recipe=w8:activations=static", f"--calib={plain}", "--calib-windows=80", "--calib-inputs=original",
                  f"--report={folder}/report.json")
check(static < gptq / 2, f"8 bits, static: {static:.4f}")
with open(f"{folder}/report.json") as file:
    (said,) = [text for text in json.load(file)["texts"] if text["role"] == "calibration"]
check("tokens" not in said and said["name"] == os.path.basename(plain), f"samples are no tokens: {said}")

# Killed and started again.
rng_kill = random.Random(2)
command = ["tersec", path, LEVEL, GPTQ, *calibration, "-o", os.path.join(folder, "parts.so"), f"--calib-dir={folder}/kept"]
kills = 0
for attempt in range(3):
    child = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        child.wait(timeout=0.4 + rng_kill.random() * 0.8 if attempt < 2 else None)
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGKILL)
        child.wait()
        kills += 1
content = lambda name: open(os.path.join(folder, name), "rb").read()
check(kills > 0 and content("parts.so") == content("gptq.so"), f"killed {kills} times, it ends with the same bytes")

# What that takes is told before.
size = sum(entry.stat().st_size for entry in os.scandir(os.path.join(folder, "kept")))
told = must(*command, "--preflight").stderr
disk = [float(line.split(" MB disk")[0].split()[-1]) * 1e6 for line in told.splitlines() if line.startswith("calibration ")]
check(len(disk) == 1 and size <= disk[0] <= size * 5, f"--preflight tells of {disk} bytes on disk, {size} are kept at the end, without outputs")


def refuse(message, arrays, *options):
    bad = save("bad.npz", arrays)
    out = os.path.join(folder, "bad.so")
    result = run("tersec", path, "-o", out, LEVEL, f"--calib={bad}", "--calib-windows=8", *options)
    errors = [line for line in result.stderr.splitlines() if "error:" in line]
    good = result.returncode == 1 and len(errors) == 1 and message in errors[0] and not os.path.exists(out) and not os.path.exists(out + ".calibration")
    check(good, f"'{message}': {result.stderr[-400:] if not good else ''}")


without = lambda name: {key: values for key, values in data.items() if key != name}
where = f"calibration data '{folder}/bad.npz': "
refuse(where + "expected an array for each input of the model; there is none for 'mask' f32 [n, t]", without("mask"))
refuse(where + "array 'masks': the model has no such input; did you mean 'mask'?", {**data, "masks": data["mask"]})
refuse(where + "array 'kind': expected elements of type i64; got i32", {**data, "kind": data["kind"].astype(np.int32)})
refuse(where + "array 'features': expected the shape [samples, t, 20], or [samples, n, t, 20]; got [90, 12, 19]", {**data, "features": data["features"][..., 1:]})
refuse(where + "array 'kind': expected t = 12, as in 'features'; got [90, 10]", {**data, "kind": data["kind"][:, :10]})
refuse(where + "array 'kind': expected 90 samples, as of the arrays before it; got 80", {**data, "kind": data["kind"][:80]})
refuse(where + "expected 8 samples; it has 5 (fewer --calib-windows)", first(data, 5))
refuse("expected arrays in all files or in none", data, f"--calib={os.path.join(SHIPPED, 'held-out.txt')}")
with open(os.path.join(folder, "data.npz"), "rb") as file:
    damaged = bytearray(file.read())
damaged[len(damaged) // 3] ^= 1
with open(os.path.join(folder, "damaged.npz"), "wb") as file:
    file.write(damaged)
result = run("tersec", path, "-o", os.path.join(folder, "bad.so"), f"--calib={folder}/damaged.npz", "--calib-windows=8")
check(result.returncode == 1 and "damaged archive: checksums differ" in result.stderr, f"a damaged file: {result.stderr}")
check(not any(entry.endswith(".calibration") or entry.startswith(".terse") for entry in os.listdir(folder)), "nothing is left behind")
finish()
