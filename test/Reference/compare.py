"""compare.py SCRATCH --data DATA --programs BUILD/bin: Terse beside the reference packages, one model, one text, equal bits.

Makes an environment for each package in SCRATCH, runs whatever SCRATCH/results.jsonl has no line for yet (so it can be stopped
and started again at any time), and prints the tables. Needs Python 3.11 and pip, the network, some 10 GB and, on two
processors, hours. --only runs some candidates, --match figures that a regular expression finds, --table nothing.
"""
import argparse
import importlib
import json
import os
import re
import subprocess
import sys
import time

from common import FORMATS, Model

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, "..", "..", "tools", "terse-bench", "peers"))
from environments import Environments, last_line

TORCH = "torch==2.14.0"
REQUIREMENTS = {
    "evaluate": [TORCH, "transformers==5.17.0", "safetensors", "sentencepiece"],
    "llmcompressor": [TORCH, "llmcompressor==0.14.0.1", "sentencepiece"],
    "gptqmodel": [TORCH, "gptqmodel==7.6.0", "sentencepiece", "setuptools"],
    "onnxruntime": [TORCH, "onnxruntime==1.32.0", "onnx==1.23.2", "onnx-ir==1.1.0", "safetensors", "sentencepiece"],
    "nncf": ["nncf==3.4.0", "openvino==2026.4.1", "onnx==1.23.2", "safetensors", "sentencepiece"],
    "neural_compressor": [TORCH, "accelerate", "neural-compressor-pt==3.10", "transformers==5.24.0", "safetensors", "sentencepiece", "setuptools"],
    "llama_cpp": [TORCH, "transformers==5.17.0", "gguf==0.19.0", "pip", "safetensors", "sentencepiece", "cmake", "ninja"],
}


class Results:
    """Lines of JSON: candidate, figure and either perplexity and bits, or why there are none."""

    def __init__(self, path):
        self.path, self.lines = path, []
        if os.path.exists(path):
            with open(path) as file:
                self.lines = [json.loads(line) for line in file]

    def add(self, candidate, figure, **what):
        self.lines.append({"candidate": candidate, "figure": figure, **what})
        with open(self.path, "a") as file:
            file.write(json.dumps(self.lines[-1]) + "\n")
        print(candidate, figure, *what.values(), flush=True)

    def has(self, candidate, figure):
        return any((line["candidate"], line["figure"]) == (candidate, figure) for line in self.lines)


def evaluate(python, data, paths):
    said = subprocess.run([python, os.path.join(HERE, "evaluate.py"), data, *paths], capture_output=True, text=True)
    if said.returncode:
        sys.exit(f"compare: the evaluator failed: {last_line(said.stderr)}")
    return {line.pop("path"): line for line in map(json.loads, filter(lambda l: l.startswith("{"), said.stdout.splitlines()))}


def read_reports(path):
    with open(path) as file:
        reports = [json.loads(line) for line in file]
    os.remove(path)
    return reports


def run_package(name, figures, args, results, environments, evaluator):
    try:
        python = environments.make(name)
    except subprocess.CalledProcessError as error:
        for figure in figures:
            results.add(name, figure, error="does not install: " + last_line(error.stderr))
        return
    folder = os.path.join(args.scratch, "out-" + name)
    os.makedirs(folder, exist_ok=True)
    reports = os.path.join(folder, "reports.jsonl")

    def take(done):
        """Measures what the package has made and writes it into the results."""
        paths = {report["figure"]: os.path.join(folder, report["figure"] + ".safetensors") for report in done if "error" not in report}
        perplexities = evaluate(evaluator, args.data, list(paths.values())) if paths else {}
        for report in done:
            path = paths.get(report["figure"])
            results.add(name, report.pop("figure"), **{**perplexities.get(path, {}), **report})
            if path and not args.keep:
                os.remove(path)

    if os.path.exists(reports):  # of a run that was stopped
        take([report for report in read_reports(reports) if not results.has(name, report["figure"])])
        figures = [figure for figure in figures if not results.has(name, figure)]
    while figures:
        with open(os.path.join(folder, "log"), "a") as log:
            subprocess.run([python, os.path.join(HERE, f"run_{name}.py"), args.data, folder, *figures], stdout=log, stderr=log,
                           env=dict(os.environ, SCRATCH=args.scratch), cwd=folder)  # some write logs where they are
        done = read_reports(reports) if os.path.exists(reports) else []
        if len(done) < len(figures):  # the process died in the one behind them
            done.append({"figure": figures[len(done)], "error": "the process died"})
        figures = figures[len(done):]
        take(done)


def run_terse(figures, args, results, model):
    import run_terse as terse
    for figure in figures:
        start = time.time()
        try:
            perplexity = terse.measure(figure, model, args.programs, args.scratch, args.threads)
        except subprocess.CalledProcessError as error:
            results.add("terse", figure, error=last_line(error.stderr))
            continue
        results.add("terse", figure, perplexity=perplexity, bits=terse.bits_of(figure), seconds=round(time.time() - start, 1))


def tables(lines):
    """For each format every figure beside the best of ours that has at most as many bits a weight."""
    measured = [line for line in lines if "perplexity" in line]
    floats = [line["perplexity"] for line in measured if line["figure"] == "float"]
    ours = [line for line in measured if line["candidate"] == "terse" and line["figure"] != "float"]

    def row(line, same):
        ppl, bits = line["perplexity"], line["bits"]
        text = f"| {line['candidate']} {line['figure'].split('-', 2)[-1] if same else line['figure']} | {bits:.3f} | {ppl:.3f} | {ppl / floats[0]:.4f} |"
        rival = [o for o in ours if o["bits"] <= bits + 1e-3 and (o["figure"].startswith(same) if same else not o["figure"].startswith("w8a8"))]
        if line["candidate"] == "terse" or not rival:
            return text + "  |"
        best = min(rival, key=lambda o: o["perplexity"])
        return text + f" {best['perplexity'] / ppl:.4f} ({best['figure']}) |"

    head = "| | bits a weight | perplexity | / float | ours / it |\n|---|---|---|---|---|"
    for name in FORMATS:
        some = sorted((line for line in measured if line["figure"].startswith(name)), key=lambda line: line["perplexity"])
        print(f"\n{name}\n\n{head}")
        for line in some:
            print(row(line, name))
    print(f"\nllama.cpp's own types\n\n{head}")
    for line in sorted((line for line in measured if line["candidate"] == "llama_cpp"), key=lambda line: line["bits"]):
        print(row(line, None))
    print("\nNot to be had:\n")
    for line in lines:
        if "error" in line:
            print(f"- {line['candidate']} {line['figure']}: {line['error']}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scratch")
    parser.add_argument("--data", required=True, help="the folder of models and texts")
    parser.add_argument("--programs", help="where tersec and terse-run are")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", default="", help="candidates, with commas between")
    parser.add_argument("--match", default="", help="regular expression of figures")
    parser.add_argument("--keep", action="store_true", help="keep the files of weights")
    parser.add_argument("--table", action="store_true", help="only print what is there")
    args = parser.parse_args()
    args.scratch, args.data = os.path.abspath(args.scratch), os.path.abspath(args.data)
    os.makedirs(args.scratch, exist_ok=True)
    results = Results(os.path.join(args.scratch, "results.jsonl"))
    if not args.table:
        # Threads that wait must sleep: others use the machine.
        os.environ.update(OMP_NUM_THREADS=str(args.threads), OMP_WAIT_POLICY="passive", TOKENIZERS_PARALLELISM="false")
        model, environments = Model(args.data), Environments(args.scratch, REQUIREMENTS)
        candidates = ["terse"] + [name for name in REQUIREMENTS if name != "evaluate"]
        wanted = args.only.split(",") if args.only else candidates
        if set(wanted) - set(candidates):
            parser.error(f"expected candidates of {', '.join(candidates)}; got {args.only}")
        evaluator = environments.make("evaluate")
        if not results.has("evaluate", "float"):
            line = evaluate(evaluator, args.data, ["float"])["float"]
            results.add("evaluate", "float", perplexity=line["perplexity"], bits=32)
        for name in wanted:
            figures = [figure for figure in importlib.import_module("run_" + name).FIGURES
                       if re.search(args.match, figure) and not results.has(name, figure)]
            if name == "terse":
                run_terse(figures, args, results, model)
            elif figures:
                run_package(name, figures, args, results, environments, evaluator)
    tables(results.lines)


if __name__ == "__main__":
    main()
