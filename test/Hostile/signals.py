# UNSUPPORTED: asan
# RUN: rm -rf %t && mkdir -p %t && %python %s %models/tales2m/torchscript_past.onnx %t
"""SIGINT, SIGTERM and SIGKILL at random moments of a compile: nothing is left of it, and
a file that was there is as it was."""

import os
import random
import signal
import subprocess
import sys
import time

model, folder = sys.argv[1:]
SEED, TRIALS = 7, 8
target = os.path.join(folder, "out.so")
command = ["tersec", model, "-o", target, "--recipe=w4", "--levels=baseline"]

begin = time.monotonic()
subprocess.run(command, check=True)
duration = time.monotonic() - begin
whole = open(target, "rb").read()
random.seed(SEED)
finished = 0
for trial in range(TRIALS):
    number = (signal.SIGKILL, signal.SIGINT, signal.SIGKILL, signal.SIGTERM)[trial % 4]
    old = trial % 3 == 0
    for name in os.listdir(folder):
        os.remove(os.path.join(folder, name))
    if old:
        with open(target, "w") as file:
            file.write("as it was")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    # Most of it in the last part, where files are written.
    time.sleep(duration * random.random() ** 0.5 * 1.05)
    process.send_signal(number)
    _, errors = process.communicate(timeout=120)
    left = os.listdir(folder)
    case = (trial, number.name, process.returncode, errors, left)
    assert "Stack dump" not in errors and process.returncode in (0, -number), case
    assert left in ([], ["out.so"]), case
    if left:
        with open(target, "rb") as file:
            content = file.read()
        # Killed after the file had its name, a compile has done its work.
        assert content == whole or (old and content == b"as it was" and process.returncode), case
    else:
        assert process.returncode and not old, case
    if process.returncode == 0: # the machine is faster than it was
        finished += 1
        duration *= 0.8
print(f"{TRIALS} compiles, {finished} of them finished first")
assert finished < TRIALS
