# RUN: %python %s
"""The shipped model's code under ThreadSanitizer: every barrier that is needed is there.

The code as it is (plain, and w4 with its kernels) has no data race among four threads. Some barriers taken away one by one show that a
missing one would be seen: those of one layer, tried from the middle of the code on, until two of them show.
"""
import itertools
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


#: A barrier by its number, so that one can be left out.
BARRIER = """
extern void terse_barrier(void *);
static int left_out = -1;
void numbered_barrier(void *barrier, int32_t number) { if (number != left_out) terse_barrier(barrier); }
"""


def program(compiled, text, symbols, weights):
    """C of a program that calls the code twice; `text` is the module before the target stage."""
    arguments, results = re.search(r"func\.func @forward\((.*)\) -> (.*) \{$", text, re.M).groups()
    results = re.sub(r"\{[^}]*terse\.state[^}]*\}", "", results)  # these are arguments
    given = re.findall(r'terse\.symbol = "([^"]*)"', arguments)
    shapes = [re.findall(r'"([^"]*)"', dims) for dims in re.findall(r"terse\.dims = \[([^\]]*)\]", arguments + results)]
    lines = ["#include <stdint.h>", "#include <stdlib.h>", "int64_t drive(void **, void *, int64_t);", BARRIER,
             "int main(int count, char **arguments) {", "  left_out = atoi(arguments[1]);",
             f"  void *a[{len(compiled.arguments)}];"]
    for k, (type, _) in enumerate(compiled.arguments):
        if type == "index":
            lines.append(f"  a[{k}] = (void *){symbols[given.pop(0)]}l;")
            continue
        shape = sizes(shapes.pop(0), symbols)
        strides = [int(np.prod(shape[i + 1:], dtype=np.int64)) for i in range(len(shape))]
        lines.append(f"  int64_t d{k}[] = {{0, 0, 0, {', '.join(map(str, shape + strides))}}};")
        lines.append(f"  d{k}[0] = d{k}[1] = (int64_t)calloc({int(np.prod(shape, dtype=np.int64))} + 8, 8); a[{k}] = d{k};")
    assert not shapes
    lines += [f"  int64_t w[] = {{0, 0, 0, {weights}, 1}};", f"  w[0] = w[1] = (int64_t)calloc({weights} + 64, 1);",
              f"  for (int run = 0; run < 2; ++run) if (drive(a, w, {THREADS}) < 0) return 1;", "  return 0;", "}"]
    return "\n".join(lines)


def instrument(compiled):
    """Makes an object of the code for ThreadSanitizer in its folder; returns how many barriers it has."""
    path = lambda name: os.path.join(compiled.folder.name, name)
    with open(path("c.ll")) as file:
        code = re.sub(r"^(define [^{]*?)( #\d+)? \{$", r"\1\2 sanitize_thread {", file.read(), flags=re.M)
    numbers = itertools.count()
    code = re.sub(r"call void @terse_barrier\((.*?)\)", lambda call: f"call void @numbered_barrier({call[1]}, i32 {next(numbers)})", code)
    with open(path("t.ll"), "w") as file:
        file.write(code + "\ndeclare void @numbered_barrier(ptr, i32)\n")
    # ThreadSanitizer passes over masked accesses and those wider than 16 bytes.
    subprocess.run([harness.tool("opt"), "-mtriple=x86_64-linux-gnu", "-passes=scalarize-masked-mem-intrin,scalarizer<load-store>", path("t.ll"),
                    "-S", "-o", path("t.ll")], check=True)
    for source in ("t.ll", "driver.c"):
        subprocess.run([harness.tool("clang"), "-O1", "-fsanitize=thread", "-Wno-override-module", "-c", path(source), "-o", path(source + ".o")], check=True)
    return next(numbers)


def link(compiled, main):
    """A program of the code and this main function."""
    path = lambda name: os.path.join(compiled.folder.name, name)
    with open(path("main.c"), "w") as file:
        file.write(main)
    subprocess.run([harness.tool("clang"), "-O1", "-fsanitize=thread", path("t.ll.o"), path("driver.c.o"), path("main.c"), "-lm", "-lpthread",
                    "-o", path("t")], check=True)
    return path("t")


def races(program, without=-1):
    """Whether ThreadSanitizer finds a race, with barrier number `without` left out."""
    done = subprocess.run([program, str(without)], capture_output=True, text=True, timeout=1000)
    found = "data race" in done.stderr
    assert found or done.returncode == 0, done.stderr
    return found


with tempfile.TemporaryDirectory() as folder:
    for name, options, before in (("plain", ["-O0"], []), ("w4", ["--recipe=w4"], ["--terse-kernel-stage=level=baseline"])):
        layout = os.path.join(folder, name + ".mlir")
        subprocess.run([harness.tool("tersec"), MODEL, *options, "--stop-after=layout", "-o", layout], check=True)
        with open(layout) as file:
            # Attributes of the module are for the artifact.
            text = re.sub(r"^module attributes .*\{$", "module {", file.read(), flags=re.M)
        compiled = harness.Compiled(text, before=before, fuse=name != "plain")
        spans = [int(offset) for offset in re.findall(r"kernel\.weight .* at (\d+) :", text)]
        count = instrument(compiled)
        weights = max(spans) + (4 << 20)  # the last one is smaller
        for batch, sequence, past, keep in ((1, 1, 3, 1), (2, 5, 0, 2)):
            symbols = {"batch_size": batch, "sequence_length": sequence, "past_sequence_length": past, "past": past, "capacity": 16,
                       "logits_to_keep": keep}
            binary = link(compiled, program(compiled, text, symbols, weights))
            if races(binary):
                sys.exit(f"FAILED {name}: a data race with {symbols}")
        # Threads split some neighbouring work alike, so not every barrier shows at these sizes; of a layer's dozen, many do.
        seen, missed = [], []
        for i in range(count // 2, count // 2 + 16):
            (seen if races(binary, without=i) else missed).append(i)
            if len(seen) == 2:
                break
        else:
            sys.exit(f"FAILED {name}: a data race without {seen} only, none without {missed} of {count} barriers")
        print(name, "ok,", count, "barriers; a race without", seen, "none without", missed, flush=True)
