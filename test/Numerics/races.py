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
extern void terse_barrier(void *, const void *, int64_t);
static int left_out = -1;
void numbered_barrier(void *barrier, const void *ahead, int64_t bytes, int32_t number) { if (number != left_out) terse_barrier(barrier, ahead, bytes); }
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
        file.write(code + "\ndeclare void @numbered_barrier(ptr, ptr, i64, i32)\n")
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


#: Two layers, large enough for threads to take their last panels as they come: the counter of one must not be that of the other.
LARGE = """func.func @forward(%x: tensor<?x1024xf32> {terse.dims = ["rows", "1024"]}, %c: tensor<64x8192xi8> {terse.dims = ["64", "8192"]}, %s: tensor<64x1x16xf16> {terse.dims = ["64", "1", "16"]}) -> (tensor<?x1024xf32> {terse.dims = ["rows", "1024"]}) {
  %0 = kernel.qlinear <i4, scale = f16, zero = none> %x, %c, %s : tensor<?x1024xf32>, tensor<64x8192xi8>, tensor<64x1x16xf16> -> tensor<?x1024xf32>
  %1 = kernel.qlinear <i4, scale = f16, zero = none> %0, %c, %s : tensor<?x1024xf32>, tensor<64x8192xi8>, tensor<64x1x16xf16> -> tensor<?x1024xf32>
  return %1 : tensor<?x1024xf32>
}"""


def check(name, text, before, fuse, symbols, weights, first):
    """No race with any of `symbols`, and with the last of them two barriers, tried from `first` of all on, that are missed when they are left out."""
    compiled = harness.Compiled(text, before=before, fuse=fuse)
    count = instrument(compiled)
    for sizes in symbols:
        binary = link(compiled, program(compiled, text, sizes, weights))
        if races(binary):
            sys.exit(f"FAILED {name}: a data race with {sizes}")
    # Threads split some neighbouring work alike, so not every barrier shows at these sizes; of a layer's dozen, many do.
    seen, missed = [], []
    for i in range(int(first * count), count):
        (seen if races(binary, without=i) else missed).append(i)
        if len(seen) == 2:
            break
        if len(missed) > 14:
            sys.exit(f"FAILED {name}: a data race without {seen} only, none without {missed} of {count} barriers")
    else:
        sys.exit(f"FAILED {name}: a data race without {seen} only, none without {missed} of {count} barriers")
    print(name, "ok,", count, "barriers; a race without", seen, "none without", missed, flush=True)


with tempfile.TemporaryDirectory() as folder:
    for name, options, before in (("plain", ["-O0"], []), ("w4", ["--recipe=w4"], ["--terse-kernel-stage=level=baseline"])):
        layout = os.path.join(folder, name + ".mlir")
        subprocess.run([harness.tool("tersec"), MODEL, *options, "--stop-after=layout", "-o", layout], check=True)
        with open(layout) as file:
            # Attributes of the module are for the artifact.
            text = re.sub(r"^module attributes .*\{$", "module {", file.read(), flags=re.M)
        spans = [int(offset) for offset in re.findall(r"kernel\.weight .* at (\d+) :", text)]
        symbols = [{"batch_size": batch, "sequence_length": sequence, "past_sequence_length": past, "past": past, "capacity": 16,
                    "logits_to_keep": keep} for batch, sequence, past, keep in ((1, 1, 3, 1), (2, 5, 0, 2))]
        check(name, text, before, name != "plain", symbols, weights=max(spans) + (4 << 20), first=0.5)  # the last weight is smaller
    check("large", LARGE, ["--terse-select-kernel=level=baseline", "--terse-lower-linear=level=baseline", "--convert-kernel-mma"], True, [{"rows": 1}, {"rows": 5}], 64, first=0)
