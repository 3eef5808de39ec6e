include "mlir/Pass/PassBase.td"

def ConvertKernelMma : Pass<"convert-kernel-mma"> {
  let summary = "matrix instructions become intrinsics";
  let description = [{
    Each `kernel.mma`, `kernel.mma_sparse`, `kernel.mma_sum` and `kernel.lookup` becomes what its instruction says: a call of the
    machine's intrinsic, or, with `emulate`, plain vector operations by the
    instruction's definition, which run on any machine.
  }];
  let options = [Option<"emulate", "emulate", "bool", "false", "By definition instead of by the machine's instructions">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::LLVM::LLVMDialect", "::mlir::math::MathDialect",
                           "::mlir::vector::VectorDialect"];
}
