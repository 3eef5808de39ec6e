# RUN: %python %s %t
# UNSUPPORTED: asan
"""The example in C, as include/terse-c/README.md says: found by CMake and by hand in an installed Terse, without LLVM."""

import shutil

from endtoend import *

folder = sys.argv[1]
shutil.rmtree(folder, ignore_errors=True)
prefix = folder + "/prefix"
must("cmake", "--install", BUILD, "--prefix", prefix)
example = prefix + "/share/terse/example"
must("cmake", "-S", example, "-B", folder + "/build", "-G", "Ninja", "-DCMAKE_C_COMPILER=clang-22",
     f"-DCMAKE_PREFIX_PATH={prefix}")
must("cmake", "--build", folder + "/build")
must("clang-22", "-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", example + "/generate.c", f"-I{prefix}/include",
     f"-L{prefix}/lib", f"-Wl,-rpath,{prefix}/lib", "-lterse_rt", "-lpthread", "-D_POSIX_C_SOURCE=200809L",
     "-o", folder + "/generate")

path = os.path.join(SHIPPED, "torchscript_past.onnx")
tokenizer = os.path.join(SHIPPED, "tokenizer.model")
artifact = compile_model(path, f"--tokenizer={tokenizer}")
prompt = "Once upon a time"
expected = prompt + terse_run(artifact, f"--prompt={prompt}", "--max-tokens=40")["text"]
for program in ("build/generate", "generate"):
    lines = must(f"{folder}/{program}", artifact, prompt).stdout
    check(lines.strip() == expected.strip(), f"{program}: {lines[:60]!r}")
lines = must(folder + "/generate", artifact, prompt, 4).stdout
check(lines == 4 * (must(folder + "/generate", artifact, prompt).stdout), "four threads say the same")
result = run(folder + "/generate", "/nowhere/model.so", prompt)
check(result.returncode == 1 and result.stderr.startswith("generate: error: ") and "/nowhere/model.so" in result.stderr,
      f"no model: {result.stderr}")
result = run(folder + "/generate", artifact, prompt + " and then" * 200)
check(result.returncode in (0, 1) and not result.stderr.startswith("Seg"), "a prompt longer than the example's room")

# The runtime prints nothing and never ends the process: it has no function that does.
undefined = must("nm", "-D", "--undefined-only", prefix + "/lib/libterse_rt.so").stdout.split()
names = {name.split("@")[0] for name in undefined}
forbidden = {"exit", "_exit", "abort", "quick_exit", "printf", "fprintf", "vfprintf", "puts", "fputs", "putchar",
             "perror", "__assert_fail", "_ZSt4cout", "_ZSt4cerr", "syslog"}
check("snprintf" in names and not names & forbidden, f"no printing, no exit: {sorted(names & forbidden)}")
finish()
