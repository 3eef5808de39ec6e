"""What the tests of searches share: the shipped model cut to some layers, a search by tersec, and what comes out."""
import os

import onnx

from bigrams import save_bigrams
from endtoend import LEVEL, SHIPPED, check, hashlib, run
from shorten import shorten

WHOLE = os.path.join(SHIPPED, "torchscript_past.onnx")
TOKENIZER = os.path.join(SHIPPED, "tokenizer.model")
TEXT = os.path.join(SHIPPED, "held-out.txt")
MEASURE = [f"--eval={TEXT}", "--eval-window=128", "--eval-windows=4"]


class Searches:
    """Searches of the shipped model with so many layers, or without any of the one that save_bigrams makes; their files lie in `folder`."""

    def __init__(self, folder, layers=None):
        self.folder = folder
        self.model = os.path.join(folder, "model.onnx")
        self.tokenizer = TOKENIZER if layers else "bytes"
        if layers:
            onnx.save(shorten(WHOLE, layers), self.model)
        else:
            save_bigrams(self.model, TEXT)
        self.report = os.path.join(folder, "report.json")

    def command(self, name, *more, source=None):
        return ["tersec", source or self.model, "-o", os.path.join(self.folder, name + ".so"), f"--tokenizer={self.tokenizer}", LEVEL, *MEASURE, *more]

    def tersec(self, name, *more, ok=True, source=None):
        """What it says."""
        result = run(*self.command(name, *more, source=source))
        check((result.returncode == 0) == ok, f"status {result.returncode} of {' '.join(more)}: {result.stderr[-300:]}")
        return result.stderr

    def sha256(self, name):
        with open(os.path.join(self.folder, name + ".so"), "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
