"""Sessions, and texts that they generate."""

from __future__ import annotations

import codecs
import contextlib
import ctypes
import threading
from typing import TYPE_CHECKING, Any, Callable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from . import _arrays, _runtime
from ._errors import ContextFullError, InvalidArgumentError
from ._handle import Handle, check
from ._interrupt import interruptible
from ._results import Token
from ._suggest import nearest, suggesting
from ._tokenizer import Ids, as_ids, ids_pointer

if TYPE_CHECKING:
    from ._model import Model

Arrays = Mapping[str, npt.ArrayLike]


class Session:
    """What changes while a model runs: states, scratch memory, threads. One thread at a time may use it."""

    def __init__(self, model: Model, *, threads: int | None, context: int, batch: int, pin: bool = False,
                 check_inputs: bool = False) -> None:
        self.model = model
        self._library = model._library
        self._batch, self._capacity = batch, context
        options = _runtime.sized(_runtime.ContextOptions, threads or 0, context, batch, int(pin),
                                 int(check_inputs))
        self._handle = Handle(self._library.terse_context_destroy)
        check(self._library, self._library.terse_context_create(
            model._pointer, ctypes.byref(options), self._handle.out()))
        self._busy = threading.Lock()
        self._cancelled = threading.Event()
        # Kept: the library calls it for as long as the context lives.
        self._go_on = _runtime.GO_ON_FN(lambda _: int(self._cancelled.is_set()))
        check(self._library, self._library.terse_context_on_part(self._handle.pointer, self._go_on, None))
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
            check(self._library, self._library.terse_context_run_into(
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
        check(self._library, self._library.terse_context_output_sizes(pointer, tensors, count, sizes))
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
        return self._eval(as_ids(ids, "ids")).copy()

    def _eval(self, ids: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """As `eval`; the array is overwritten by the next call."""
        if not ids.size:
            raise InvalidArgumentError("no tokens; expected at least one")
        if self._logits is None:
            self._logits = _arrays.aligned_empty((self.vocabulary,), np.dtype(np.float32))
        logits = self._logits

        def work() -> None:
            check(self._library, self._library.terse_eval(pointer, ids_pointer(ids), ids.size,
                                                           _arrays.address(logits)))

        with self._use() as pointer:
            self._run(work, pointer, long=ids.size > 1)
        return logits

    def _run(self, work: Callable[[], None], pointer: ctypes.c_void_p, long: bool) -> None:
        """Does work that runs the model, which Ctrl-C ends if it may be long."""
        if not long:  # not worth a thread
            return work()
        self._cancelled.clear()
        try:
            interruptible(work, self._cancelled.set)
        except KeyboardInterrupt:
            self._library.terse_reset(pointer)  # what it holds is not known
            raise

    def _begin(self, prompt: npt.NDArray[np.int32], options: Any) -> Handle:
        """A generator of the library's."""
        generator = Handle(self._library.terse_generator_destroy)
        with self._use() as pointer:
            check(self._library, self._library.terse_generator_create(
                pointer, ids_pointer(prompt), prompt.size, ctypes.byref(options), generator.out()))
        return generator

    def _next(self, generator: Handle, first: bool) -> int:
        """Its next token."""
        token = ctypes.c_int32()

        def work() -> None:
            check(self._library, self._library.terse_generator_next(generator.pointer, ctypes.byref(token)))

        with self._use() as pointer:
            self._run(work, pointer, long=first)
        return token.value

    @suggesting
    def generate(self, prompt: str | Ids, *, max_tokens: int = 256, temperature: float = 0.0, top_k: int = 0,
                 top_p: float = 1.0, seed: int = 0, stop: str | int | Sequence[str | int] = (),
                 bos: bool | None = None, ignore_eos: bool = False, prompt_lookup: int = 0) -> Generation:
        """Continues after what the session holds; see `Model.generate`.

        The last token given out is not yet held: the next prompt follows the one before it.
        """
        if bos is None and self.past:
            bos = False
        ids = self.model._prompt_ids(prompt, bos)
        return Generation(self, ids, max_tokens=max_tokens, temperature=temperature, top_k=top_k, top_p=top_p,
                          seed=seed, stop=stop, ignore_eos=ignore_eos, prompt_lookup=prompt_lookup, first=False)


class Generation(Iterator[Token]):
    """A text that is being generated: iterate over it for tokens as they come, or `read` it whole."""

    def __init__(self, session: Session, prompt: npt.NDArray[np.int32], *, max_tokens: int, temperature: float,
                 top_k: int, top_p: float, seed: int, stop: str | int | Sequence[str | int], ignore_eos: bool,
                 prompt_lookup: int, first: bool) -> None:
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
        options = _runtime.sized(_runtime.GenerateOptions, min(max_tokens, (1 << 63) - 1), temperature, top_k, top_p,
                                 seed & (1 << 64) - 1, -1, prompt_lookup)
        self._generator = session._begin(prompt, options)

    @property
    def drafted_tokens(self) -> int:
        """Tokens that `prompt_lookup` drafted so far."""
        return int(self._counts().drafted)

    @property
    def accepted_tokens(self) -> int:
        """Those of them that were right; each saved a step."""
        return int(self._counts().accepted)

    def _counts(self) -> Any:
        counts = _runtime.sized(_runtime.GeneratorCounts)
        check(self._library, self._library.terse_generator_count(self._generator.pointer, ctypes.byref(counts)))
        return counts

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
            token = self._session._next(self._generator, first=not self.token_ids)
        except ContextFullError:
            if not self.token_ids:
                raise
            return self._end("context")
        if token in self._stop_ids:
            return self._end("stop")
        if self._tokenizer and not self._ignore_eos and self._tokenizer.ends(token):
            return self._end("eos")
        self.token_ids.append(token)
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
