"""Constants of printed IR."""

import json
import re

import numpy as np

TYPES = {"i8": np.int8, "f16": np.float16, "f32": np.float32}


def dense(name, text):
    """The data of the `terse.weight` called `name`."""
    found = re.search(r'terse\.weight "%s" = dense<(.*?)> : tensor<([0-9x]+)x(\w+)>' % re.escape(name), text, re.S)
    shape = [int(size) for size in found[2].split("x")]
    kind = TYPES[found[3]]
    if found[1].startswith('"0x'):
        return np.frombuffer(bytes.fromhex(found[1][3:-1]), dtype=kind).reshape(shape)
    return np.broadcast_to(np.array(json.loads(found[1]), dtype=np.float64).astype(kind), shape)


def weight(result, name, array):
    """The operation that makes `%result` the weight `name`."""
    array = np.ascontiguousarray(array)
    kind = f"tensor<{'x'.join(map(str, array.shape))}x{next(k for k, t in TYPES.items() if t == array.dtype)}>"
    return f'%{result} = terse.weight "{name}" = dense<"0x{array.tobytes().hex()}"> : {kind} -> {kind}'


def unpack(rows, bits, k):
    """Codes [n, k] of rows of packed bytes (`#terse.scheme`)."""
    bit = np.unpackbits(rows.view(np.uint8), axis=1, bitorder="little")[:, : k * bits]
    return (bit.reshape(len(rows), k, bits) * (1 << np.arange(bits))).sum(-1)
