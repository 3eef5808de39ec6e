# RUN: %python %s %t
"""pip installs the package, from the build folder and from an installed prefix, and it needs nothing else then."""

import shutil
import zipfile

from endtoend import *

folder = sys.argv[1]
shutil.rmtree(folder, ignore_errors=True)
os.makedirs(folder)
pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-cache-dir"]
must(*pip, "wheel", "--no-deps", "--no-index", "-w", folder, f"--config-settings=build={BUILD}", SOURCE + "/python")
wheels = [name for name in os.listdir(folder) if name.endswith(".whl")]
check(len(wheels) == 1 and wheels[0].startswith("terse-0.1.0-py3-none-manylinux_"), f"a wheel: {wheels}")
names = zipfile.ZipFile(f"{folder}/{wheels[0]}").namelist()
check({"terse/__init__.py", "terse/py.typed", "terse/lib/libterse_rt.so.0", "terse/lib/libTerse.so.0"} <= set(names),
      f"it has the package and the libraries: {len(names)} files, "
      f"{os.path.getsize(f'{folder}/{wheels[0]}') / 1e6:.1f} MB")
must(*pip, "install", "--no-deps", "--no-index", "--target", folder + "/wheel", f"{folder}/{wheels[0]}")
must("cmake", "--install", BUILD, "--prefix", folder + "/prefix")
must(*pip, "install", "--no-deps", "--no-index", "--target", folder + "/installed", folder + "/prefix/share/terse/python")
must(*pip, "install", "--no-deps", "--no-index", "--target", folder + "/named",
     f"--config-settings=prefix={folder}/prefix", SOURCE + "/python")
result = run(*pip, "install", "--no-deps", "--no-index", "--target", folder + "/none",
             "--config-settings=prefix=/nowhere", SOURCE + "/python")
check(result.returncode and "expected an installed Terse in '/nowhere'" in result.stdout + result.stderr,
      "a prefix without Terse is refused")

path = os.path.join(SHIPPED, "torchscript_past.onnx")
tokenizer = os.path.join(SHIPPED, "tokenizer.model")
artifact = compile_model(path, f"--tokenizer={tokenizer}")
tiny = os.path.join(SOURCE, "test", "Pipeline", "Inputs", "tiny.mlir")
program = """
import sys, terse
model = terse.load(sys.argv[1])
print(model.generate("Once upon a time", max_tokens=10).read())
try:
    print(terse.load(terse.compile(sys.argv[2], sys.argv[3], levels="baseline"))(x=[[1.0, 2, 3, 4]])["y"].shape)
except terse.LibraryError as error:
    print("LibraryError", error)
libraries = {line.split()[-1] for line in open("/proc/self/maps") if "erse" in line.split()[-1].rpartition("/")[2]}
print(sorted(name for name in libraries if not name.startswith((sys.argv[4], sys.argv[1], sys.argv[3]))))
"""


def try_package(where, out="out.so"):
    return must(sys.executable, "-c", program, artifact, tiny, f"{folder}/{out}", f"{folder}/{where}/", cwd=folder,
                env={"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{folder}/{where}"}).stdout.splitlines()


expected = terse_run(artifact, "--prompt=Once upon a time", "--max-tokens=10")["text"]
for where in ("wheel", "installed", "named"):
    lines = try_package(where)
    check(lines == [expected, "(1, 8)", "[]"], f"{where}: loads, generates and compiles with its own libraries: {lines}")
must(sys.executable, "-c", f"""
import terse
terse.compile({tiny!r}, {folder + '/program'!r}, emit="exe", levels="baseline")""", cwd=folder,
     env={"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{folder}/wheel"})
check("Runs the model in this program" in must(folder + "/program", "--help").stdout, "a program from the wheel")

# Without the compiler's library artifacts run as before, and compiling says what is missing.
os.remove(folder + "/wheel/terse/lib/libTerse.so.0")
lines = try_package("wheel")
check(lines[0] == expected and lines[1].startswith("LibraryError cannot load libTerse.so.0: ")
      and "libmlir-22" in lines[1] and lines[2] == "[]", f"without the compiler: {lines[1]}")
finish()
