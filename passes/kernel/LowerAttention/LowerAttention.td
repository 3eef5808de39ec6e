include "mlir/Pass/PassBase.td"

def LowerAttention : Pass<"terse-lower-attention", "::mlir::ModuleOp"> {
  let summary = "attention, rotary embedding and KV cache to kernels";
  let description = [{
    `terse.attention` becomes a kernel that never holds the scores of more than
    64 keys: softmax is accumulated while keys are walked (FlashAttention, Dao et
    al., 2022). Blocks of keys begin at multiples of 64, so a token's result does not
    depend on what else is computed with it. The query heads that share a KV head, and
    neighbouring queries, are rows of one block, so that a key is loaded once for all of them.

    Keys lie in tiles of 16 with the head dimension outermost ([rows/16][D][16]),
    so 16 scores are one multiply-add per dimension and no transposition is ever
    made. A cache that is state of the artifact and is read by attention only is
    kept in that form (its capacity is a multiple of 16); other keys are
    rearranged before, straight from rows of tokens where they are such. Values are read from
    a cache or from rows of tokens. `terse.rope` before a cache, or before such rows, is fused with the update.

    A tile of 16 rows of a quantized cache holds their codes, then 16 scales, then 16 lows. Codes lie as integer products take them: four bytes of a
    key side by side ([D/4][16][4]; [D][16] where D is no multiple of 4), four keys' values of a dimension ([16/4][D][4]); a byte of 4-bit codes holds
    those of dimensions d and d + D/2. Scales are applied to the 16 scores or weights of a tile, not to its values. Codes become
    floats as they are read, or with AVX512-VNNI are multiplied by integers: a row's query and its weights of a block are rounded to 16 bits with a unit
    of their own, and the products of both halves added up (two `vpdpbusd` for four products, where floats take four multiply-adds); the next block is asked for meanwhile. That changes a
    result by about 1e-4 of its size, a fiftieth or less of what rounding to 8 bits in the cache does.

    Attention of other than f32 and f16 elements is left.
  }];
  let options = [Option<"level", "level", "std::string", "\"baseline\"", "CPU level: baseline, avx2, avx512vnni or avx512bf16">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::func::FuncDialect", "::mlir::LLVM::LLVMDialect", "::mlir::math::MathDialect",
                           "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect",
                           "::mlir::vector::VectorDialect", "::terse::TerseDialect", "::terse::kernel::KernelDialect"];
}
