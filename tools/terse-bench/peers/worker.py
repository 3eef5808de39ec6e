"""worker.py ENGINE: one engine with one model in memory, driven by lines of JSON.

    {"load": {...}}   -> {"version": ..., "note": ..., "sample": [...]}: the numbers to be compared with the reference
    {"run": measure}  -> {"seconds": ..., "processor_seconds": ...}: medians of as many repetitions as fill a quarter of a second

ENGINE is a module `engine_ENGINE` with a class `Engine`: Engine(spec) has `version`, `note`, `measures` (name -> function that does it once
and returns a Clock's reading) and `sample()`. What goes wrong is {"error": why}. Whatever else an engine prints goes to standard error.
"""
import importlib
import json
import os
import statistics
import sys
import time
import traceback

ENOUGH = 0.25


class Clock:
    """Seconds since it was made, and those of all threads on processors, spinning ones too."""

    def __init__(self):
        self.wall, self.processor = time.perf_counter(), time.process_time()

    def read(self, parts=1):
        return (time.perf_counter() - self.wall) / parts, (time.process_time() - self.processor) / parts


def timed(call):
    """call() as a measure."""
    def measure():
        clock = Clock()
        call()
        return clock.read()
    return measure


def repeat(measure):
    """The first repetition finds cold caches; it counts only where one alone is long."""
    first = measure()
    readings = [first] if first[0] > ENOUGH else []
    while sum(wall for wall, _ in readings) < ENOUGH:
        readings.append(measure())
    return [statistics.median(column) for column in zip(*readings)]


def main():
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    engine = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if "load" in request:
                engine = importlib.import_module("engine_" + sys.argv[1]).Engine(request["load"])
                answer = {"version": engine.version, "note": engine.note, "sample": [float(value) for value in engine.sample()]}
            else:
                answer = dict(zip(("seconds", "processor_seconds"), repeat(engine.measures[request["run"]])))
        except Exception as error:  # the engine's own: said in the table
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}".strip().splitlines()[0][:300]}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
