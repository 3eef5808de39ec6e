"""terse-c/compiler.h for ctypes."""

from __future__ import annotations

from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_int32, c_size_t, c_void_p
from typing import Any

#: Of the header that this file follows.
API_VERSION = 0 << 16 | 2

COMPILED, FAILED, CANCELLED = 0, 1, 2
ERROR, WARNING, NOTE, PROGRESS, REPORT = range(5)
TEXT, NUMBER, FLAG, LIST, OPTIONAL_TEXT = range(5)


class Message(Structure):
    _fields_ = [("kind", c_int32), ("location", c_char_p), ("text", c_char_p)]


class OptionInfo(Structure):
    _fields_ = [("name", c_char_p), ("kind", c_int32), ("value", c_char_p), ("help", c_char_p)]


MESSAGE_FN = CFUNCTYPE(None, c_void_p, POINTER(Message))
DESCRIPTION_FN = CFUNCTYPE(None, c_void_p, c_void_p, c_size_t)

_FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "terse_compiler_version": (c_char_p, []),
    "terse_compiler_option_count": (c_size_t, []),
    "terse_compiler_option": (c_int32, [c_size_t, POINTER(OptionInfo)]),
    "terse_compiler_create": (c_int32, [MESSAGE_FN, c_void_p, POINTER(c_void_p)]),
    "terse_compiler_destroy": (None, [c_void_p]),
    "terse_compiler_set": (c_int32, [c_void_p, c_char_p, c_char_p]),
    "terse_compiler_run": (c_int32, [c_void_p, c_char_p, c_char_p]),
    "terse_compiler_cancel": (None, [c_void_p]),
    "terse_describe_model": (c_int32, [c_char_p, DESCRIPTION_FN, c_void_p]),
}


def declare(library: Any) -> None:
    for name, (result, arguments) in _FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
