include "mlir/Pass/PassBase.td"

def RecognizeRope : Pass<"terse-recognize-rope", "::mlir::ModuleOp"> {
  let summary = "finds rotary position embeddings";
  let description = [{
    A tensor is a rotary embedding (`terse.rope`) when each of its elements is x[i] cos - x[j] sin or
    x[j] cos + x[i] sin of one pair (i, j) of a head's elements, with the same cos and sin for all
    heads. Elements are traced by evaluation, so it does not matter whether the exporter wrote halves,
    negated concatenations, interleaved slices or a rotation of a part of the head. The result is
    token-major, with tables of half the rotated size.
  }];
  let dependentDialects = ["::terse::TerseDialect", "::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect",
                           "::mlir::arith::ArithDialect"];
}
