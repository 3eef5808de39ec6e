"""Objects of the runtime's library."""

from __future__ import annotations

import ctypes
from typing import Any

from . import _runtime
from ._errors import raise_status


class Handle:
    """An object of the library, and what destroys it."""

    def __init__(self, destroy: Any) -> None:
        self.pointer = ctypes.c_void_p()
        self._destroy = destroy

    def out(self) -> Any:
        return ctypes.byref(self.pointer)

    def close(self) -> None:
        pointer, self.pointer = self.pointer, ctypes.c_void_p()
        if pointer:
            self._destroy(pointer)

    def __del__(self) -> None:
        self.close()


def check(library: Any, status: int) -> None:
    if status != _runtime.OK:
        raise_status(status, library.terse_last_error().decode(errors="replace"))
