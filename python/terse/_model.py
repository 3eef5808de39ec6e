"""terse.load: running artifacts."""

from __future__ import annotations

import codecs
import contextlib
import ctypes
import json
import math
import os
import threading
from dataclasses import dataclass, replace
from typing import Any, Iterator, Mapping, Sequence, Union

import numpy as np
import numpy.typing as npt

from . import _arrays, _libraries, _runtime
from ._errors import ContextFullError, InvalidArgumentError, raise_status
from ._interrupt import interruptible
from ._suggest import nearest, suggesting

Arrays = Mapping[str, npt.ArrayLike]
Ids = Union[Sequence[int], npt.NDArray[np.integer[Any]]]

_LARGEST_CAPACITY = 1 << 31


@dataclass(frozen=True)
class TensorSpec:
    """An input or output of a model."""

    name: str
    dtype: np.dtype[Any]
    #: Sizes; those that are not fixed are expressions over symbols, such as "past + sequence".
    shape: tuple[int | str, ...]
    #: "input_ids", "attention_mask", "position_ids", "past", "logits", "present", or "".
    role: str
    #: It may be left out: the model has a value for it.
    optional: bool = False

    def __str__(self) -> str:
        return f"{self.name}: {self.dtype} [{', '.join(map(str, self.shape))}]"


@dataclass(frozen=True)
class Token:
    """A step of a generated text; as a string it is the text that it adds."""

    #: The token; -1 for text held back until the end.
    id: int
    #: Whole characters only: a token may add none, and the next one several.
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class FrequencyBand:
    """How well a model predicts those tokens of a text that occur about equally often.

    With n(t) the number of times that token t occurs in the text that is counted, and c(s) the least count such that
    tokens that occur c(s) times or less make up a share s of that text or more, the bands are "rarest_1":
    n(t) <= c(1 %), "rarest_10": c(1 %) < n(t) <= c(10 %), "rest": all others.
    """

    name: str
    #: Share that its tokens have of the text counted in, and how often the most frequent of them occurs there.
    mass: float
    most_count: int
    #: Tokens predicted; without any, the figures below are None.
    tokens: int
    nll: float | None
    perplexity: float | None
    #: Compared with another model.
    perplexity_ratio: float | None = None
    kl: float | None = None
    top1_agreement: float | None = None


_BANDS = "rarest_1", "rarest_10", "rest"


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _band(name: str, band: Any) -> FrequencyBand:
    nll = _known(band.nll)
    return FrequencyBand(name, band.mass, band.most_count, band.tokens, nll,
                         None if nll is None else math.exp(min(nll, 700)), _known(band.perplexity_ratio),
                         _known(band.kl), _known(band.top1_agreement))


@dataclass(frozen=True)
class Perplexity:
    """How well a model predicts a text."""

    perplexity: float
    #: Mean negative log-likelihood of a token, in nats.
    nll: float
    #: Tokens predicted, and the windows that they lie in.
    tokens: int
    windows: int
    #: Compared with another model: mean KL divergence of this one from it in nats, and the share of tokens for
    #: which both have the same likeliest one.
    kl: float | None = None
    top1_agreement: float | None = None
    #: Its perplexity over that of the other model: 1.01 is a loss of 1 %.
    perplexity_ratio: float | None = None
    #: By how often the predicted token occurs, rarest first.
    bands: tuple[FrequencyBand, ...] = ()

    def __float__(self) -> float:
        return self.perplexity


class _Handle:
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


def _check(library: Any, status: int) -> None:
    if status != _runtime.OK:
        raise_status(status, library.terse_last_error().decode(errors="replace"))


def _as_ids(ids: Ids, what: str) -> npt.NDArray[np.int32]:
    array = np.asarray(ids)
    if array.size == 0:
        return np.empty(0, np.int32)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise InvalidArgumentError(f"{what}: expected token ids, a sequence of integers; got "
                                   f"{array.dtype} of shape {list(array.shape)}")
    if array.min() < 0 or array.max() > np.iinfo(np.int32).max:
        raise InvalidArgumentError(f"{what}: expected token ids of at least 0; got {array.min()} to {array.max()}")
    return np.ascontiguousarray(array, np.int32)


def _ids_pointer(ids: npt.NDArray[np.int32]) -> Any:
    return ids.ctypes.data_as(ctypes.POINTER(ctypes.c_int32))


class _Tokenizer:
    def __init__(self, library: Any, handle: _Handle) -> None:
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
            _check(self._library, self._library.terse_tokenizer_encode(
                self._handle.pointer, data, len(data), _ids_pointer(ids), capacity, ctypes.byref(count)))
            if count.value <= capacity:
                return ids[:count.value].copy()
            capacity = count.value

    def piece(self, token: int, first: bool) -> bytes:
        capacity = 64
        while True:
            text, size = ctypes.create_string_buffer(capacity), ctypes.c_size_t()
            _check(self._library, self._library.terse_tokenizer_piece(
                self._handle.pointer, token, int(first), text, capacity, ctypes.byref(size)))
            if size.value <= capacity:
                return text.raw[:size.value]
            capacity = size.value


@suggesting
def load(path: str | os.PathLike[str], *, threads: int | None = None, cpu_level: str | None = None,
         tokenizer: str | os.PathLike[str] | None = None) -> Model:
    """Opens an artifact: code loaded, weights mapped, nothing read or copied.

    Args:
        path: The file that `terse.compile` or tersec wrote.
        threads: Threads that it runs with unless told otherwise; all processors by default.
        cpu_level: "baseline", "avx2" or "avx512vnni" to force that code; the best by default.
        tokenizer: A tokenizer to use instead of the artifact's: a file, "bytes" or "bytes+N".

    Raises:
        FileError, BadArtifactError, UnsupportedError, InvalidArgumentError.
    """
    return Model(path, threads=threads, cpu_level=cpu_level, tokenizer=tokenizer)


class Model:
    """An open artifact. Any number of threads may use it at once.

    Call it with NumPy arrays by name; language models have `generate`, `perplexity`,
    `tokenize` and `detokenize` too. `session()` gives what keeps state between runs.
    """

    def __init__(self, path: str | os.PathLike[str], *, threads: int | None = None, cpu_level: str | None = None,
                 tokenizer: str | os.PathLike[str] | None = None) -> None:
        self._library = _libraries.runtime()
        self.path = os.fspath(path)
        self.threads = threads
        options = _runtime.sized(_runtime.ModelOptions, cpu_level.encode() if cpu_level else None)
        self._handle = _Handle(self._library.terse_model_close)
        _check(self._library, self._library.terse_model_open(
            os.fsencode(path), ctypes.byref(options), self._handle.out()))
        #: What the artifact says of itself.
        self.manifest: dict[str, Any] = json.loads(self._library.terse_model_manifest(self._handle.pointer))
        self.inputs = self._specs("input")
        self.outputs = self._specs("output")
        self._tokenizer_file = tokenizer
        self._tokenizer_made: _Tokenizer | None = None
        self._idle: list[Session] = []
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<terse.Model {self.path!r}, {self.recipe}, {self.cpu_level}>"

    def __enter__(self) -> Model:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file; sessions stay valid. Without it, done when nothing refers to the model."""
        self._idle.clear()
        self._tokenizer_made = None
        self._handle.close()

    @property
    def _pointer(self) -> ctypes.c_void_p:
        if not self._handle.pointer:
            raise InvalidArgumentError(f"the model '{self.path}' is closed")
        return self._handle.pointer

    @property
    def recipe(self) -> str:
        """The recipe that it was compiled with."""
        return str(self.manifest.get("recipe", ""))

    @property
    def cpu_level(self) -> str:
        """The code in use: "baseline", "avx2" or "avx512vnni"."""
        return str(self._library.terse_model_cpu_level(self._pointer).decode())

    def verify(self) -> None:
        """Reads the whole artifact and compares its hashes; BadArtifactError if it was altered."""
        _check(self._library, self._library.terse_model_verify(self._pointer))

    def _specs(self, kind: str) -> tuple[TensorSpec, ...]:
        describe = getattr(self._library, f"terse_model_{kind}")
        dimension = getattr(self._library, f"terse_model_{kind}_dim")
        specs = []
        for index in range(getattr(self._library, f"terse_model_{kind}_count")(self._handle.pointer)):
            info = _runtime.TensorInfo()
            _check(self._library, describe(self._handle.pointer, index, ctypes.byref(info)))
            name = info.name.decode()
            dims = [dimension(self._handle.pointer, index, d).decode() for d in range(info.rank)]
            shape = tuple(int(dim) if dim.isdigit() else dim for dim in dims)
            optional = "default" in self.manifest[f"{kind}s"][index]
            specs.append(TensorSpec(name, _arrays.dtype_of(info.dtype, name), shape, info.role.decode(), optional))
        return tuple(specs)

    # ---------------------------------------------------------------- running

    @suggesting
    def session(self, *, threads: int | None = None, context: int | None = None, batch: int | None = None) -> Session:
        """Makes a session: states, scratch memory and threads of its own.

        Args:
            threads: As for `load`, whose number it has by default.
            context: Positions that the states have room for; memory is taken as they come. By default what the
                artifact says, else 2048.
            batch: Sequences that the states hold; 1 by default.
        """
        return Session(self, threads=self.threads if threads is None else threads, context=context or 0,
                       batch=batch or 0)

    def __call__(self, inputs: Arrays | None = None, *, out: Mapping[str, npt.NDArray[Any]] | None = None,
                 **named: npt.ArrayLike) -> dict[str, npt.NDArray[Any]]:
        """Runs the model once on `inputs` and the keyword arguments, from empty states.

        Arrays must have the types of `inputs` of the model and are read in place where they are contiguous. The
        outputs are new arrays, or those that `out` has by name.
        """
        given = {**(inputs or {}), **named}
        batch, sequence = self._sizes(given)
        session = self._borrow(batch, sequence)
        try:
            return session.run(given, out=out)
        finally:
            self._give_back(session)

    def _sizes(self, inputs: Arrays) -> tuple[int, int]:
        """Batch and sequence that the states must hold."""
        for spec in self.inputs:
            if spec.role == "input_ids" and spec.name in inputs:
                shape = np.shape(inputs[spec.name])
                if len(shape) == 2:
                    return max(1, shape[0]), max(1, shape[1])
        return 1, 1

    def _borrow(self, batch: int, sequence: int) -> Session:
        with self._lock:
            for index, session in enumerate(self._idle):
                if session._batch == batch and session._capacity >= sequence:
                    return self._idle.pop(index)
        return Session(self, threads=self.threads, context=max(256, 1 << (sequence - 1).bit_length()), batch=batch)

    def _give_back(self, session: Session) -> None:
        session.reset()
        with self._lock:
            self._idle.append(session)
            del self._idle[:-4]  # threads that wait in sessions are not free

    # ---------------------------------------------------------------- text

    @property
    def _tokenizer(self) -> _Tokenizer:
        if not self._tokenizer_made:
            handle = _Handle(self._library.terse_tokenizer_close)
            if self._tokenizer_file is None:
                status = self._library.terse_tokenizer_of_model(self._pointer, handle.out())
            else:
                status = self._library.terse_tokenizer_open(os.fsencode(self._tokenizer_file), handle.out())
            _check(self._library, status)
            self._tokenizer_made = _Tokenizer(self._library, handle)
        return self._tokenizer_made

    @property
    def has_tokenizer(self) -> bool:
        """Whether texts can be used; token ids always can."""
        return self._tokenizer_file is not None or bool(self.manifest.get("tokenizer"))

    def tokenize(self, text: str, *, bos: bool = False) -> list[int]:
        """Tokens of a text; `bos`: after the one that begins texts."""
        ids = self._tokenizer.encode(text).tolist()
        return [self._bos(), *ids] if bos else ids

    def detokenize(self, ids: Ids) -> str:
        """The text of tokens."""
        tokenizer = self._tokenizer
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        return "".join(decoder.decode(tokenizer.piece(token, index == 0))
                       for index, token in enumerate(_as_ids(ids, "ids").tolist())) + decoder.decode(b"", final=True)

    def _bos(self) -> int:
        if self._tokenizer.bos < 0:
            raise InvalidArgumentError("bos: the tokenizer has no token for a new text")
        return self._tokenizer.bos

    def _prompt_ids(self, prompt: str | Ids, bos: bool | None) -> npt.NDArray[np.int32]:
        if isinstance(prompt, str):
            ids = self._tokenizer.encode(prompt)
            if bos is None:
                bos = self._tokenizer.prompts_begin_with_bos
        else:
            ids = _as_ids(prompt, "prompt")
        if bos:
            ids = np.concatenate([np.array([self._bos()], np.int32), ids])
        if not ids.size:
            raise InvalidArgumentError("the prompt is empty; expected at least one token (or bos=True)")
        return ids

    @suggesting
    def generate(self, prompt: str | Ids, *, max_tokens: int = 256, temperature: float = 0.0, top_k: int = 0,
                 top_p: float = 1.0, seed: int = 0, stop: str | int | Sequence[str | int] = (),
                 bos: bool | None = None, ignore_eos: bool = False, threads: int | None = None) -> Generation:
        """Continues a text: an iterator of the tokens as they come.

        Args:
            prompt: A text, or token ids.
            max_tokens: Stop after so many.
            temperature: Flatten (above 1) or sharpen the distribution that tokens are drawn from; 0: always the
                likeliest token.
            top_k: Draw from so many likeliest tokens only; 0: from all.
            top_p: Draw from the likeliest tokens that together have this probability.
            seed: Number that the draws follow from.
            stop: Texts or token ids that end the text; they are not given out.
            bos: Begin with the token for a new text; by default as is usual for the tokenizer.
            ignore_eos: Go on after the token that ends texts.
            threads: As for `load`, whose number it has by default.
        """
        ids = self._prompt_ids(prompt, bos)
        # The last token generated is not run through the model.
        capacity = min(ids.size + max(max_tokens, 1), _LARGEST_CAPACITY)
        session = self.session(threads=threads, context=capacity)
        return Generation(session, ids, max_tokens=max_tokens, temperature=temperature, top_k=top_k, top_p=top_p,
                          seed=seed, stop=stop, ignore_eos=ignore_eos,
                          first=isinstance(prompt, str) and not prompt)

    @suggesting
    def perplexity(self, text: str | Ids, *, window: int = 256, max_windows: int = 0, against: Model | None = None,
                   threads: int | None = None, band_text: str | Ids | None = None) -> Perplexity:
        """Measures how well the model predicts a text, in windows that are each run alone.

        Args:
            text: A text, or token ids.
            window: Tokens in a window; each predicts the next, the one after the window included.
            max_windows: Only so many; 0: all.
            against: A model with the same vocabulary to compare with.
            threads: As for `load`, whose number it has by default.
            band_text: A text, or token ids, to count tokens in for the result's bands; the one measured on by
                default.
        """
        def encode(given: str | Ids, what: str) -> npt.NDArray[np.int32]:
            return self._tokenizer.encode(given) if isinstance(given, str) else _as_ids(given, what)

        ids = encode(text, "text")
        result = _runtime.sized(_runtime.PerplexityResult)
        threads = self.threads if threads is None else threads
        options = _runtime.sized(_runtime.QualityOptions, threads or 0, window, max_windows)
        if band_text is not None:
            counted = encode(band_text, "band_text")  # kept: the options point to it
            if not counted.size:
                raise InvalidArgumentError("band_text: expected a text of at least one token")
            options.band_tokens, options.band_token_count = _ids_pointer(counted), counted.size
        cancelled = threading.Event()
        on_window = _runtime.WINDOW_FN(lambda *_: int(cancelled.is_set()))

        def measure() -> None:
            _check(self._library, self._library.terse_measure_quality(
                self._pointer, against._pointer if against else None, ctypes.byref(options), _ids_pointer(ids),
                ids.size, on_window, None, ctypes.byref(result)))

        interruptible(measure, cancelled.set)
        bands = tuple(_band(name, band) for name, band in zip(_BANDS, result.bands))
        measured = Perplexity(result.perplexity, result.nll, result.tokens, result.windows, bands=bands)
        if not against:
            return measured
        return replace(measured, kl=result.kl, top1_agreement=result.top1_agreement,
                       perplexity_ratio=result.perplexity_ratio)


class Session:
    """What changes while a model runs: states, scratch memory, threads. One thread at a time may use it."""

    def __init__(self, model: Model, *, threads: int | None, context: int, batch: int) -> None:
        self.model = model
        self._library = model._library
        self._batch, self._capacity = batch, context
        options = _runtime.sized(_runtime.ContextOptions, threads or 0, context, batch)
        self._handle = _Handle(self._library.terse_context_destroy)
        _check(self._library, self._library.terse_context_create(
            model._pointer, ctypes.byref(options), self._handle.out()))
        self._busy = threading.Lock()
        self._cancelled = threading.Event()
        # Kept: the library calls it for as long as the context lives.
        self._go_on = _runtime.GO_ON_FN(lambda _: int(self._cancelled.is_set()))
        _check(self._library, self._library.terse_context_on_part(self._handle.pointer, self._go_on, None))
        self._logits: npt.NDArray[np.float32] | None = None

    @contextlib.contextmanager
    def _use(self) -> Iterator[ctypes.c_void_p]:
        if not self._busy.acquire(blocking=False):
            raise InvalidArgumentError("the session is in use by another thread: expected one for each")
        try:
            yield self._handle.pointer
        finally:
            self._busy.release()

    @property
    def past(self) -> int:
        """Positions that it holds."""
        return int(self._library.terse_past(self._handle.pointer))

    def reset(self) -> None:
        """Forgets all positions."""
        with self._use() as pointer:
            self._library.terse_reset(pointer)

    # ---------------------------------------------------------------- any model

    def run(self, inputs: Arrays | None = None, *, out: Mapping[str, npt.NDArray[Any]] | None = None,
            **named: npt.ArrayLike) -> dict[str, npt.NDArray[Any]]:
        """Runs the model once, as `Model.__call__` does; states advance by the length of `input_ids`."""
        given = {**(inputs or {}), **named}
        specs = {spec.name: spec for spec in self.model.inputs}
        for name in given:
            if name not in specs:
                raise InvalidArgumentError(f"the model has no input '{name}'{nearest(name, specs)}")
        lacking = [str(spec) for spec in self.model.inputs
                   if spec.name not in given and not spec.optional]
        if lacking:
            raise InvalidArgumentError("inputs are missing: " + ", ".join(lacking))
        arrays = [_arrays.as_input(value, specs[name].dtype, name) for name, value in given.items()]
        tensors = (_runtime.Tensor * max(len(arrays), 1))(
            *(_arrays.tensor(array, name.encode()) for array, name in zip(arrays, given)))
        with self._use() as pointer:
            outputs = self._make_outputs(pointer, tensors, len(arrays), out or {})
            for name, array in (out or {}).items():
                if any(np.may_share_memory(array, other) for other in arrays):
                    raise InvalidArgumentError(f"out['{name}'] shares memory with an input")
            buffers = (_runtime.Buffer * max(len(outputs), 1))(
                *(_runtime.Buffer(_arrays.address(array), array.nbytes) for array in outputs.values()))
            _check(self._library, self._library.terse_context_run_into(
                pointer, tensors, len(arrays), buffers, len(outputs)))
        return outputs

    def _make_outputs(self, pointer: ctypes.c_void_p, tensors: Any, count: int,
                      out: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        specs = self.model.outputs
        known = [spec.name for spec in specs]
        for name in out:
            if name not in known:
                raise InvalidArgumentError(f"the model has no output '{name}'{nearest(name, known)}")
        sizes = (ctypes.c_int64 * max(sum(len(spec.shape) for spec in specs), 1))()
        _check(self._library, self._library.terse_context_output_sizes(pointer, tensors, count, sizes))
        outputs, start = {}, 0
        for spec in specs:
            shape = tuple(sizes[start:start + len(spec.shape)])
            start += len(shape)
            array = out.get(spec.name)
            if array is None:
                array = _arrays.aligned_empty(shape, spec.dtype)
            elif array.shape != shape or array.dtype != spec.dtype or not (
                    array.flags.c_contiguous and array.flags.writeable and array.flags.aligned):
                raise InvalidArgumentError(
                    f"out['{spec.name}']: expected a writeable contiguous array of {spec.dtype} and shape "
                    f"{list(shape)}; got {array.dtype} and {list(array.shape)}")
            outputs[spec.name] = array
        return outputs

    # ---------------------------------------------------------------- language models

    @property
    def vocabulary(self) -> int:
        """Number of logits."""
        size = int(self._library.terse_vocabulary(self._handle.pointer))
        if not size:
            raise InvalidArgumentError(self._library.terse_last_error().decode())
        return size

    def eval(self, ids: Ids) -> npt.NDArray[np.float32]:
        """Runs tokens and keeps their effect; returns the logits after the last of them."""
        return self._eval(_as_ids(ids, "ids")).copy()

    def _eval(self, ids: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """As `eval`; the array is overwritten by the next call."""
        if not ids.size:
            raise InvalidArgumentError("no tokens; expected at least one")
        if self._logits is None:
            self._logits = _arrays.aligned_empty((self.vocabulary,), np.dtype(np.float32))
        logits = self._logits

        def work() -> None:
            _check(self._library, self._library.terse_eval(pointer, _ids_pointer(ids), ids.size,
                                                           _arrays.address(logits)))

        with self._use() as pointer:
            if ids.size == 1:  # not worth a thread
                work()
                return logits
            self._cancelled.clear()
            try:
                interruptible(work, self._cancelled.set)
            except KeyboardInterrupt:
                self._library.terse_reset(pointer)  # what it holds is not known
                raise
        return logits

    @suggesting
    def generate(self, prompt: str | Ids, *, max_tokens: int = 256, temperature: float = 0.0, top_k: int = 0,
                 top_p: float = 1.0, seed: int = 0, stop: str | int | Sequence[str | int] = (),
                 bos: bool | None = None, ignore_eos: bool = False) -> Generation:
        """Continues after what the session holds; see `Model.generate`.

        The last token given out is not yet held: the next prompt follows the one before it.
        """
        if bos is None and self.past:
            bos = False
        ids = self.model._prompt_ids(prompt, bos)
        return Generation(self, ids, max_tokens=max_tokens, temperature=temperature, top_k=top_k, top_p=top_p,
                          seed=seed, stop=stop, ignore_eos=ignore_eos, first=False)


class Generation(Iterator[Token]):
    """A text that is being generated: iterate over it for tokens as they come, or `read` it whole."""

    def __init__(self, session: Session, prompt: npt.NDArray[np.int32], *, max_tokens: int, temperature: float,
                 top_k: int, top_p: float, seed: int, stop: str | int | Sequence[str | int], ignore_eos: bool,
                 first: bool) -> None:
        if max_tokens < 0:
            raise InvalidArgumentError(f"max_tokens: expected at least 0; got {max_tokens}")
        self.prompt_token_ids: list[int] = prompt.tolist()
        #: Tokens and text so far.
        self.token_ids: list[int] = []
        self.text = ""
        #: Why it ended: "length", "eos", "stop", or "context" (no more room); None while it goes on.
        self.finish_reason: str | None = None
        stops: Sequence[str | int] = [stop] if isinstance(stop, (str, int)) else stop
        self._stop_ids = {one for one in stops if isinstance(one, int)}
        self._stop_texts = [one for one in stops if isinstance(one, str)]
        if "" in self._stop_texts:
            raise InvalidArgumentError("stop: expected a text that is not empty")
        self._session, self._max_tokens, self._ignore_eos = session, max_tokens, ignore_eos
        self._tokenizer = session.model._tokenizer if session.model.has_tokenizer else None
        if self._stop_texts and not self._tokenizer:
            raise InvalidArgumentError("stop: texts need a tokenizer")
        self._first = first
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._held = ""  # text that may be the beginning of a stop
        self._library = session._library
        self._sampler = _Handle(self._library.terse_sampler_destroy)
        options = _runtime.sized(_runtime.SamplerOptions, temperature, top_k, top_p, seed & (1 << 64) - 1)
        _check(self._library, self._library.terse_sampler_create(ctypes.byref(options), self._sampler.out()))
        self._next = prompt  # not yet run

    def read(self) -> str:
        """Generates to the end and returns the whole text."""
        for _ in self:
            pass
        return self.text

    def __next__(self) -> Token:
        if self.finish_reason:
            raise StopIteration
        if len(self.token_ids) == self._max_tokens:
            return self._end("length")
        try:
            logits = self._session._eval(self._next)
        except ContextFullError:
            if not self.token_ids:
                raise
            return self._end("context")
        drawn = ctypes.c_int32()
        _check(self._library, self._library.terse_sampler_next(
            self._sampler.pointer, _arrays.address(logits), logits.size, ctypes.byref(drawn)))
        token = drawn.value
        if token in self._stop_ids:
            return self._end("stop")
        if self._tokenizer and not self._ignore_eos and self._tokenizer.ends(token):
            return self._end("eos")
        self.token_ids.append(token)
        self._next = np.array([token], np.int32)
        if not self._tokenizer:
            return Token(token, "")
        self._held += self._decoder.decode(self._tokenizer.piece(token, self._first))
        self._first = False
        return self._pass_on(token)

    def _pass_on(self, token: int) -> Token:
        """Gives out what is no stop and cannot become one."""
        ends = [end for end in (self._held.find(stop) for stop in self._stop_texts) if end >= 0]
        if ends:
            self._held = self._held[:min(ends)]
            self._stop_texts = []
            self.finish_reason = "stop"
        keep = max((size for stop in self._stop_texts for size in range(1, len(stop))
                    if self._held.endswith(stop[:size])), default=0)
        cut = len(self._held) - keep
        text, self._held = self._held[:cut], self._held[cut:]
        self.text += text
        return Token(token, text)

    def _end(self, reason: str) -> Token:
        """Ends with the text that was held back, if there is some."""
        self.finish_reason = reason
        self._held += self._decoder.decode(b"", final=True)
        if not self._held:
            raise StopIteration
        text, self._held = self._held, ""
        self.text += text
        return Token(-1, text)
