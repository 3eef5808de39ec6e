"""Long calls of the libraries that Ctrl-C can end."""

from __future__ import annotations

import threading
from typing import Callable, TypeVar

R = TypeVar("R")


def interruptible(work: Callable[[], R], cancel: Callable[[], object]) -> R:
    """Returns work(). On Ctrl-C it calls `cancel`, waits until `work` has ended, and raises KeyboardInterrupt.

    Python takes signals in the main thread only, and not while that is inside a library: there the work is done by
    another thread.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    results: list[R] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run, name="terse")
    thread.start()
    interrupt: KeyboardInterrupt | None = None
    while thread.is_alive():
        try:
            thread.join()
        except KeyboardInterrupt as error:
            interrupt = error
            cancel()
    if interrupt:
        raise interrupt
    if failures:
        raise failures[0]
    return results[0]
