include "mlir/Pass/PassBase.td"

def Integerize : Pass<"terse-integerize", "::mlir::ModuleOp"> {
  let summary = "float operations around quantize and dequantize become integer ones";
  let description = [{
    `linear(quantize_dynamic(x), dequantize(codes, scales))` becomes `terse.qlinear x, codes, scales`: the same
    values, by integer dot products.

    `embedding(ids, dequantize(codes, scales))` becomes `dequantize(embedding(ids, codes), embedding(ids, scales))`: rows
    are taken from the table before they are unpacked.

    Facts: `layers-integerized`, `embeddings-integerized`, and `layers-left`: layers whose weight has
    codes but whose input is not rounded, so that they stay in float.
  }];
  let dependentDialects = ["::terse::TerseDialect"];
}
