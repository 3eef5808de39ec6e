# REQUIRES: mounts
# RUN: unshare --mount %python %s %t
"""A full disk: one error, non-zero status, no partial file."""

from endtoend import *

folder = sys.argv[1]
os.makedirs(folder, exist_ok=True)
for size in ("64k", "1m", "6m"):
    must("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder)
    result = run("tersec", os.path.join(SHIPPED, "torchscript_past.onnx"), "-o",
                 folder + "/out.so")
    check(result.returncode > 0 and result.stderr.count("error:") == 1
          and "No space left on device" in result.stderr, f"{size}: {result.stderr[:300]!r}")
    check(os.listdir(folder) == [], f"{size}: nothing is left: {os.listdir(folder)}")
    must("umount", folder)
finish()
