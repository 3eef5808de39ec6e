"""NumPy arrays as the tensors of terse-c/terse.h."""

from __future__ import annotations

import ctypes
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _runtime
from ._errors import InvalidArgumentError

try:  # NumPy itself has no bfloat16
    import ml_dtypes
    _BF16: np.dtype[Any] | None = np.dtype(ml_dtypes.bfloat16)
except ImportError:
    _BF16 = None

#: By terse_dtype; None: this NumPy has no such type.
DTYPES: tuple[np.dtype[Any] | None, ...] = (
    np.dtype(np.float32), np.dtype(np.float16), _BF16, np.dtype(np.float64), np.dtype(np.int8), np.dtype(np.uint8),
    np.dtype(np.int16), np.dtype(np.uint16), np.dtype(np.int32), np.dtype(np.uint32), np.dtype(np.int64),
    np.dtype(np.uint64), np.dtype(np.bool_))
_CODES = {dtype: code for code, dtype in enumerate(DTYPES) if dtype is not None}

_ALIGNMENT = 64


def dtype_of(code: int, name: str) -> np.dtype[Any]:
    """The NumPy type of a terse_dtype; `name` is the tensor's, for messages."""
    dtype = DTYPES[code]
    if dtype is None:
        raise InvalidArgumentError(f"'{name}' is of type bfloat16: expected the package ml_dtypes to be installed")
    return dtype


def address(array: npt.NDArray[Any]) -> int:
    pointer: int = array.__array_interface__["data"][0]
    return pointer


def as_input(value: npt.ArrayLike, expected: np.dtype[Any], name: str) -> npt.NDArray[Any]:
    """`value` itself where it can be read in place, else a copy.

    An array keeps its type, so that a wrong one is an error; numbers and lists
    become the type that the model wants if that changes no kind of number.
    """
    if not isinstance(value, np.ndarray) and not hasattr(value, "__array__"):
        listed = np.asarray(value)
        if listed.size == 0 or np.can_cast(listed.dtype, expected, "same_kind"):
            listed = listed.astype(expected)
        value = listed
    array = np.asarray(value)
    if array.dtype.newbyteorder("=") not in _CODES:
        raise InvalidArgumentError(f"input '{name}': expected an array of {expected}; got {array.dtype}")
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return np.require(array, requirements=["C", "A"])


def tensor(array: npt.NDArray[Any], name: bytes) -> _runtime.Tensor:
    """A view of the array, which must stay alive."""
    shape = (ctypes.c_int64 * max(array.ndim, 1))(*array.shape)
    return _runtime.Tensor(name, _CODES[array.dtype], array.ndim, shape, address(array))


def aligned_empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """An array without values whose memory begins where vectors like it."""
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    start = -address(memory) % _ALIGNMENT
    return memory[start:start + size].view(dtype).reshape(shape)
