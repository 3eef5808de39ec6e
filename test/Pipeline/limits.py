# RUN: %python %s %models/tales2m/torchscript_past.onnx %t
"""A limit on the size of files acts as a full disk does: one error and nothing left."""
import os
import resource
import shutil
import subprocess
import sys

model, folder = sys.argv[1:]
shutil.rmtree(folder, ignore_errors=True)
os.makedirs(folder)
subprocess.run(["tersec", model, "-o", folder + "/old.so", "--levels=baseline"], check=True)
old = open(folder + "/old.so", "rb").read()
for kilobytes in (0, 4, 300, 4000, len(old) // 1000 - 100):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (kilobytes * 1000, kilobytes * 1000))

    done = subprocess.run(["tersec", model, "-o", folder + "/old.so", "--recipe=keep", "--levels=baseline,avx2"],
                          stderr=subprocess.PIPE, text=True, preexec_fn=limit)
    assert done.returncode == 1, (kilobytes, done)
    assert done.stderr.count("error:") == 1 and "too large" in done.stderr, (kilobytes, done.stderr)
    # The file that was there is as it was.
    assert os.listdir(folder) == ["old.so"], (kilobytes, os.listdir(folder))
    assert open(folder + "/old.so", "rb").read() == old
