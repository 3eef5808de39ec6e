"""Compiles small graphs of other architectures and exporters, runs them and compares with ONNX Runtime's outputs.

  graphs.py FOLDER [tersec options] NAME...

Each case has its inputs, outputs and tolerance beside it, and the folder's own run.py compares.
"""
import argparse
import importlib.util
import os
import pathlib
import re
import sys

folder, options, names = sys.argv[1], [o for o in sys.argv[2:] if o.startswith("-")], [n for n in sys.argv[2:] if not n.startswith("-")]
if not os.path.isdir(folder):
    print(f"skipped: no {folder}")
    sys.exit(0)
spec = importlib.util.spec_from_file_location("run", os.path.join(folder, "run.py"))
graphs = importlib.util.module_from_spec(spec)
spec.loader.exec_module(graphs)

with open("/proc/cpuinfo") as cpuinfo:
    flags = set(re.search(r"^flags.*", cpuinfo.read(), re.M).group().split())
level = "avx2" if {"avx2", "fma", "f16c", "bmi2"} <= flags else "baseline"
settings = argparse.Namespace(compile=f"tersec {{onnx}} --levels={level} {' '.join(options)} -o {{so}}", run="terse-run {so} --inputs {npz} --outputs {out}",
                              strict=False, scale=1.0, prefix=False, timeout=300)
bad = 0
for name in names:
    status, message, difference = graphs.one(pathlib.Path(folder) / name, settings)
    print(f"{name}: {status} {difference:.2g} {message}", flush=True)
    bad += status != "pass"
sys.exit(1 if bad or not names else 0)
