"""terse.compile: models to artifacts."""

from __future__ import annotations

import contextlib
import ctypes
import os
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Iterator, Mapping, Sequence

from . import _compiler, _libraries
from ._errors import CompileError, CompileWarning, Diagnostic
from ._interrupt import interruptible
from ._suggest import suggesting

if TYPE_CHECKING:
    from ._model import Model

_SEVERITIES = {_compiler.ERROR: "error", _compiler.WARNING: "warning", _compiler.NOTE: "note"}

#: Arguments of `compile` whose names differ from tersec's options.
_NAMES = {"optimize": "O0", "plugins": "load-pass-plugin", "dialect_plugins": "load-dialect-plugin"}


@dataclass(frozen=True)
class Compiled:
    """A finished compile; usable as a path of the artifact."""

    path: Path
    #: Warnings and notes.
    diagnostics: tuple[Diagnostic, ...]
    #: What each pass did, with report=True: "pass: fact value".
    report: tuple[str, ...]

    def __fspath__(self) -> str:
        return os.fspath(self.path)

    def load(self, *, threads: int | None = None, cpu_level: str | None = None) -> Model:
        """The artifact, as `terse.load` opens it."""
        from ._model import load
        return load(self.path, threads=threads, cpu_level=cpu_level)


class _Job:
    """One compile: its options, what was said, and a thread that it runs in."""

    def __init__(self, progress: Callable[[str], None] | None) -> None:
        self.diagnostics: list[Diagnostic] = []
        self.report: list[str] = []
        self._failure: BaseException | None = None
        self._progress = progress
        self._library = _libraries.compiler()
        # Kept: the library calls it for as long as the compiler lives.
        self._on_message = _compiler.MESSAGE_FN(self._receive)
        self._compiler = ctypes.c_void_p()
        self._library.terse_compiler_create(self._on_message, None, ctypes.byref(self._compiler))

    def close(self) -> None:
        self._library.terse_compiler_destroy(self._compiler)
        self._compiler = ctypes.c_void_p()

    def _receive(self, _: Any, given: Any) -> None:
        message = given.contents
        text = message.text.decode()
        if message.kind == _compiler.PROGRESS:
            if self._progress and not self._failure:
                try:
                    self._progress(text)
                except BaseException as error:  # nothing may pass through C
                    self._failure = error
                    self._library.terse_compiler_cancel(self._compiler)
        elif message.kind == _compiler.REPORT:
            self.report += text.splitlines()
        else:
            self.diagnostics.append(Diagnostic(_SEVERITIES[message.kind], message.location.decode(), text))

    def set(self, name: str, value: object) -> None:
        if self._library.terse_compiler_set(self._compiler, name.encode(), os.fsencode(str(value))) != _compiler.COMPILED:
            raise CompileError(tuple(self.diagnostics))

    def run(self, source: str, output: str) -> None:
        status = interruptible(
            lambda: self._library.terse_compiler_run(self._compiler, os.fsencode(source), os.fsencode(output)),
            lambda: self._library.terse_compiler_cancel(self._compiler))
        if self._failure:
            raise self._failure
        if status != _compiler.COMPILED:
            raise CompileError(tuple(self.diagnostics))


@contextlib.contextmanager
def _as_file(model: Any) -> Iterator[str]:
    """The path of a model; an onnx.ModelProto is written to a temporary file."""
    if isinstance(model, (str, bytes, os.PathLike)):
        yield os.fsdecode(model)
        return
    if not hasattr(model, "SerializeToString") or not hasattr(model, "graph"):
        raise TypeError(f"expected a path or an onnx.ModelProto; got {type(model).__name__}")
    import onnx
    with tempfile.TemporaryDirectory(prefix="terse-") as folder:
        path = os.path.join(folder, "model.onnx")
        # Protocol buffers end at 2 GB; what is larger needs its weights beside it.
        onnx.save_model(model, path, save_as_external_data=model.ByteSize() > (1 << 30), location="model.weights")
        yield path


def options() -> dict[str, str]:
    """The compiler's options by the names that `compile` takes, with their help."""
    library = _libraries.compiler()
    names = {option: argument for argument, option in _NAMES.items()}
    result = {}
    info = _compiler.OptionInfo()
    for index in range(library.terse_compiler_option_count()):
        library.terse_compiler_option(index, ctypes.byref(info))
        name = info.name.decode()
        result[names.get(name, name.replace("-", "_"))] = info.help.decode()
    return result


def _texts(value: object) -> list[str]:
    """One or several values of an option, as text."""
    if isinstance(value, Mapping):
        return [f"{key}:{part}" for key, part in value.items()]
    if isinstance(value, (list, tuple, set)):
        return [os.fspath(part) for part in value]
    return [os.fspath(value) if isinstance(value, os.PathLike) else str(value)]


@suggesting
def compile(
    model: str | os.PathLike[str] | Any,
    output: str | os.PathLike[str],
    *,
    recipe: str | None = None,
    group_size: int | None = None,
    pass_pipeline: str | None = None,
    calib: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None = None,
    traffic: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None = None,
    calib_windows: int | None = None,
    calib_window: int | None = None,
    calib_seed: int | None = None,
    calib_inputs: str | None = None,
    calib_dir: str | os.PathLike[str] | None = None,
    save_statistics: str | os.PathLike[str] | None = None,
    tokenizer: str | os.PathLike[str] | None = None,
    context: int | None = None,
    levels: Sequence[str] | str | None = None,
    keep_cache_io: bool = False,
    optimize: bool = True,
    emit: str | None = None,
    at: Mapping[str, str] | Sequence[str] | None = None,
    stop_after: str | None = None,
    start_from: str | None = None,
    plugins: Sequence[str | os.PathLike[str]] | None = None,
    dialect_plugins: Sequence[str | os.PathLike[str]] | None = None,
    dump_ir_dir: str | os.PathLike[str] | None = None,
    emulate_kernels: str | None = None,
    tuning: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    max_memory: int | str | None = None,
    preflight: bool = False,
    report: bool | str | os.PathLike[str] = False,
    report_date: str | None = None,
    skip_pass_losses: bool = False,
    eval: str | os.PathLike[str] | None = None,
    eval_window: int | None = None,
    eval_windows: int | None = None,
    max_loss: float | str | None = None,
    objective: str | None = None,
    search_trials: int | None = None,
    search_dir: str | os.PathLike[str] | None = None,
    price_per_hour: float | None = None,
    query: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> Compiled:
    """Compiles a model to an artifact, as the program tersec does.

    Args:
        model: Path of an ONNX file, of a folder that holds model.onnx, or of IR; or an onnx.ModelProto.
        output: The file to write. It is written whole or not at all.
        recipe: How to compress: "keep" (as the file has it, the default), "f32", "f16", "w8", "w4", "w3", "w2", "auto";
            keys may follow: "w4:group-size=64,exclude=down_proj".
        group_size: Weights that share a scale, for the recipes w8 to w2; 0: a whole row.
        pass_pipeline: Passes that compress, instead of a recipe.
        calib: Data that the inputs of layers are measured on while the model is compressed: one or several files of text,
            JSON lines (.jsonl) or token ids (.ids), each perhaps with keys: "a.jsonl:field=text,weight=2".
        traffic: Data like what the model will be used on, in the forms of `calib`: warns where the calibration is unlike it.
        calib_windows: Sequences to calibrate with; 128 by default.
        calib_window: Tokens in each; 256 by default.
        calib_seed: Draw them at random places of the data; by default they are from its beginning.
        calib_inputs: What a block is measured with: what the blocks before it give when they are "compressed" (the
            default), or "original".
        calib_dir: Folder that keeps what calibration has measured; an interrupted one goes on from it.
        save_statistics: File to write what calibration measured to, for the option stats of passes.
        tokenizer: Tokenizer to embed (a file of SentencePiece or llama2.c), or "bytes".
        context: Positions that the runtime makes room for unless told otherwise.
        levels: CPU levels to make code for: "baseline", "avx2", "avx512vnni", "avx512bf16"; all by default, the last
            where layers have bf16 weights.
        keep_cache_io: Leave past and present keys and values as inputs and outputs.
        optimize: False for plain float code of every operation, the oracle of the rest.
        emit: What to write: "so" (an artifact, the default), "exe", "obj", "llvm" or "mlir".
        at: Passes to run too at a stage's end, as {stage: passes}.
        stop_after: Write the IR after this stage.
        start_from: `model` is the IR after this stage.
        plugins: Shared objects with passes.
        dialect_plugins: Shared objects with dialects.
        dump_ir_dir: Folder for the IR after each pass.
        emulate_kernels: For checks: run this level's kernels on any machine.
        tuning: File of measurements (terse-bench --tune) that the kernels of linear layers are chosen by.
        threads: Threads to compile with; one a processor by default.
        max_memory: Use no more memory than this: bytes, or a text with K, M or G; by default what the machine has.
        preflight: Only say what the compile would take, in the result's `report`; nothing is written.
        report: Collect what each pass did in the result's `report`; or a file, .html or .json, for a report.
        report_date: Date in the report's file; today by default.
        skip_pass_losses: With `eval` and a file of a report: do not measure what each pass adds to the loss, which takes a compile for
            each.
        eval: A held-out text: the artifact and the original are run on it, and the result's `report` says what quality
            was lost.
        eval_window: Tokens in a window; 256 by default.
        eval_windows: Only the first so many windows, 40 by default; 0: all.
        max_loss: Perplexity may rise by no more than this share: 0.01 or "1%"; by band of token frequency too:
            "1%,rarest_1:5%,rarest_10:3%,rest:1%" (rarest_10: what is beyond the rarest 1 % up to 10 %). Layers get more bits until that holds, or
            with the recipe "auto" those that it takes; where nothing does, CompileError is raised and the best artifact
            is there.
        objective: What the recipe "auto" makes as little as `max_loss` allows: "size" (the default), "latency" (time of a decode
            step on this machine) or "cost" (of a query of `query`).
        search_trials: Models to compile and measure for that, at most.
        search_dir: Folder that keeps what was measured for it; an interrupted search goes on from it.
        price_per_hour: Price of an hour of this machine, for the costs in the report's file.
        query: Prompt and completion tokens of a query, as "500:150", for its cost there.
        progress: Called with a line about each step. Called from another thread.

    Raises:
        CompileError: with the compiler's diagnostics. Ctrl-C ends the compile and leaves no file.
        LibraryError: the compiler's library, or MLIR and LLVM below it, are not installed.

    Warnings of the compiler become Python warnings of the class CompileWarning.
    """
    given = dict(locals())
    source, target = given.pop("model"), os.fsdecode(given.pop("output"))
    given.pop("progress")
    job = _Job(progress)
    try:
        for argument, value in given.items():
            name = _NAMES.get(argument, argument.replace("_", "-"))
            if argument == "optimize":
                value = not value
            if value is None or value is False:
                continue
            for text in ["true"] if value is True else _texts(value):
                job.set(name, text)
        with _as_file(source) as path:
            job.run(path, target)
    finally:
        job.close()
    for diagnostic in job.diagnostics:
        if diagnostic.severity == "warning":
            warnings.warn(str(diagnostic), CompileWarning, stacklevel=3)
    return Compiled(Path(target), tuple(job.diagnostics), tuple(job.report))
