"""Finds and loads the libraries: the runtime, and the compiler where it is wanted.

They are looked for in the package's own `lib` folder (a wheel has them there), in the
build folder of the repository that this file lies in, in the prefix that it was
installed to with all of Terse, and where the system looks.
"""

from __future__ import annotations

import ctypes
import functools
import os
from pathlib import Path
from typing import Any, Iterator

from ._errors import LibraryError

PACKAGE = Path(__file__).resolve().parent


def folders() -> Iterator[Path]:
    """Where libraries may lie, in the order in which they are tried."""
    yield PACKAGE / "lib"
    repository = PACKAGE.parents[1]
    if (repository / "CMakePresets.json").exists():
        yield repository / "build" / "release" / "lib"
    elif PACKAGE.parents[2].name == "share":  # <prefix>/share/terse/python/terse
        yield PACKAGE.parents[3] / "lib"


def _load(name: str, version_function: str, version: int, advice: str) -> Any:
    tried = []
    for path in [*(folder / name for folder in folders()), Path(name)]:
        if path.parent != Path() and not path.exists():
            tried.append(f"{path}: no such file")
            continue
        try:
            library = ctypes.CDLL(os.fspath(path))
        except OSError as error:
            tried.append(str(error))
            continue
        function = getattr(library, version_function)
        function.restype = ctypes.c_uint32
        got = function()
        # As terse_check_version: the same major version, at least this minor one.
        if got >> 16 == version >> 16 and got >= version:
            return library
        tried.append(f"{path}: its interface has version {got >> 16}.{got & 0xffff}; "
                     f"expected {version >> 16}.{version & 0xffff}")
    raise LibraryError(f"cannot load {name}: " + "; ".join(tried) + f". {advice}")


@functools.lru_cache(maxsize=None)
def runtime() -> Any:
    """libterse_rt with the types of its functions set."""
    from . import _runtime
    library = _load("libterse_rt.so.0", "terse_api_version", _runtime.API_VERSION,
                    "Build Terse (tools/build) or install the wheel, which has it inside")
    _runtime.declare(library)
    return library


@functools.lru_cache(maxsize=None)
def compiler() -> Any:
    """libTerse with the types of its functions set."""
    from . import _compiler
    library = _load("libTerse.so.0", "terse_compiler_api_version", _compiler.API_VERSION,
                    "Compiling needs the compiler's library and, below it, MLIR and LLVM 22 (Debian's packages "
                    "libmlir-22 and libllvm22) and protobuf (libprotobuf-lite32); running compiled models does not")
    _compiler.declare(library)
    return library
