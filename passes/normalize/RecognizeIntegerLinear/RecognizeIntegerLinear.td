include "mlir/Pass/PassBase.td"

def RecognizeIntegerLinear : Pass<"terse-recognize-integer-linear", "::mlir::ModuleOp"> {
  let summary = "products of codes become layers of quantized weights";
  let description = [{
    What dynamic quantization makes of a layer, DynamicQuantizeLinear, MatMulInteger, Cast and products with the scales, computes
    `terse.linear` of a rounded input and of a weight in codes, and becomes it: a float layer that `terse-integerize` makes
    integers of, in whatever order the scales are multiplied.

    Facts: `integer-layers-recognized`, `integer-products-left`.
  }];
  let dependentDialects = ["::terse::TerseDialect", "::mlir::arith::ArithDialect", "::mlir::tensor::TensorDialect"];
}
