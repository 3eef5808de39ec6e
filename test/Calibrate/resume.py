# RUN: %python %s %t
"""A calibration that is killed at any moment and started again ends with the bytes of one that was not; nothing is taken from a folder of
another calibration."""
import random
import shutil
import signal
import sys
import time

from endtoend import *

import onnx

from shorten import shorten

folder = sys.argv[1]
shutil.rmtree(folder, ignore_errors=True)
os.makedirs(folder)
MODEL = os.path.join(folder, "model.onnx")
onnx.save(shorten(os.path.join(SHIPPED, "torchscript_past.onnx"), 3), MODEL)
KEPT = os.path.join(folder, "kept")


def command(name, *more):
    return ["tersec", MODEL, "-o", os.path.join(folder, name + ".so"), LEVEL,
            f"--tokenizer={os.path.join(SHIPPED, 'tokenizer.model')}", f"--calib={os.path.join(SHIPPED, 'held-out.txt')}",
            "--calib-windows=4", "--calib-window=32", "--recipe=w4:group-size=64,rotate=hadamard", *more]


def content(name):
    with open(os.path.join(folder, name), "rb") as file:
        return file.read()


must(*command("whole", f"--save-statistics={folder}/whole.tstats"))
rng = random.Random(5)
kills = 0
KILLS = 5
for attempt in range(KILLS + 1):
    child = subprocess.Popen(command("parts", f"--calib-dir={KEPT}", f"--save-statistics={folder}/parts.tstats"),
                             stderr=subprocess.PIPE, text=True)
    try:
        errors = child.communicate(timeout=0.5 + rng.random() * 3 if attempt < KILLS else None)[1]
    except subprocess.TimeoutExpired:
        child.send_signal(rng.choice([signal.SIGKILL, signal.SIGINT]))
        child.communicate()
        kills += 1
        check(not os.path.exists(os.path.join(folder, "parts.so")), f"no artifact of an interrupted compile ({attempt})")
        continue
    check(child.returncode == 0, f"run {attempt} ends: {errors[-300:]}")
    break
check(kills >= 2, f"it was interrupted {kills} times")
check(content("parts.so") == content("whole.so"), "the artifact has the same bytes")
check(content("parts.tstats") == content("whole.tstats"), "so have the statistics")

other = run(*[part.replace("--calib-windows=4", "--calib-windows=3") for part in command("other", f"--calib-dir={KEPT}")])
check(other.returncode == 1 and "is of another calibration" in other.stderr, f"another calibration: {other.stderr}")
os.makedirs(os.path.join(folder, "strange"))
with open(os.path.join(folder, "strange", "file"), "w") as file:
    file.write("mine")
strange = run(*command("strange", f"--calib-dir={folder}/strange"))
check(strange.returncode == 1 and "empty or of a calibration" in strange.stderr, f"a folder of something else: {strange.stderr}")
finish()
