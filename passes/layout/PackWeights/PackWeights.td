include "mlir/Pass/PassBase.td"

def PackWeights : Pass<"terse-pack-weights", "::mlir::ModuleOp"> {
  let summary = "weights of linear layers lie as kernels read them";
  let description = [{
    `terse.qlinear` becomes `kernel.qlinear` and `terse.linear` `kernel.linear`, on weights in panels of
    16 output columns: one layout for all CPU levels. One weight at a time is
    in memory. A layer whose weights are not constants stays as it is.

    Layers of f16 or bf16 activations are widened to f32 around the layer; f64 layers stay.
  }];
  let dependentDialects = ["::terse::TerseDialect", "::terse::kernel::KernelDialect", "::mlir::arith::ArithDialect"];
}
