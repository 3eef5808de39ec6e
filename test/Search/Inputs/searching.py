"""What the tests of searches share: the shipped model cut to some layers, a search by tersec, and what comes out."""
import os

import onnx

from endtoend import LEVEL, SHIPPED, check, hashlib, run
from shorten import shorten

WHOLE = os.path.join(SHIPPED, "torchscript_past.onnx")
TOKENIZER = os.path.join(SHIPPED, "tokenizer.model")
MEASURE = [f"--eval={os.path.join(SHIPPED, 'held-out.txt')}", "--eval-window=128", "--eval-windows=4"]


class Searches:
    """Searches of a model with so many layers; their files lie in `folder`."""

    def __init__(self, folder, layers):
        self.folder = folder
        self.model = os.path.join(folder, "model.onnx")
        onnx.save(shorten(WHOLE, layers), self.model)
        self.report = os.path.join(folder, "report.json")

    def command(self, name, *more, source=None):
        return ["tersec", source or self.model, "-o", os.path.join(self.folder, name + ".so"), f"--tokenizer={TOKENIZER}", LEVEL, *MEASURE, *more]

    def tersec(self, name, *more, ok=True, source=None):
        """What it says."""
        result = run(*self.command(name, *more, source=source))
        check((result.returncode == 0) == ok, f"status {result.returncode} of {' '.join(more)}: {result.stderr[-300:]}")
        return result.stderr

    def sha256(self, name):
        with open(os.path.join(self.folder, name + ".so"), "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
