# RUN: %python %s %t
"""The same compile twice gives the same bytes, wherever the output lies."""

import shutil

from endtoend import *

folder = sys.argv[1]
shutil.rmtree(folder, ignore_errors=True)
os.makedirs(folder + "/elsewhere")
model = os.path.join(SHIPPED, "torchscript_past.onnx")
for recipe in ("keep", "w4"):
    outputs = [f"{folder}/{recipe}.so", f"{folder}/elsewhere/other.so"]
    for output in outputs:
        must("tersec", model, "-o", output, f"--recipe={recipe}",
             f"--tokenizer={SHIPPED}/tokenizer.model")
    first, second = (open(path, "rb").read() for path in outputs)
    check(first == second, f"{recipe}: {len(first)} equal bytes")
finish()
