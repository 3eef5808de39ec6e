# REQUIRES: mounts
# RUN: %python %S/Inputs/llama.py %t.onnx --width 512 --layers 3 --heads 8 --kv-heads 2 --ffn 1408 --vocabulary 4096
# RUN: unshare --mount %python %s %t.onnx %t
"""A compile needs little more disk than its artifact: what passes made goes as it is written."""

from endtoend import *

model, folder = sys.argv[1:]
os.makedirs(folder, exist_ok=True)
for recipe in ("w4", "w8", "keep"):
    size = os.path.getsize(compile_model(model, f"--recipe={recipe}", "--levels=avx2"))
    # Layers of one input are joined: the largest lies there twice for a moment.
    room = int(1.35 * size)
    must("mount", "-t", "tmpfs", "-o", f"size={room // 4096 * 4096}", "tmpfs", folder)
    result = run("tersec", model, f"--recipe={recipe}", "--levels=avx2", "-o", folder + "/out.so")
    check(result.returncode == 0, f"{recipe}: an artifact of {size} bytes in {room}: {result.stderr[:300]!r}")
    must("umount", folder)
finish()
