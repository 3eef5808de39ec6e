# RUN: rm -rf %t && mkdir -p %t && %python %s %models/tales2m %t
"""Things that are no files of the kind that is wanted, in every place that takes one: one
error, at once."""

import os
import subprocess
import sys

models, folder = sys.argv[1:]
failures = 0
fifo = os.path.join(folder, "fifo")
os.mkfifo(fifo)
os.mkdir(folder + "/folder")
os.symlink("loop", folder + "/loop")
for name, content in (("empty", b""), ("text", b"no model at all\n" * 50), ("zeros", bytes(5000)), ("elf", b"\x7fELF\2\1\1"),
                      ("script", b"#!/bin/sh\ntouch ran\n")):
    with open(os.path.join(folder, name), "wb") as file:
        file.write(content)
places = [fifo, "/dev/zero", "/dev/null", "/proc/self/mem", folder, folder + "/none", folder + "/loop",
          *(os.path.join(folder, name) for name in ("folder", "empty", "text", "zeros", "elf", "script"))]
nothing = ("/dev/null", "/proc/self/mem", folder + "/empty", folder + "/zeros")
onnx, tokenizer = os.path.join(models, "opset23.onnx"), os.path.join(models, "tokenizer.model")
good = os.path.join(folder, "good.so")
subprocess.run(["tersec", onnx, "-o", good, "--levels=baseline"], check=True)
before = sorted(os.listdir(folder))


def refuse(*command):
    global failures
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=60,
                              stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        failures += 1
        print("FAILED: does not end:", *command)
        return
    after = sorted(os.listdir(folder))
    if done.returncode not in (1, 2) or done.stderr.count("error:") != 1 or after != before:
        failures += 1
        print("FAILED:", *command, done.returncode, done.stderr[:500], set(after) - set(before))


for place in places:
    output = os.path.join(folder, "out.so")
    # A name's ending chooses how a file is read.
    for ending in (".onnx", ".mlir"):
        link = os.path.join(folder, "model" + ending)
        os.symlink(place, link)
        before = sorted(os.listdir(folder))
        refuse("tersec", link, "-o", output)
        if place not in nothing or ending == ".onnx": # IR of no operations is IR
            refuse("terse-inspect", link)
        os.remove(link)
    before = sorted(os.listdir(folder))
    refuse("tersec", place, "-o", output)
    refuse("tersec", onnx, "-o", output, "--tokenizer", place)
    refuse("terse-run", place, "--prompt-ids", "1")
    refuse("terse-run", good, "--prompt", "a", "--tokenizer", place)
    refuse("terse-run", good, "--inputs", place)
    refuse("terse-inspect", place)
    if place in places[:8]: # the others are texts
        refuse("terse-run", good, "--perplexity", place, "--tokenizer", tokenizer, "--window", "8")
sys.exit(1 if failures else 0)
