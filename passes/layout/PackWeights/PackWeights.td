include "mlir/Pass/PassBase.td"

def PackWeights : Pass<"terse-pack-weights", "::mlir::ModuleOp"> {
  let summary = "weights of linear layers lie as kernels read them";
  let description = [{
    `terse.qlinear` becomes `kernel.qlinear` and `terse.linear` `kernel.linear`, on weights in panels of
    16 output columns, those of bf16 in pairs of k: one layout for all CPU levels. One weight at a time is
    in memory. A layer whose weights are not constants stays as it is.

    Symmetric codes of 4 bits of which in each four of a row at most two are not 0 (2:4, as `terse-prune-sparsegpt` leaves them)
    are stored without the others, in 3 bits a weight, where the layer's input is rounded to integers.

    Layers of f16 or bf16 activations are widened to f32 around the layer; f64 layers stay.
  }];
  let dependentDialects = ["::terse::TerseDialect", "::terse::kernel::KernelDialect", "::mlir::arith::ArithDialect"];
}
