# RUN: %python %s
"""The shipped model's code under ThreadSanitizer: every barrier that is needed is there.

The code as it is (plain, and w4 with its kernels) has no data race among four threads. Some barriers taken away one by one show that a
missing one would be seen.
"""
import os
import re
import subprocess
import sys
import tempfile

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
import harness

MODEL = os.path.join(os.environ["TERSE_SOURCE"], "test", "models", "tales2m", "torchscript_past.onnx")
THREADS = 4


def sizes(shape, symbols):
    return [int(eval(text, {}, symbols)) for text in shape]


def program(compiled, text, symbols, weights):
    """C of a program that calls the code twice; `text` is the module before the target stage."""
    arguments, results = re.search(r"func\.func @forward\((.*)\) -> (.*) \{$", text, re.M).groups()
    results = re.sub(r"\{[^}]*terse\.state[^}]*\}", "", results)  # these are arguments
    shapes = [re.findall(r'"([^"]*)"', dims) for dims in re.findall(r"terse\.dims = \[([^\]]*)\]", arguments + results)]
    lines = ["#include <stdint.h>", "#include <stdlib.h>", "int64_t drive(void **, void *, int64_t);", "int main() {",
             f"  void *a[{len(compiled.arguments)}];"]
    for k, (type, _) in enumerate(compiled.arguments):
        if type == "index":
            lines.append(f"  a[{k}] = (void *){symbols['past']}l;")
            continue
        shape = sizes(shapes.pop(0), symbols)
        strides = [int(np.prod(shape[i + 1:], dtype=np.int64)) for i in range(len(shape))]
        lines.append(f"  int64_t d{k}[] = {{0, 0, 0, {', '.join(map(str, shape + strides))}}};")
        lines.append(f"  d{k}[0] = d{k}[1] = (int64_t)calloc({int(np.prod(shape, dtype=np.int64))} + 8, 8); a[{k}] = d{k};")
    assert not shapes
    lines += [f"  int64_t w[] = {{0, 0, 0, {weights}, 1}};", f"  w[0] = w[1] = (int64_t)calloc({weights} + 64, 1);",
              f"  for (int run = 0; run < 2; ++run) if (drive(a, w, {THREADS}) < 0) return 1;", "  return 0;", "}"]
    return "\n".join(lines)


def races(compiled, main, without=None):
    """Whether ThreadSanitizer finds a race, with barrier number `without` taken away."""
    folder = compiled.folder.name
    with open(os.path.join(folder, "c.ll")) as file:
        code = re.sub(r"^(define [^{]*?)( #\d+)? \{$", r"\1\2 sanitize_thread {", file.read(), flags=re.M)
    barriers = [match.span() for match in re.finditer(r"call void @terse_barrier\(.*", code)]
    if without is not None:
        start, end = barriers[without % len(barriers)]
        code = code[:start] + code[end:]
    for name, content in (("t.ll", code), ("main.c", main)):
        with open(os.path.join(folder, name), "w") as file:
            file.write(content)
    path = lambda name: os.path.join(folder, name)
    # ThreadSanitizer passes over masked accesses and those wider than 16 bytes.
    subprocess.run([harness.tool("opt"), "-mtriple=x86_64-linux-gnu", "-passes=scalarize-masked-mem-intrin,scalarizer<load-store>", path("t.ll"),
                    "-S", "-o", path("t.ll")], check=True)
    subprocess.run([harness.tool("clang"), "-O1", "-fsanitize=thread", "-Wno-override-module", path("t.ll"), path("driver.c"), path("main.c"),
                    "-lm", "-lpthread", "-o", path("t")], check=True)
    done = subprocess.run([path("t")], capture_output=True, text=True, timeout=300)
    found = "data race" in done.stderr
    assert found or done.returncode == 0, done.stderr
    return found, len(barriers)


with tempfile.TemporaryDirectory() as folder:
    for name, options, before in (("plain", ["-O0"], []), ("w4", ["--recipe=w4"], ["--terse-kernel-stage=level=baseline"])):
        layout = os.path.join(folder, name + ".mlir")
        subprocess.run([harness.tool("tersec"), MODEL, *options, "--stop-after=layout", "-o", layout], check=True)
        with open(layout) as file:
            # Attributes of the module are for the artifact.
            text = re.sub(r"^module attributes .*\{$", "module {", file.read(), flags=re.M)
        compiled = harness.Compiled(text, before=before, fuse=name != "plain")
        spans = [int(offset) for offset in re.findall(r"kernel\.weight .* at (\d+) :", text)]
        weights = max(spans) + (4 << 20)  # the last one is smaller
        for batch, sequence, past in ((1, 1, 3), (2, 5, 0)):
            symbols = {"batch_size": batch, "sequence_length": sequence, "past_sequence_length": past, "past": past, "capacity": 16}
            main = program(compiled, text, symbols, weights)
            found, count = races(compiled, main)
            if found:
                sys.exit(f"FAILED {name}: a data race with {symbols}")
        # Threads split some neighbouring work alike, so not every barrier shows at these sizes.
        tried = range(1, count, max(count // 3, 1))
        missed = [i for i in tried if not races(compiled, main, without=i)[0]]
        if len(missed) == len(tried):
            sys.exit(f"FAILED {name}: no data race without one of the barriers {missed} of {count}")
        print(name, "ok,", count, "barriers; no race without", missed, flush=True)
