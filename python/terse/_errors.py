"""What goes wrong, as exceptions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

__all__ = [
    "BadArtifactError", "CompileError", "CompileWarning", "ContextFullError", "Diagnostic", "FileError",
    "InternalError", "InvalidArgumentError", "LibraryError", "OutOfMemoryError", "TerseError", "UnsupportedError",
]


class TerseError(Exception):
    """Base of all errors of this package."""


class InvalidArgumentError(TerseError, ValueError):
    """Inputs or options do not fit the model."""


class FileError(TerseError, OSError):
    """The operating system refused to read or write a file."""


class BadArtifactError(TerseError):
    """The file is truncated, damaged, or no artifact."""


class UnsupportedError(TerseError):
    """The artifact is not for this machine or this version of the runtime."""


class OutOfMemoryError(TerseError, MemoryError):
    """There is not enough memory."""


class ContextFullError(TerseError):
    """A session has no room for more tokens."""


class InternalError(TerseError):
    """A defect of Terse, or a model that computes no numbers."""


class LibraryError(TerseError, ImportError):
    """A library of Terse is missing, or of another version."""


class CompileWarning(UserWarning):
    """What the compiler warns of."""


@dataclass(frozen=True)
class Diagnostic:
    """A message of the compiler about a place in a model."""

    #: "error", "warning" or "note" (more about the one before).
    severity: str
    #: The file, with the node's name or the line where there is one; may be empty.
    location: str
    message: str

    def __str__(self) -> str:
        place = f"{self.location}: " if self.location else ""
        return f"{place}{self.severity}: {self.message}"


class CompileError(TerseError):
    """A model could not be compiled; `diagnostics` say why and where."""

    def __init__(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        super().__init__("\n".join(map(str, diagnostics)))
        self.diagnostics = diagnostics


#: terse_status of terse-c/terse.h to exception.
_BY_STATUS: dict[int, type[TerseError]] = {
    1: InvalidArgumentError,
    2: FileError,
    3: BadArtifactError,
    4: UnsupportedError,
    5: OutOfMemoryError,
    6: ContextFullError,
}


def raise_status(status: int, message: str) -> NoReturn:
    raise _BY_STATUS.get(status, InternalError)(message)
