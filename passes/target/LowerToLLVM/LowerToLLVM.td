include "mlir/Pass/PassBase.td"

def LowerToLLVM : Pass<"terse-lower-to-llvm", "::mlir::ModuleOp"> {
  let summary = "everything left to the llvm dialect";
  let description = [{
    Launches become calls (on thread 0 alone if serial), barriers calls of
    `@terse_barrier`. Arithmetic on f16 and bf16 is done in f32; conversions
    of bf16, and at the level `baseline` of f16, are spelled out in integer
    arithmetic, since there is no instruction and no library to call.
    exp, tanh, erf and the like of f32 become polynomials that LLVM can vectorise; other
    functions become calls of libm. Then upstream's conversions.
  }];
  let options = [
    Option<"level", "level", "std::string", "\"baseline\"", "the CPU level: baseline, avx2, avx512vnni or avx512bf16">
  ];
  let dependentDialects = [
    "::mlir::LLVM::LLVMDialect", "::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect", "::mlir::cf::ControlFlowDialect",
    "::mlir::func::FuncDialect", "::mlir::index::IndexDialect", "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::mlir::ub::UBDialect", "::mlir::vector::VectorDialect"];
}
