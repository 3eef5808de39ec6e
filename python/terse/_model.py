"""terse.load: running artifacts."""

from __future__ import annotations

import codecs
import ctypes
import json
import os
import threading
from dataclasses import replace
from typing import Any, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from . import _arrays, _libraries, _runtime
from ._errors import InvalidArgumentError
from ._handle import Handle, check
from ._interrupt import interruptible
from ._results import BANDS, Perplexity, TensorSpec, make_band
from ._session import Arrays, Generation, Session
from ._suggest import suggesting
from ._tokenizer import Ids, Tokenizer, as_ids, ids_pointer

_LARGEST_CAPACITY = 1 << 31


@suggesting
def load(path: str | os.PathLike[str], *, threads: int | None = None, cpu_level: str | None = None,
         tokenizer: str | os.PathLike[str] | None = None, check_inputs: bool = False) -> Model:
    """Opens an artifact: code loaded, weights mapped, nothing read or copied.

    Args:
        path: The file that `terse.compile` or tersec wrote.
        threads: Threads that it runs with unless told otherwise; all processors by default.
        cpu_level: "baseline", "avx2", "avx512vnni" or "avx512bf16" to force that code; the best by default.
        tokenizer: A tokenizer to use instead of the artifact's: a file, "bytes" or "bytes+N".
        check_inputs: Refuse arrays with NaN, infinities or subnormal numbers: InvalidArgumentError, which names the first.

    Raises:
        FileError, BadArtifactError, UnsupportedError, InvalidArgumentError.
    """
    return Model(path, threads=threads, cpu_level=cpu_level, tokenizer=tokenizer, check_inputs=check_inputs)


class Model:
    """An open artifact. Any number of threads may use it at once.

    Call it with NumPy arrays by name; language models have `generate`, `perplexity`,
    `tokenize` and `detokenize` too. `session()` gives what keeps state between runs.
    """

    def __init__(self, path: str | os.PathLike[str], *, threads: int | None = None, cpu_level: str | None = None,
                 tokenizer: str | os.PathLike[str] | None = None, check_inputs: bool = False) -> None:
        self._library = _libraries.runtime()
        self.path = os.fspath(path)
        self.threads, self.check_inputs = threads, check_inputs
        options = _runtime.sized(_runtime.ModelOptions, cpu_level.encode() if cpu_level else None)
        self._handle = Handle(self._library.terse_model_close)
        check(self._library, self._library.terse_model_open(
            os.fsencode(path), ctypes.byref(options), self._handle.out()))
        #: What the artifact says of itself.
        self.manifest: dict[str, Any] = json.loads(self._library.terse_model_manifest(self._handle.pointer))
        self.inputs = self._specs("input")
        self.outputs = self._specs("output")
        self._tokenizer_file = tokenizer
        self._tokenizer_made: Tokenizer | None = None
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
        """The code in use: "baseline", "avx2", "avx512vnni" or "avx512bf16"."""
        return str(self._library.terse_model_cpu_level(self._pointer).decode())

    def verify(self) -> None:
        """Reads the whole artifact and compares its hashes; BadArtifactError if it was altered."""
        check(self._library, self._library.terse_model_verify(self._pointer))

    def _specs(self, kind: str) -> tuple[TensorSpec, ...]:
        describe = getattr(self._library, f"terse_model_{kind}")
        dimension = getattr(self._library, f"terse_model_{kind}_dim")
        specs = []
        for index in range(getattr(self._library, f"terse_model_{kind}_count")(self._handle.pointer)):
            info = _runtime.TensorInfo()
            check(self._library, describe(self._handle.pointer, index, ctypes.byref(info)))
            name = info.name.decode()
            dims = [dimension(self._handle.pointer, index, d).decode() for d in range(info.rank)]
            shape = tuple(int(dim) if dim.isdigit() else dim for dim in dims)
            optional = "default" in self.manifest[f"{kind}s"][index]
            specs.append(TensorSpec(name, _arrays.dtype_of(info.dtype, name), shape, info.role.decode(), optional))
        return tuple(specs)

    # ---------------------------------------------------------------- running

    @suggesting
    def session(self, *, threads: int | None = None, context: int | None = None, batch: int | None = None,
                pin: bool = False, check_inputs: bool | None = None) -> Session:
        """Makes a session: states, scratch memory and threads of its own.

        Args:
            threads: As for `load`, whose number it has by default.
            context: Positions that the states have room for; memory is taken as they come. By default what the
                artifact says, else 2048.
            batch: Sequences that the states hold; 1 by default.
            pin: Each thread stays on a processor of its own, the caller's while it runs the model. Where nothing
                else runs.
            check_inputs: As for `load`, whose choice it has by default.
        """
        return Session(self, threads=self.threads if threads is None else threads, context=context or 0,
                       batch=batch or 0, pin=pin, check_inputs=self.check_inputs if check_inputs is None else check_inputs)

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
        return Session(self, threads=self.threads, context=max(256, 1 << (sequence - 1).bit_length()), batch=batch,
                       check_inputs=self.check_inputs)

    def _give_back(self, session: Session) -> None:
        session.reset()
        with self._lock:
            self._idle.append(session)
            del self._idle[:-4]  # threads that wait in sessions are not free

    # ---------------------------------------------------------------- text

    @property
    def _tokenizer(self) -> Tokenizer:
        if not self._tokenizer_made:
            handle = Handle(self._library.terse_tokenizer_close)
            if self._tokenizer_file is None:
                status = self._library.terse_tokenizer_of_model(self._pointer, handle.out())
            else:
                status = self._library.terse_tokenizer_open(os.fsencode(self._tokenizer_file), handle.out())
            check(self._library, status)
            self._tokenizer_made = Tokenizer(self._library, handle)
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
                       for index, token in enumerate(as_ids(ids, "ids").tolist())) + decoder.decode(b"", final=True)

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
            ids = as_ids(prompt, "prompt")
        if bos:
            ids = np.concatenate([np.array([self._bos()], np.int32), ids])
        if not ids.size:
            raise InvalidArgumentError("the prompt is empty; expected at least one token (or bos=True)")
        return ids

    @suggesting
    def generate(self, prompt: str | Ids, *, max_tokens: int = 256, temperature: float = 0.0, top_k: int = 0,
                 top_p: float = 1.0, seed: int = 0, stop: str | int | Sequence[str | int] = (),
                 bos: bool | None = None, ignore_eos: bool = False, prompt_lookup: int = 0,
                 threads: int | None = None) -> Generation:
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
            prompt_lookup: Draft up to so many tokens, as they followed the last ones before in prompt or text, and
                check them in one step: the same text, sooner where it repeats itself; 0: none.
            threads: As for `load`, whose number it has by default.
        """
        ids = self._prompt_ids(prompt, bos)
        # The last token generated is not run through the model.
        capacity = min(ids.size + max(max_tokens, 1), _LARGEST_CAPACITY)
        session = self.session(threads=threads, context=capacity)
        return Generation(session, ids, max_tokens=max_tokens, temperature=temperature, top_k=top_k, top_p=top_p,
                          seed=seed, stop=stop, ignore_eos=ignore_eos, prompt_lookup=prompt_lookup,
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
            return self._tokenizer.encode(given) if isinstance(given, str) else as_ids(given, what)

        ids = encode(text, "text")
        result = _runtime.sized(_runtime.PerplexityResult)
        threads = self.threads if threads is None else threads
        options = _runtime.sized(_runtime.QualityOptions, threads or 0, window, max_windows)
        if band_text is not None:
            counted = encode(band_text, "band_text")  # kept: the options point to it
            if not counted.size:
                raise InvalidArgumentError("band_text: expected a text of at least one token")
            options.band_tokens, options.band_token_count = ids_pointer(counted), counted.size
        cancelled = threading.Event()
        on_window = _runtime.WINDOW_FN(lambda *_: int(cancelled.is_set()))

        def measure() -> None:
            check(self._library, self._library.terse_measure_quality(
                self._pointer, against._pointer if against else None, ctypes.byref(options), ids_pointer(ids),
                ids.size, on_window, None, ctypes.byref(result)))

        interruptible(measure, cancelled.set)
        bands = tuple(make_band(name, band) for name, band in zip(BANDS, result.bands))
        measured = Perplexity(result.perplexity, result.nll, result.tokens, result.windows, bands=bands)
        if not against:
            return measured
        return replace(measured, kl=result.kl, top1_agreement=result.top1_agreement,
                       perplexity_ratio=result.perplexity_ratio)
