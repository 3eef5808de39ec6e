include "mlir/Pass/PassBase.td"

def MergeLinears : Pass<"terse-merge-linears", "::mlir::ModuleOp"> {
  let summary = "linear layers of one input become one layer";
  let description = [{
    Query, key and value projections, or gate and up, read the same input: as one layer the input is
    rounded and read once, threads meet once, and the rows of weights are one stream. Weights (codes,
    scales, zero points) are joined along the output channels, in the order of the layers; results
    are slices. Layers are joined when they agree in everything but the number of
    output channels, and nothing else reads their weights.

    Facts: `layers-merged` and `merged-layers`, how many these became.

    Example:
    ```mlir
    %q = terse.linear %x, %wq {name = "attn.q_proj"} : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
    %k = terse.linear %x, %wk {name = "attn.k_proj"} : tensor<?x64xf32>, tensor<16x64xf32> -> tensor<?x16xf32>
    ```
    becomes
    ```mlir
    %qk = terse.linear %x, %w {name = "attn.q_proj+k_proj"} : tensor<?x64xf32>, tensor<80x64xf32> -> tensor<?x80xf32>
    %q = tensor.extract_slice %qk[0, 0] [%n, 64] [1, 1] : tensor<?x80xf32> to tensor<?x64xf32>
    %k = tensor.extract_slice %qk[0, 64] [%n, 16] [1, 1] : tensor<?x80xf32> to tensor<?x16xf32>
    ```
  }];
  let dependentDialects = ["::terse::TerseDialect", "::mlir::tensor::TensorDialect", "::mlir::arith::ArithDialect"];
}
