"""Statistics files (lib/Statistics/README.md), which are safetensors files, without that library."""

import json
import struct

import numpy as np

TYPES = {"F32": np.dtype(np.float32), "I64": np.dtype(np.int64)}


def write(path, layers, tensors, **metadata):
    """`layers`: names of taps by those of layers; `tensors`: arrays by `TAP/what`; more metadata as objects, by key."""
    header, data = {"__metadata__": {"format": "terse-statistics", "version": "1", "layers": json.dumps(layers)}}, b""
    header["__metadata__"].update({key: json.dumps(value) for key, value in metadata.items()})
    for name, array in tensors.items():
        array = np.asarray(array)
        kind = next(kind for kind, dtype in TYPES.items() if dtype == array.dtype)
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [len(data), len(data) + array.nbytes]}
        data += array.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def read(path):
    """Metadata, and the tensors by name."""
    with open(path, "rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
        data = file.read()
    metadata = header.pop("__metadata__")
    return metadata, {name: np.frombuffer(data[slice(*entry["data_offsets"])], TYPES[entry["dtype"]]).reshape(entry["shape"])
                      for name, entry in header.items()}
