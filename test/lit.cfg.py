"""The suites passes/, dialects/ (a pass's or dialect's own tests) and test/.

One test or folder: `lit -v build/release/passes/normalize/DropDeadWeights`. Substitutions
beyond lit's own:

  terse-opt      checks too that the input survives printing and parsing
  %terse-opt     the same program, without that check
  %python        the Python with onnx, onnxruntime and numpy
  %data          the folder of models and texts (REQUIRES: data)
  %models        test/models, the model that the project ships
  %plugins       the folder of plug-ins that the build made
  %build         the build folder (build/<preset>)
  %source        the project's folder
  %sanitize      sanitizers of the build, as for -fsanitize=
  %fuzzers       the folder of fuzz targets that fuzz (of the preset asan)

Features: data, avx2, avx512vnni, mounts (a namespace of mounts may be made), asan, fuzzers.
"""

import os
import subprocess

import lit.formats


config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test", ".py"]
config.excludes = ["Inputs", "Reference", "lit.cfg.py", "run-tests.py", "unit", "models"]

tools = config.terse_tools_dir
data = os.environ.get("TERSE_DATA") or os.path.join(
    os.path.dirname(config.terse_source_dir), "shared", "data")
config.environment["PATH"] = os.pathsep.join(
    [tools, config.llvm_tools_dir, config.environment.get("PATH", "")])
config.environment["PYTHONDONTWRITEBYTECODE"] = "1"
config.environment["PYTHONPATH"] = os.pathsep.join(
    os.path.join(config.terse_source_dir, "test", folder)
    for folder in ("Inputs", os.path.join("EndToEnd", "Inputs")))
config.environment["TERSE_BUILD"] = config.terse_binary_dir
config.environment["TERSE_SOURCE"] = config.terse_source_dir
config.environment["TERSE_DATA"] = data
config.environment["TERSE_SANITIZE"] = config.terse_sanitize
for name in ("CCACHE_DIR", "HOME", "LANG"):
    if name in os.environ:
        config.environment[name] = os.environ[name]
if config.terse_sanitize:
    config.available_features.add("asan")

fuzzers = os.path.join(config.terse_source_dir, "build", "asan", "bin")
if os.path.exists(os.path.join(fuzzers, "fuzz-ir")):
    config.available_features.add("fuzzers")
if os.path.isdir(os.path.join(data, "models")):
    config.available_features.add("data")
mount = subprocess.run("unshare --mount mount -t tmpfs tmpfs /mnt", shell=True, capture_output=True)
if mount.returncode == 0:
    config.available_features.add("mounts")
with open("/proc/cpuinfo") as cpuinfo:
    flags = next((line for line in cpuinfo if line.startswith("flags")), "").split()
if {"avx2", "fma", "f16c", "bmi2"} <= set(flags):
    config.available_features.add("avx2")
    if {"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni"} <= set(flags):
        config.available_features.add("avx512vnni")

# First match wins: the escaped form comes before the plain name.
config.substitutions += [
    ("%terse-opt", os.path.join(tools, "terse-opt")),
    (r"(?<![-\w./%])terse-opt(?![-\w./])",
     os.path.join(tools, "terse-opt") + " --verify-roundtrip"),
    ("%python", config.python_executable),
    ("%data", data),
    ("%models", os.path.join(config.terse_source_dir, "test", "models")),
    ("%plugins", os.path.join(config.terse_binary_dir, "plugins")),
    ("%build", config.terse_binary_dir),
    ("%source", config.terse_source_dir),
    ("%sanitize", config.terse_sanitize),
    ("%fuzzers", fuzzers),
]
