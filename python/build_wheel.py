"""Builds the wheel: a backend of PEP 517 and 660 that needs nothing installed.

    pip install ./python                               # the repository's build, which is made if it is not there
    pip install ./python -C prefix=/opt/terse          # an installed Terse
    pip wheel ./python -w dist --no-deps               # a wheel that other machines can install

The runtime lies inside, and the compiler's own library; MLIR, LLVM and protobuf, which only the compiler needs, are
those of the machine. `-C prefix=DIR` names an installed Terse, `-C build=DIR` a build folder; otherwise the
repository's build/release is taken, or the prefix that this folder was installed to.
"""

import base64
import csv
import hashlib
import io
import os
import pathlib
import platform
import re
import subprocess
import tempfile
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent

#: Library files, each with the reason to have it.
RUNTIME = ["libterse_rt.so.0", "libterse_sentencepiece.so"]  # running artifacts, and SentencePiece where it is
COMPILER = ["libTerse.so.0", "libterse_rt.a", "libterse_run_main.a"]  # compiling; the archives for emit="exe"


def _version():
    text = (HERE / "terse" / "__init__.py").read_text()
    return re.search(r'^__version__ = "(.*)"$', text, re.M)[1]


def _library_folder(prefix):
    for name in ("lib", "lib64", "lib/x86_64-linux-gnu"):
        if (prefix / name / RUNTIME[0]).exists():
            return prefix / name
    raise SystemExit(f"terse: expected an installed Terse in '{prefix}': it has no lib/{RUNTIME[0]}")


def _installed(build, staging):
    """Libraries as `cmake --install` makes them: without paths of the build folder."""
    subprocess.run(["cmake", "--install", build, "--prefix", staging], check=True, stdout=subprocess.DEVNULL)
    return _library_folder(pathlib.Path(staging))


def _find_libraries(settings, staging):
    settings = settings or {}
    unknown = set(settings) - {"prefix", "build"}
    if unknown:
        raise SystemExit(f"terse: unknown setting '{min(unknown)}'; expected prefix=DIR or build=DIR")
    if "prefix" in settings:
        return _library_folder(pathlib.Path(settings["prefix"]))
    if "build" in settings:
        return _installed(settings["build"], staging)
    if not (REPOSITORY / "CMakePresets.json").exists():
        return _library_folder(HERE.parents[2])  # <prefix>/share/terse/python
    build = REPOSITORY / "build" / "release"
    if not (build / "lib" / COMPILER[0]).exists():
        subprocess.run([REPOSITORY / "tools" / "build"], check=True)
    return _installed(build, staging)


def _metadata():
    readme = (HERE / "README.md").read_text()
    return (f"Metadata-Version: 2.1\nName: terse\nVersion: {_version()}\n"
            "Summary: Compiles trained models into small, fast programs, and runs them\n"
            "Requires-Python: >=3.10\nRequires-Dist: numpy>=1.23\n"
            f"Description-Content-Type: text/markdown\n\n{readme}").encode()


def _tag(pure=False):
    if pure:
        return "py3-none-any"
    # What was linked here runs with this C library or a newer one.
    return "py3-none-manylinux_{}_{}_{}".format(*platform.libc_ver()[1].split(".")[:2], platform.machine())


def _write(folder, files, tag):
    info = f"terse-{_version()}.dist-info"
    files = {**files, f"{info}/METADATA": _metadata(),
             f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: terse\nRoot-Is-Purelib: false\nTag: {tag}\n".encode()}
    record = io.StringIO()
    rows = csv.writer(record, lineterminator="\n")
    for name, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        rows.writerow([name, f"sha256={digest}", len(data)])
    rows.writerow([f"{info}/RECORD", "", ""])
    files[f"{info}/RECORD"] = record.getvalue().encode()
    wheel = f"terse-{_version()}-{tag}.whl"
    with zipfile.ZipFile(os.path.join(folder, wheel), "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():  # no times: the same files give the same bytes
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o755 if ".so" in name else 0o644) << 16
            archive.writestr(entry, data)
    return wheel


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    """Without it pip would make a wheel twice."""
    name = f"terse-{_version()}.dist-info"
    folder = pathlib.Path(metadata_directory) / name
    folder.mkdir()
    (folder / "METADATA").write_bytes(_metadata())
    return name


prepare_metadata_for_build_editable = prepare_metadata_for_build_wheel


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    with tempfile.TemporaryDirectory(prefix="terse-") as staging:
        libraries = _find_libraries(config_settings, staging)
        files = {f"terse/{path.name}": path.read_bytes() for path in sorted((HERE / "terse").iterdir())
                 if path.suffix == ".py" or path.name == "py.typed"}
        for name in RUNTIME + COMPILER:
            path = libraries / name
            if path.exists():
                files[f"terse/lib/{name}"] = path.read_bytes()
            elif name == RUNTIME[0]:
                raise SystemExit(f"terse: expected '{path}'")
        return _write(wheel_directory, files, _tag())


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    """The package stays here and finds the libraries of the repository's build."""
    if config_settings:
        raise SystemExit("terse: an editable install takes no settings: it uses the repository's build")
    return _write(wheel_directory, {"terse.pth": f"{HERE}\n".encode()}, _tag(pure=True))


def build_sdist(sdist_directory, config_settings=None):
    raise SystemExit("terse: there is no source distribution of the package alone: clone the repository")
