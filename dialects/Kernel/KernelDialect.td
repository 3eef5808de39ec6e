//===- KernelDialect.td - the kernel dialect -----------------------------===//
#ifndef TERSE_KERNEL_DIALECT_TD
#define TERSE_KERNEL_DIALECT_TD

include "mlir/IR/OpBase.td"

def KernelDialect : Dialect {
  let name = "kernel";
  let cppNamespace = "::terse::kernel";
  let summary = "generated kernels and how threads run them";
  let description = [{
    What lies between tensors and instructions: kernels that are called on
    buffers by all threads of a call (`launch`), the meeting of these threads
    (`barrier`), constant views of the artifact's weights (`weight`), and
    matrix instructions.
  }];
  let useDefaultAttributePrinterParser = 1;
  let dependentDialects = ["::mlir::func::FuncDialect", "::mlir::memref::MemRefDialect", "::terse::TerseDialect"];
  let extraClassDeclaration = [{
    /// Marks a kernel's parameter that threads read once and in order, the first dimension shared between them as in Shares.h.
    static constexpr llvm::StringLiteral kStreamedAttrName = "kernel.streamed";

    void registerAttributes();
  }];
}

class KernelOp<string mnemonic, list<Trait> traits = []>
    : Op<KernelDialect, mnemonic, traits>;

#endif
