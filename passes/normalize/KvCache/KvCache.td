include "mlir/Pass/PassBase.td"

def KvCache : Pass<"terse-kv-cache", "::mlir::ModuleOp"> {
  let summary = "makes the keys and values of past tokens state";
  let description = [{
    Where the file takes past keys and values as inputs and returns them with the new ones appended,
    each such pair becomes state of the artifact that is updated in place, and the number of past tokens an index
    argument, the symbol `past`.

    A file without a cache is given one if every attention is causal over the tokens of the call and
    everything else treats each token by itself. What depends on a token's position and on no input (angles,
    position embeddings) is then taken at the positions past .. past + sequence.

    If a graph is neither, it stays as it is, and the report says why.
  }];
  let dependentDialects = ["::terse::TerseDialect", "::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect",
                           "::mlir::arith::ArithDialect"];
}
