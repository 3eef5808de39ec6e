"""Unknown keyword arguments are errors that say what was meant."""

from __future__ import annotations

import difflib
import functools
import inspect
from typing import Callable, Iterable, TypeVar

from typing import ParamSpec

P = ParamSpec("P")
R = TypeVar("R")


def nearest(word: str, known: Iterable[str]) -> str:
    """"; did you mean 'x'?", or nothing where no known word is near."""
    best = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean '{best[0]}'?" if best else ""


def suggesting(function: Callable[P, R]) -> Callable[P, R]:
    """Makes unknown keyword arguments of `function` a TypeError with the nearest name."""
    known = [name for name, parameter in inspect.signature(function).parameters.items()
             if parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD)]

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        for name in kwargs:
            if name not in known:
                raise TypeError(f"{function.__name__}() has no argument '{name}'{nearest(name, known)}")
        return function(*args, **kwargs)

    return checked
