# RUN: %python %s %t
"""A pass written outside the tree changes what tersec makes and terse-opt prints.

The pass is the scaffold's, with its body replaced; it is built against the
installed package.
"""

import re
import shutil

from endtoend import *

folder = sys.argv[1]
shutil.rmtree(folder, ignore_errors=True)
must("cmake", "--install", BUILD, "--prefix", folder + "/prefix")
must(folder + "/prefix/bin/terse-new-pass", "FlipLogits", "compress", "--out-of-tree", folder)
source = folder + "/FlipLogits/FlipLogits.cpp"
text = open(source).read()
body = '''  void runOnOperation() override {
    getOperation()->walk([](func::ReturnOp op) {
      OpBuilder builder(op);
      Value logits = op.getOperand(0);
      op.setOperand(0, arith::NegFOp::create(builder, op.getLoc(), logits));
    });
  }
'''
text, count = re.subn(r"  void runOnOperation\(\).*?\n  }\n", lambda _: body, text, flags=re.S)
assert count == 1
text = ('#include "mlir/Dialect/Arith/IR/Arith.h"\n#include "mlir/Dialect/Func/IR/FuncOps.h"\n'
        + text)
open(source, "w").write(text)
must("cmake", "-S", folder + "/FlipLogits", "-B", folder + "/build", "-G", "Ninja",
     f"-DCMAKE_PREFIX_PATH={folder}/prefix", "-DCMAKE_C_COMPILER=clang-22",
     "-DCMAKE_CXX_COMPILER=clang++-22", f"-DTERSE_SANITIZE={os.environ['TERSE_SANITIZE']}")
must("cmake", "--build", folder + "/build", "--target", "FlipLogits")
plugin = folder + "/build/plugins/FlipLogits.so"

module = folder + "/in.mlir"
open(module, "w").write("func.func @f(%x: tensor<2xf32>) -> tensor<2xf32> {\n"
                        "  return %x : tensor<2xf32>\n}\n")
out = must("terse-opt", module, f"--load-pass-plugin={plugin}", "--terse-flip-logits").stdout
check("arith.negf" in out, "terse-opt: the pass is a flag and changes the module")

model = os.path.join(SHIPPED, "torchscript_past.onnx")
prompt = "--prompt-ids=691,617,262,515"
for name, options in [
        ("plain", []),
        ("flipped", [f"--load-pass-plugin={plugin}", "--at=compress:terse-flip-logits"])]:
    must("tersec", model, "-o", f"{folder}/{name}.so", *options)
plain, flipped = (terse_run(f"{folder}/{name}.so", prompt, "--max-tokens=5", "--ignore-eos")
                  for name in ("plain", "flipped"))
check(plain["token_ids"] != flipped["token_ids"],
      f"tersec: other text: {plain['token_ids']}, {flipped['token_ids']}")
result = run("tersec", model, "-o", folder + "/none.so", "--at=compress:terse-flip-logits")
check(result.returncode > 0 and "terse-flip-logits" in result.stderr,
      "tersec: without the plug-in the pass is unknown")
finish()
