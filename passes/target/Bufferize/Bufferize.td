include "mlir/Pass/PassBase.td"

def Bufferize : Pass<"terse-bufferize", "::mlir::ModuleOp"> {
  let summary = "tensors become buffers: outputs are arguments, states change in place";
  let description = [{
    Calls are inlined, elementwise arithmetic on tensors becomes linalg (with
    `fuse`, chains of it one operation each), concatenations become slices of their
    result, and one-shot bufferization makes buffers of it all. The entry
    function then returns nothing: an output is a trailing argument
    (`terse.output`) that is written directly wherever the operation that computes it can,
    and a state (`terse.state`) is updated in the argument that it came in.

    Example:
    ```mlir
    func.func @forward(%x: tensor<?xf32>) -> tensor<?xf32> {
      %y = arith.addf %x, %x : tensor<?xf32>
      return %y : tensor<?xf32>
    }
    ```
    becomes
    ```mlir
    func.func @forward(%x: memref<?xf32>, %y: memref<?xf32> {terse.output}) {
      linalg.generic ... ins(%x, %x) outs(%y)
      return
    }
    ```
  }];
  let options = [
    Option<"fuse", "fuse", "bool", "true", "fuse chains of elementwise operations">
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::bufferization::BufferizationDialect",
                           "::mlir::linalg::LinalgDialect", "::mlir::memref::MemRefDialect",
                           "::mlir::tensor::TensorDialect", "::mlir::scf::SCFDialect"];
}
