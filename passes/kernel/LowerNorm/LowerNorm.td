include "mlir/Pass/PassBase.td"

def LowerNorm : Pass<"terse-lower-norm", "::mlir::ModuleOp"> {
  let summary = "layer and RMS normalization to kernels";
  let description = [{
    `terse.norm` with a static number of channels becomes one kernel: a row is read
    for its statistics and again, from cache, for the result. As linalg the two
    would be separate pieces of work with a barrier between them. Rows are shared out among
    the threads. Statistics are in f32; sums run in 16 lanes.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::func::FuncDialect", "::mlir::math::MathDialect",
                           "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect",
                           "::mlir::vector::VectorDialect", "::terse::TerseDialect", "::terse::kernel::KernelDialect"];
}
