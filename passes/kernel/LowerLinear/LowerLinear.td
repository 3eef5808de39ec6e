include "mlir/Pass/PassBase.td"

def LowerLinear : Pass<"terse-lower-linear", "::mlir::ModuleOp"> {
  let summary = "layers with packed weights to kernels of a CPU level";
  let description = [{
    `kernel.qlinear` becomes two kernels: one rounds each row of the input to 8 bits
    (scale max|x| / 127 unless its grid says otherwise, sums of each group for the zero point), one multiplies.
    Rows that several layers read are rounded once,
    and a norm that only they read is computed while they are. A grid for the whole tensor takes one more, for its range.
    Where the grid is `none`, one kernel turns codes into floats in registers. `kernel.linear` becomes one, of which weights are widened to f32 in registers.

    Where the level has a dot product of bf16 (`avx512bf16`) and a `kernel.linear` weights of bf16, the rows of its input are rounded to
    bf16 (ties to even) by a kernel before, once for all such layers and with the norm that only they read. Sums are of f32: of each pair of k the second
    product is added first. Whether a row is alone or one of many changes no result.

    The threads share out the output columns, in blocks of whole panels, so each reads a contiguous
    part of the weights and no result depends on how many there are. For one row the weights
    are streamed once; for more, blocks of rows by panels are kept in registers: per group an
    exact sum in 32 bits, then one multiply-add in f32. The zero point of a symmetric
    scheme costs nothing: sums start at -zero * (sum of the activations).

    Blocks are those of the layer's `#kernel.tiling` (`terse-select-kernel`), or the smallest ones where it has none.

    Conversions from and to f16 and bf16 around a layer, and a residual that is added to its only use, become part of it.
  }];
  let options = [Option<"level", "level", "std::string", "\"baseline\"", "CPU level: baseline, avx2, avx512vnni or avx512bf16">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::func::FuncDialect", "::mlir::LLVM::LLVMDialect", "::mlir::math::MathDialect",
                           "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect",
                           "::mlir::vector::VectorDialect", "::terse::TerseDialect", "::terse::kernel::KernelDialect"];
}
