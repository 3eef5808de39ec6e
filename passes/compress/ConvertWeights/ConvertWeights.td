include "mlir/Pass/PassBase.td"

def ConvertWeights : Pass<"terse-convert-weights", "::mlir::ModuleOp"> {
  let summary = "stores matrices of weights in another float type";
  let description = [{
    Weights of linear layers and embedding tables are stored as `to`; layers then read that type and
    sum in f32 as before. A layer whose f16 or bf16 weight was widened before it reads the weight
    itself. Vectors (scales of norms, biases) are small and keep their type, but a widened one
    is stored widened. A weight with values beyond the range of `to` is left, with a warning.

    Facts: `weights-converted`, `weights-left`, `bytes-before`, `bytes-after`.
  }];
  let options = [Option<"to", "to", "std::string", "\"f16\"", "f16, bf16 or f32; keep: only fold casts">];
  let dependentDialects = ["::terse::TerseDialect", "::mlir::arith::ArithDialect"];
}
