include "mlir/Pass/PassBase.td"

def Integerize : Pass<"terse-integerize", "::mlir::ModuleOp"> {
  let summary = "float operations around quantize and dequantize become integer ones";
  let description = [{
    `linear(quantize_dynamic(x), dequantize(codes, scales))` becomes `terse.qlinear x, codes, scales`: the same
    values, by integer dot products. `quantize_static` and `quantize_dynamic` of whole tensors likewise, with their grid. Where
    nothing rounds the input, it is rounded token by token if the file allows it (attribute `terse.round_input`); else the layer
    gets the grid `none` and multiplies floats by the codes.

    `embedding(ids, dequantize(codes, scales))` becomes `dequantize(embedding(ids, codes), embedding(ids, scales))`: rows
    are taken from the table before they are unpacked.

    `cache_update(cache, quantize_heads(rows))` of state that attention alone reads becomes an update with `bits`, and the state a cache of codes; attention
    reads it so.

    Facts: `layers-integerized`, `embeddings-integerized`, `caches-integerized`, `layers-weight-only` (of the grid `none`), and `layers-left`: layers
    whose weight's codes do not lie along the summed axis, so that they stay in float.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::tensor::TensorDialect", "::terse::TerseDialect"];
}
