include "mlir/Pass/PassBase.td"

def LowerToLinalg : Pass<"terse-lower-to-linalg", "::mlir::ModuleOp"> {
  let summary = "gives every terse operation its plain meaning";
  let description = [{
    Rewrites every operation of the terse dialect to linalg, tensor, arith and
    math on tensors, by its definition: plain floating point, sums of f16, bf16
    and f32 in f32, sums of f64 in f64. This is the oracle that optimised paths are compared
    with, and what runs wherever there is no kernel.

    Weights must have been placed before (`kernel.weight`); those whose
    data are in the IR become constants.

    Example, the softmax of rows:
    ```mlir
    %y = terse.softmax %x {axis = 1 : i64} : tensor<?x8xf32>
    ```
    becomes a `linalg.generic` each for the maximum, the exponentials, their
    sum and the quotients.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::math::MathDialect", "::mlir::tensor::TensorDialect"];
}
