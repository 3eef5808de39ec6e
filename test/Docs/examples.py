# RUN: %python %s %t
# UNSUPPORTED: asan
"""Every example of README.md and python/README.md is run as it stands, in a folder that has the files it names.

Commands that would install into the system, or build for minutes, are tests elsewhere; they are listed here.
"""

import re
import shutil

from endtoend import *

import onnx

from shorten import shorten

folder = sys.argv[1]
shutil.rmtree(folder, ignore_errors=True)
os.makedirs(folder)
#: Begins of commands, and the test that runs them.
ELSEWHERE = {
    "tools/demo": "test/Tools", "tools/test": "itself",
    "passes/new-pass": "test/Plugin/out-of-tree.test", "cmake ": "test/Plugin/out-of-tree.test",
    "/opt/terse/bin/terse-new-pass": "test/Plugin/out-of-tree.test",
    "tersec model.onnx --load-pass-plugin": "test/EndToEnd/plugin.py",
    "terse-bench": "test/Tools/terse-bench.py",
    "tersec model.onnx --recipe=auto": "test/Search/search.py",
    "tersec model.onnx --recipe=w3 --tokenizer=tokenizer.model -o model.so --eval=": "test/Quality/guard.py",
}
# A layer is enough here, too.
onnx.save(shorten(os.path.join(SHIPPED, "torchscript_past.onnx"), 1), folder + "/model.onnx")
for name in ("tokenizer.model", "held-out.txt"):
    shutil.copy(os.path.join(SHIPPED, name), folder)
shutil.copy(folder + "/held-out.txt", folder + "/calibration.txt")
ids = np.array([[691, 617, 262]])
np.save(folder + "/labels.npy", ids[0])
np.savez(folder + "/in.npz", input_ids=ids, attention_mask=np.ones_like(ids), position_ids=np.arange(3)[None])
# A model that takes no tokens.
rng = np.random.default_rng(0)
shapes = [64, 96, 8]
encoder = onnx.helper.make_graph(
    [onnx.helper.make_node("MatMul", ["features", "a"], ["b"], name="up"), onnx.helper.make_node("Relu", ["b"], ["c"]),
     onnx.helper.make_node("MatMul", ["c", "d"], ["scores"], name="down")], "encoder",
    [onnx.helper.make_tensor_value_info("features", onnx.TensorProto.FLOAT, ["n", shapes[0]])],
    [onnx.helper.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, ["n", shapes[2]])],
    [onnx.numpy_helper.from_array(rng.normal(0, 0.1, (k, n)).astype(np.float32), name) for name, k, n in (("a", *shapes[:2]), ("d", *shapes[1:]))])
onnx.save(onnx.helper.make_model(encoder, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8), folder + "/encoder.onnx")
np.savez(folder + "/samples.npz", features=rng.normal(0, 1, (80, shapes[0])).astype(np.float32))


def commands(text):
    """Lines of indented blocks, without their comments."""
    for line in re.findall(r"^    (\S.*)$", text, re.M):
        yield re.sub(r"\s+#.*", "", line)


with open(os.path.join(SOURCE, "README.md")) as file:
    readme = file.read()
blocks = re.split(r"^```python\n(.*?)^```\n", readme, flags=re.M | re.S)
environment = dict(os.environ, PYTHONPATH=os.path.join(SOURCE, "python"))
for line in commands("".join(blocks[::2])):
    if line.startswith(tuple(ELSEWHERE)) or line.startswith("pip install"):
        continue
    # One CPU level is enough here: examples are about options.
    quick = f"{line} {LEVEL}" if line.startswith("tersec") and "--stop-after" not in line else line
    result = subprocess.run(quick, shell=True, cwd=folder, env=environment, capture_output=True, text=True)
    check(result.returncode == 0, f"{line}{result.stderr and ': ' + result.stderr[:300]}")
for block in blocks[1::2]:
    result = run(sys.executable, "-c", block, cwd=folder, env=environment)
    check(result.returncode == 0 and result.stdout, f"README.md: {block.splitlines()[0]}: {result.stderr[-500:]}")

# The package's page: its blocks follow each other.
with open(os.path.join(SOURCE, "python", "README.md")) as file:
    blocks = re.findall(r"^```python\n(.*?)^```$", file.read(), re.M | re.S)
result = run(sys.executable, "-c", "\n".join(blocks), cwd=folder, env=environment)
check(result.returncode == 0 and len(blocks) >= 6, f"python/README.md: {len(blocks)} blocks: {result.stderr[-500:]}")
finish()
