"""Token ids, and the tokenizer of an artifact."""

from __future__ import annotations

import ctypes
from typing import Any, Sequence, Union

import numpy as np
import numpy.typing as npt

from ._errors import InvalidArgumentError
from ._handle import Handle, check

Ids = Union[Sequence[int], npt.NDArray[np.integer[Any]]]


def as_ids(ids: Ids, what: str) -> npt.NDArray[np.int32]:
    array = np.asarray(ids)
    if array.size == 0:
        return np.empty(0, np.int32)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise InvalidArgumentError(f"{what}: expected token ids, a sequence of integers; got "
                                   f"{array.dtype} of shape {list(array.shape)}")
    if array.min() < 0 or array.max() > np.iinfo(np.int32).max:
        raise InvalidArgumentError(f"{what}: expected token ids of at least 0; got {array.min()} to {array.max()}")
    return np.ascontiguousarray(array, np.int32)


def ids_pointer(ids: npt.NDArray[np.int32]) -> Any:
    return ids.ctypes.data_as(ctypes.POINTER(ctypes.c_int32))


class Tokenizer:
    def __init__(self, library: Any, handle: Handle) -> None:
        self._library, self._handle = library, handle
        pointer = handle.pointer
        self.bos: int = library.terse_tokenizer_bos(pointer)
        self.eos: int = library.terse_tokenizer_eos(pointer)
        self.prompts_begin_with_bos = bool(library.terse_tokenizer_prompts_begin_with_bos(pointer))

    def ends(self, token: int) -> bool:
        return bool(self._library.terse_tokenizer_ends(self._handle.pointer, token))

    def encode(self, text: str) -> npt.NDArray[np.int32]:
        data = text.encode()
        # Hardly a tokenizer makes more tokens than bytes; where one does, once more.
        capacity = len(data) + 16
        while True:
            ids, count = np.empty(capacity, np.int32), ctypes.c_size_t()
            check(self._library, self._library.terse_tokenizer_encode(
                self._handle.pointer, data, len(data), ids_pointer(ids), capacity, ctypes.byref(count)))
            if count.value <= capacity:
                return ids[:count.value].copy()
            capacity = count.value

    def piece(self, token: int, first: bool) -> bytes:
        capacity = 64
        while True:
            text, size = ctypes.create_string_buffer(capacity), ctypes.c_size_t()
            check(self._library, self._library.terse_tokenizer_piece(
                self._handle.pointer, token, int(first), text, capacity, ctypes.byref(size)))
            if size.value <= capacity:
                return text.raw[:size.value]
            capacity = size.value
