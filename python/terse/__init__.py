"""Terse: compiles trained models into small, fast programs, and runs them.

    import terse
    terse.compile("model.onnx", "model.so", recipe="w4", tokenizer="tokenizer.model")
    model = terse.load("model.so")
    for token in model.generate("Once upon a time", max_tokens=100):
        print(token, end="", flush=True)

`compile` needs the compiler's library (and MLIR and LLVM 22 below it); everything
else needs the runtime only, which a wheel has inside.
"""

from ._compile import Compiled, compile, options
from ._errors import (BadArtifactError, CompileError, CompileWarning, ContextFullError, Diagnostic, FileError,
                      InternalError, InvalidArgumentError, LibraryError, OutOfMemoryError, TerseError,
                      UnsupportedError)
from ._inspect import Inspection, Layer, inspect
from ._model import Model, load
from ._results import FrequencyBand, Perplexity, TensorSpec, Token
from ._session import Generation, Session

__version__ = "0.1.0"

__all__ = [
    "BadArtifactError", "CompileError", "CompileWarning", "Compiled", "ContextFullError", "Diagnostic", "FileError",
    "FrequencyBand", "Generation", "Inspection", "InternalError", "InvalidArgumentError", "Layer", "LibraryError",
    "Model", "OutOfMemoryError", "Perplexity", "Session", "TensorSpec", "TerseError", "Token", "UnsupportedError", "compile",
    "inspect", "load", "options",
]
