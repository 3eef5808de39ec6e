# RUN: %python %s %t
"""terse.compile is tersec: the same options, bytes and diagnostics."""

import inspect
import re
import shutil
import warnings

from endtoend import *
import onnx

import terse

folder = sys.argv[1]
shutil.rmtree(folder, ignore_errors=True)
os.makedirs(folder)
source = os.path.join(SOURCE, "test", "Pipeline", "Inputs", "tiny.mlir")
out = folder + "/out.so"

# Every option of the library is an argument, and every one of tersec an option of the library.
arguments = set(inspect.signature(terse.compile).parameters) - {"model", "output", "progress"}
check(set(terse.options()) == arguments, f"options are arguments: {sorted(set(terse.options()) ^ arguments)}")
shown = set(re.findall(r"^  --?([\w-]+)", must("tersec", "--help").stdout, re.M))
names = {"optimize": "O0", "plugins": "load-pass-plugin", "dialect_plugins": "load-dialect-plugin"}
options = {names.get(name, name.replace("_", "-")) for name in arguments}
check(shown - {"help", "help-list", "version", "o", "quiet"} == options,
      f"options are tersec's: {sorted(shown ^ options)}")
documented = re.findall(r"^        (\w+): ", terse.compile.__doc__, re.M)
check(set(documented) >= arguments, f"options are documented: {sorted(arguments - set(documented))}")

compiled = terse.compile(source, out, recipe="f16", context=77, levels="baseline,avx2")
must("tersec", source, "-o", folder + "/tersec.so", "--recipe=f16", "--context=77", "--levels=baseline,avx2")
check(open(compiled, "rb").read() == open(folder + "/tersec.so", "rb").read(), "the bytes are tersec's")
check(terse.load(out).manifest["context"] == 77, "--context is in the artifact")
terse.compile(source, out, levels=["avx2"], at={"compress": "cse"}, optimize=False, threads=1)
check(terse.load(out).manifest["levels"] == ["avx2"], "lists and mappings")
report = terse.compile(source, out, report=True, levels="avx2").report
check(any("softmaxes-not-recognized" in line for line in report), f"a report of {len(report)} facts")
lines = []
terse.compile(source, out, levels="avx2", progress=lines.append)
check(lines and "wrote" in lines[-1], f"progress: {lines[-1]}")
program = terse.compile(source, folder + "/program", emit="exe", levels="avx2")
check("Runs the model in this program" in must(program.path, "--help").stdout, "a program")
terse.compile(source, folder + "/out.mlir", stop_after="normalize")
check("terse.linear" in open(folder + "/out.mlir").read(), "IR of a stage")
terse.compile(source, folder + "/out.mlir", recipe="w4:format=nf4", stop_after="compress")
check({layer.codebook for layer in terse.inspect(folder + "/out.mlir").layers if layer.kind == "linear"} == {"nf4"}, "inspect: codes of a table")

# A model in memory, small and with its weights beside it.
path = os.path.join(SHIPPED, "opset23.onnx")
terse.compile(onnx.load(path), out, levels="avx2")
must("tersec", path, "-o", folder + "/file.so", "--levels=avx2")
check(terse.inspect(out).hashes["weights"] == terse.inspect(folder + "/file.so").hashes["weights"], "an onnx.ModelProto")


def refused(kind, text, call):
    try:
        call()
    except kind as error:
        check(text in str(error), f"refused: {error}")
        return error
    check(False, f"expected {kind.__name__}: {text}")


os.remove(out)
before = sorted(os.listdir(folder))
refused(TypeError, "compile() has no argument 'recipie'; did you mean 'recipe'?",
        lambda: terse.compile(source, out, recipie="w4"))
refused(TypeError, "expected a path or an onnx.ModelProto; got int", lambda: terse.compile(3, out))
for text, options in [("error: unknown recipe 'w44'; did you mean 'w4'?", {"recipe": "w44"}),
                      ("unknown key of the recipe 'w4': 'groupsize'; did you mean 'group-size'?",
                       {"recipe": "w4:groupsize=64"}),
                      ("expected a recipe or passes; got both", {"recipe": "w4", "pass_pipeline": "cse"}),
                      ("emit: unknown kind of output 'dll'", {"emit": "dll"}),
                      ("unknown CPU level 'avx'; did you mean 'avx2'?", {"levels": "avx"}),
                      ("at: expected STAGE:PASSES; got 'cse'", {"at": ["cse"]}),
                      ("stop-after: unknown stage 'normal'; did you mean 'normalize'?", {"stop_after": "normal"}),
                      ("threads: expected a whole number of at least 0; got '-1'", {"threads": -1}),
                      ("cannot read the tokenizer '/nowhere'", {"tokenizer": "/nowhere"}),
                      ("plug-in '/nowhere.so'", {"plugins": ["/nowhere.so"]})]:
    refused(terse.CompileError, text, lambda: terse.compile(source, out, **options))
refused(terse.CompileError, "cannot open '/nowhere.onnx'", lambda: terse.compile("/nowhere.onnx", out))
refused(terse.CompileError, "cannot write '/nowhere/out.so'", lambda: terse.compile(source, "/nowhere/out.so"))

# Diagnostics have their place.
broken = folder + "/broken.mlir"
open(broken, "w").write("func.func @forward(%x: tensor<2xf32>) -> tensor<3xf32> {\n  return %x : tensor<2xf32>\n}\n")
error = refused(terse.CompileError, "broken.mlir:2:", lambda: terse.compile(broken, out))
check(error.diagnostics[0].severity == "error" and error.diagnostics[0].location.startswith(broken + ":2:"),
      f"diagnostics: {error.diagnostics}")
graph = onnx.helper.make_graph(
    [onnx.helper.make_node("StringNormalizer", ["x"], ["y"], name="first")], "g",
    [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.STRING, [1])],
    [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.STRING, [1])])
onnx.save(onnx.helper.make_model(graph), folder + "/strings.onnx")
error = refused(terse.CompileError, "", lambda: terse.compile(folder + "/strings.onnx", out))
check(error.diagnostics[0].location.startswith(folder + "/strings.onnx"), f"of an ONNX file: {error}")


def failing(line):
    raise RuntimeError("from the callback")


refused(RuntimeError, "from the callback", lambda: terse.compile(source, out, progress=failing))
check(sorted(os.listdir(folder)) == sorted([*before, "broken.mlir", "strings.onnx"]), "no file is left")
finish()
