include "mlir/Pass/PassBase.td"

def RecognizeActivation : Pass<"terse-recognize-activation", "::mlir::ModuleOp"> {
  let summary = "finds activation functions in elementwise operations";
  let description = [{
    relu, sigmoid, silu, gelu (by erf and by tanh) and quick_gelu, by the formula that the operations compute:
    x * sigmoid(x), x / (1 + exp(-x)) and x * (0.5 + 0.5 * tanh(x / 2)) are all silu.

    Facts: `activations-recognized` and one count for each kind that occurs.
  }];
  let dependentDialects = ["::terse::TerseDialect"];
}
