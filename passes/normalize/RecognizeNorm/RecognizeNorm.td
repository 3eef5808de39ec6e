include "mlir/Pass/PassBase.td"

def RecognizeNorm : Pass<"terse-recognize-norm", "::mlir::ModuleOp"> {
  let summary = "finds layer and RMS normalization in elementwise operations";
  let description = [{
    A product in which a value x stands once, with 1 / sqrt(a * sum(x * x) + e) over the last
    dimension, and with vectors along that dimension, is RMS normalization; it is layer
    normalization when x is another value less its mean. The formula is matched,
    not the order or choice of operations: squares by multiplication or power,
    division, reciprocal, inverse square root or a power of -0.5, the scale before or after,
    changes of the float type anywhere between. A factor that is not one goes into the scale.

    Facts: `norms-recognized`, `rms-norms`, `layer-norms`.
  }];
  let dependentDialects = ["::terse::TerseDialect", "::mlir::arith::ArithDialect", "::mlir::tensor::TensorDialect"];
}
