include "mlir/Pass/PassBase.td"

def RecognizeAttention : Pass<"terse-recognize-attention", "::mlir::ModuleOp"> {
  let summary = "finds attention and what its masks mean";
  let description = [{
    A softmax over [batch, heads, queries, keys] between two matrix products is attention. Where its
    queries, keys and values come from is found by tracing elements, so transposes, reshapes, repeated
    KV heads, slices of one QKV projection and scale factors at any place need no pattern of their own. Its mask is
    evaluated at many points and sizes; if it is causal, windowed, or
    follows an attention_mask input, it becomes attributes and `padding`, else it stays a `bias`.
    The same is done for the bias and the keys of an attention that the file already had.
  }];
  let dependentDialects = ["::terse::TerseDialect", "::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect",
                           "::mlir::arith::ArithDialect"];
}
