"""peers.py SCRATCH --programs BUILD/bin --cpu-level LEVEL: Terse beside the engines that people use, on the same weights.

`terse-bench --peers` starts it. Each engine gets an environment of its own in SCRATCH (unless the Python that runs this has its packages),
and is a process that keeps the model in memory. In each round all engines do the same measure, one after the other; those that wait are
stopped, so that nobody's spinning threads are in the way. Before anything is measured, a part of the outputs is compared with NumPy's.
"""
import argparse
import ctypes
import importlib.metadata
import json
import os
import re
import signal
import statistics
import subprocess
import sys

from cases import ENCODERS, encoder_cases, language_cases, linear_cases
from environments import Environments, last_line

HERE = os.path.dirname(os.path.abspath(__file__))
REQUIREMENTS = {
    "terse": ["numpy", "onnx==1.23.2"],
    "onnxruntime": ["numpy", "onnxruntime==1.32.0", "onnx==1.23.2"],
    "openvino": ["numpy", "openvino==2026.4.1", "onnx==1.23.2"],
    "llama_cpp": ["numpy", "llama-cpp-python==0.3.36", "gguf==0.19.0", "onnx==1.23.2"],
}
NAMES = {"terse": "Terse", "onnxruntime": "ONNX Runtime", "openvino": "OpenVINO", "llama_cpp": "llama.cpp"}


def fail(message, status):
    print("terse-bench: error: " + message, file=sys.stderr)
    sys.exit(status)


# ------------------------------------------------------------------ engines

class Worker:
    """An engine's process; stopped except while it is asked something."""

    def __init__(self, python, engine, log):
        self.log = log
        with open(log, "w") as errors:
            self.process = subprocess.Popen([python, os.path.join(HERE, "worker.py"), engine], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=errors, text=True, preexec_fn=lambda: ctypes.CDLL(None).prctl(1, signal.SIGKILL))

    def ask(self, request):
        self.process.send_signal(signal.SIGCONT)
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            with open(self.log) as log:
                return {"error": "the process died: " + last_line(log.read())}
        self.process.send_signal(signal.SIGSTOP)
        return json.loads(line)

    def close(self):
        self.process.kill()
        self.process.wait()


class Engines:
    """Pythons that have an engine's packages."""

    def __init__(self, scratch):
        self.environments = Environments(scratch, REQUIREMENTS, {"CMAKE_ARGS": "-DLLAVA_BUILD=OFF"})
        self.found = {}

    def python(self, engine):
        """Raises RuntimeError where there can be none."""
        if engine not in self.found:
            try:
                self.found[engine] = sys.executable if all(map(self.is_here, REQUIREMENTS[engine])) else self.environments.make(engine)
            except (subprocess.CalledProcessError, OSError) as error:
                self.found[engine] = RuntimeError("its packages do not install: " + last_line(getattr(error, "stderr", None) or str(error)))
        if isinstance(self.found[engine], Exception):
            raise self.found[engine]
        return self.found[engine]

    @staticmethod
    def is_here(requirement):
        name, _, version = requirement.partition("==")
        try:
            return version in ("", importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            return False


def relative_error(values, reference):
    """Root mean square of the differences over that of the reference."""
    if len(values) != len(reference):
        return float("inf")
    squares = sum((a - b) ** 2 for a, b in zip(values, reference))
    return (squares / sum(b * b for b in reference)) ** 0.5


def load(case, engine, spec, reference, engines, logs):
    """The engine's worker with its model; (None, why) where it cannot do it."""
    try:
        worker = Worker(engines.python(engine), engine, os.path.join(logs, engine + ".log"))
    except RuntimeError as error:
        return None, {"error": str(error)}
    answer = worker.ask({"load": spec})
    if "error" not in answer:
        answer["difference"] = relative_error(answer.pop("sample"), reference)
        if answer["difference"] <= case.bound:
            return worker, answer
        answer["error"] = f"its outputs are {answer['difference']:.3g} from the reference, more than {case.bound:g}"
    worker.close()
    return None, answer


# ------------------------------------------------------------------ measuring

def measure(case, options, engines):
    """A line for each measure and engine."""
    reference = case.model.make(engines.python("terse"))
    spec = {**case.spec, **options.common, "onnx": case.model.onnx, "folder": case.model.folder, "inputs": os.path.join(case.model.folder, "inputs.npz")}
    if spec["kind"] == "language":
        spec["vocabulary"] = reference["size"]
    workers, facts = {}, {}
    try:
        for engine in case.engines:
            if engine in options.engines:
                say(f"{case.name}: {NAMES[engine]}")
                workers[engine], facts[engine] = load(case, engine, spec, reference["sample"], engines, options.logs)
        running = {engine: worker for engine, worker in workers.items() if worker}
        measures = [name for name in case.measures if options.wants(case, name)]
        seconds = {(name, engine): [] for name in measures for engine in running}
        for round_ in range(options.rounds if running else 0):
            for name in measures:
                for engine in list(running):
                    say(f"{case.name}, {name}: round {round_ + 1} of {options.rounds}: {NAMES[engine]}")
                    answer = running[engine].ask({"run": name})
                    if "error" in answer:
                        facts[engine]["error"] = answer["error"]
                        del running[engine]
                    else:
                        seconds[name, engine].append((answer["seconds"], answer["processor_seconds"]))
    finally:
        for worker in filter(None, workers.values()):
            worker.close()
    for name in measures:
        ours = seconds.get((name, "terse"), [])
        for engine, fact in facts.items():
            line = {"case": case.name, "measure": name, "engine": NAMES[engine], "version": fact.get("version", ""), "how": fact.get("note", "")}
            if "error" in fact:
                yield {**line, "error": fact["error"]}
                continue
            amount, unit = case.work(name)
            theirs, processor = zip(*seconds[name, engine])
            line.update(seconds=statistics.median(theirs), seconds_by_round=theirs, processor_seconds=statistics.median(processor),
                        processor_seconds_by_round=processor,
                        rate=amount / statistics.median(theirs), unit=unit, difference=fact["difference"])
            if engine != "terse" and len(ours) == len(theirs):
                ratios = [their / our for their, (our, _) in zip(theirs, ours)]
                line.update(ratio=statistics.median(ratios), ratio_spread=[min(ratios), max(ratios)],
                            processor_ratio=line["processor_seconds"] / statistics.median(our for _, our in ours))
            yield line


def say(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def print_case(lines):
    say("")
    print(f"\n{lines[0]['case']}\n  {'':18}{'engine':14}{'ms':>10}{'spread':>20}{'rate':>18}{'Terse is':>10}{'':17}{'CPU':>7}{'difference':>12}  how")
    shown = None
    for line in lines:
        name = "" if line["measure"] == shown else line["measure"]
        shown = line["measure"]
        if "error" in line:
            print(f"  {name:18}{line['engine']:14}  {line['error']}")
            continue
        low, high = min(line["seconds_by_round"]) * 1e3, max(line["seconds_by_round"]) * 1e3
        ratio = "{:>10}{:>17}{:>7}".format("", "", "")
        if "ratio" in line:
            spread = "({:.2f} to {:.2f})".format(*line["ratio_spread"])
            ratio = f"{line['ratio']:9.2f}x{spread:>17}{line['processor_ratio']:6.2f}x"
        print(f"  {name:18}{line['engine']:14}{line['seconds'] * 1e3:10.3f}{f'{low:.3f} to {high:.3f}':>20}{line['rate']:9.4g} {line['unit']:11}"
              f"{ratio}{line['difference']:9.2g}  {line['how']}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scratch")
    parser.add_argument("--programs", required=True)
    parser.add_argument("--cpu-level", required=True)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--match", default="")
    parser.add_argument("--engines", default=",".join(NAMES))
    parser.add_argument("--linear", default="24x5632x2048")
    parser.add_argument("--encoder", default="base")
    parser.add_argument("--language-model", action="append", default=[])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    options.scratch, options.engines = os.path.abspath(options.scratch), options.engines.split(",")
    if set(options.engines) - set(NAMES):
        fail(f"expected --engines of {', '.join(NAMES)}; got '{','.join(options.engines)}'", 2)
    if not re.fullmatch(r"[1-9]\d*x[1-9]\d*x[1-9]\d*", options.linear):
        fail(f"expected --linear=COUNTxNxK; got '{options.linear}'", 2)
    if options.encoder not in ENCODERS:
        fail(f"expected --encoder of {', '.join(ENCODERS)}; got '{options.encoder}'", 2)
    for path in options.language_model:
        if not os.path.isfile(path):
            fail(f"cannot open '{path}'", 1)
    cases = [*linear_cases(options.scratch, options.linear), *encoder_cases(options.scratch, options.encoder)]
    for path in options.language_model or [None]:
        cases += language_cases(options.scratch, path, "1b", options.threads)
    try:
        options.wants = lambda case, measure: re.search(options.match, f"{case.name}, {measure}")
        wanted = [case for case in cases if any(options.wants(case, measure) for measure in case.measures)]
    except re.error as error:
        fail(f"--match: {error}", 2)
    if not wanted:
        fail(f"no case matches '{options.match}' (cases: {', '.join(case.name for case in cases)})", 2)
    options.logs = os.path.join(options.scratch, "logs")
    try:
        os.makedirs(options.logs, exist_ok=True)
    except OSError as error:
        fail(f"cannot make the folder '{options.scratch}': {error.strerror}", 1)

    build = os.path.dirname(os.path.realpath(options.programs))
    packages = [os.path.join(HERE, "..", "python"), os.path.join(HERE, "..", "..", "..", "python")]  # installed, or in the source tree
    options.common = {"threads": options.threads, "level": options.cpu_level, "tersec": os.path.join(options.programs, "tersec"),
                      "compiler": os.path.join(build, "lib", "libTerse.so.0"),
                      "package": next((path for path in packages if os.path.isdir(os.path.join(path, "terse"))), packages[0])}
    lines, engines = [], Engines(options.scratch)
    for case in wanted:
        try:
            found = list(measure(case, options, engines))
        except (RuntimeError, subprocess.CalledProcessError) as error:  # nobody has the model
            why = last_line(getattr(error, "stderr", None) or str(error))
            found = [{"case": case.name, "measure": name, "engine": NAMES[engine], "error": why} for name in case.measures if options.wants(case, name)
                     for engine in case.engines if engine in options.engines]
        lines += found
        if found and not options.json:
            print_case(found)
    if options.json:
        json.dump({"threads": options.threads, "cpu_level": options.cpu_level, "rounds": options.rounds, "measurements": lines}, sys.stdout, indent=1)
        print()
    if all("error" in line for line in lines):
        fail("nothing could be measured", 1)


if __name__ == "__main__":
    main()
