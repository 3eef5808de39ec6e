"""terse.inspect: what lies in an artifact or a model."""

from __future__ import annotations

import ctypes
import json
import os
from dataclasses import dataclass
from typing import Any, Mapping

from . import _compiler, _libraries, _runtime
from ._errors import CompileError, Diagnostic, raise_status


@dataclass(frozen=True)
class Layer:
    """Weights of a layer, with their scales and zero points."""

    name: str
    kind: str
    shape: tuple[int, ...]
    bits: float
    #: Weights that share a scale; 0: none do.
    group_size: int
    symmetric: bool
    #: Type of the scales, "" if there are none.
    scale: str
    bytes: int
    #: The table that codes are from, "nf4"; "" if they are whole numbers.
    codebook: str

    @property
    def bits_per_weight(self) -> float:
        """Bits with scales and zero points included."""
        count = 1
        for size in self.shape:
            count *= size
        return 8 * self.bytes / count if count else 0.0


@dataclass(frozen=True)
class Inspection:
    """What lies in a file. Nothing of it was run."""

    path: str
    #: Size of the file.
    bytes: int
    #: "" for models, which no recipe has been used on.
    recipe: str
    #: CPU levels that there is code for; empty for models.
    levels: tuple[str, ...]
    layers: tuple[Layer, ...]
    #: SHA-256 by what it is of: "source", "weights" and "code", or "model".
    hashes: Mapping[str, str]
    #: All that is known, as terse-inspect --json prints it.
    raw: Mapping[str, Any]


def _collect() -> tuple[list[str], Any]:
    texts: list[str] = []

    def receive(_: Any, text: int, size: int) -> None:
        texts.append(ctypes.string_at(text, size).decode(errors="replace"))

    return texts, receive


def inspect(path: str | os.PathLike[str], *, verify: bool = False) -> Inspection:
    """Describes an artifact, or a model (.onnx, .mlir), without running anything of it.

    `verify` reads all of an artifact and compares its hashes with the manifest's.
    Artifacts need the runtime only; models need the compiler's library.
    """
    name = os.fspath(path)
    texts, receive = _collect()
    if name.endswith((".onnx", ".mlir", ".mlirbc")):
        if verify:
            raise ValueError("verify: a model has no hashes; expected a compiled one")
        described = _compiler.DESCRIPTION_FN(receive)
        if _libraries.compiler().terse_describe_model(os.fsencode(name), described, None) != _compiler.COMPILED:
            raise CompileError((Diagnostic("error", name, "".join(texts)),))
    else:
        library = _libraries.runtime()
        status = library.terse_describe(os.fsencode(name), int(verify), _runtime.TEXT_FN(receive), None)
        if status != _runtime.OK:
            raise_status(status, library.terse_last_error().decode(errors="replace"))
    raw = json.loads("".join(texts))
    layers = tuple(Layer(row["name"], row["kind"], tuple(row["shape"]), row["bits"], row["group_size"],
                         row["symmetric"], row["scale"], row["bytes"], row.get("codebook", "")) for row in raw["layers"])
    hashes = raw.get("hashes") or {"model": raw["sha256"]}
    levels = tuple(raw.get("manifest", {}).get("levels", ()))
    return Inspection(name, raw["bytes"], raw.get("recipe", ""), levels, layers, hashes, raw)
