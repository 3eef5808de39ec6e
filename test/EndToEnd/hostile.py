# RUN: %python %s %t
"""A bad file or machine gives one clear error, non-zero status and no output file."""

import shutil
import signal
import time

from endtoend import *

folder = sys.argv[1]
shutil.rmtree(folder, ignore_errors=True)
os.makedirs(folder)
good = os.path.join(SHIPPED, "torchscript_past.onnx")
data = open(good, "rb").read()


def leftovers(place):
    return [name for name in os.listdir(place) if not name.endswith(".onnx")]


def refuse(what, model, text=None, output=None, **options):
    output = output or os.path.join(folder, "out.so")
    result = run("tersec", model, "-o", output, timeout=120, **options)
    errors = [line for line in result.stderr.splitlines() if "error:" in line]
    check(result.returncode > 0, f"{what}: exit status {result.returncode}")
    check(len(errors) == 1 and (text is None or text in errors[0]),
          f"{what}: one error: {result.stderr[:400]!r}")
    check(not leftovers(os.path.dirname(output)), f"{what}: nothing is left: "
          f"{leftovers(os.path.dirname(output))}")


def write(name, contents):
    path = os.path.join(folder, name)
    with open(path, "wb") as file:
        file.write(contents)
    return path


refuse("missing", folder + "/none.onnx")
refuse("a folder", folder)
refuse("empty", write("empty.onnx", b""))
refuse("text", write("text.onnx", b"This is no model.\n" * 100))
for part in (0.1, 0.5, 0.9, 0.999):
    refuse(f"truncated to {part}", write("short.onnx", data[:int(len(data) * part)]))

# External data that is missing, too short, or outside the model's folder.
import onnx

model = onnx.load(good)
large = max(range(len(model.graph.initializer)),
            key=lambda i: len(model.graph.initializer[i].raw_data))
raw = model.graph.initializer[large].raw_data


def external(name, **entries):
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    tensor = changed.graph.initializer[large]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in entries.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, str(value)
    return write(name, changed.SerializeToString())


write("weights.data.onnx", raw)
refuse("external data missing", external("e1.onnx", location="none.data"), "none.data")
refuse("external data short", external("e2.onnx", location="weights.data.onnx", offset=4096))
refuse("external data beyond 2^63", external("e3.onnx", location="weights.data.onnx",
                                             offset=2**63 - 16))
refuse("negative offset", external("e4.onnx", location="weights.data.onnx", offset=-4))
refuse("external data outside", external("e5.onnx", location="../../../../etc/passwd"))
tensor = model.graph.initializer[large]
dims = list(tensor.dims)
tensor.dims[0] = 2**40
refuse("dims that the data does not fill", write("dims.onnx", model.SerializeToString()))
tensor.dims[0] = -dims[0]
refuse("negative dims", write("dims.onnx", model.SerializeToString()))
tensor.dims[0] = dims[0]

# Bytes changed at random: any answer but a crash, and no half a file.
rng = np.random.default_rng(3)
for trial in range(12):
    broken = bytearray(data)
    start = int(rng.integers(0, len(broken) // 20)) if trial % 2 else 0
    for at in rng.integers(start, min(len(broken), start + 200_000), 4):
        broken[at] = int(rng.integers(0, 256))
    path = write("broken.onnx", broken)
    result = run("tersec", path, "-o", folder + "/broken.so", timeout=120)
    left = leftovers(folder)
    check(0 <= result.returncode < 100 and (result.returncode == 0) == ("broken.so" in left)
          and len(left) <= 1, f"changed bytes {trial}: exit status {result.returncode}")
    if "broken.so" in left:
        os.remove(folder + "/broken.so")

# Output that cannot be written.
result = run("tersec", good, "-o", folder + "/none/out.so")
check(result.returncode > 0 and result.stderr.count("error:") == 1,
      f"no such folder: {result.stderr[:200]!r}")

# SIGINT and SIGTERM in mid-compile, at several moments.
for number in (signal.SIGINT, signal.SIGTERM):
    for delay in (0.05, 0.2, 0.5, 1.0):
        process = subprocess.Popen(["tersec", good, "-o", folder + "/stopped.so"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        time.sleep(delay)
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
        finished = process.returncode == 0
        left = leftovers(folder)
        check(finished == ("stopped.so" in left) and len(left) <= 1,
              f"{number.name} after {delay} s: status {process.returncode}, left {left}")
        check("Stack dump" not in errors, f"{number.name}: no crash: {errors[:200]!r}")
        if "stopped.so" in left:
            os.remove(folder + "/stopped.so")
finish()
