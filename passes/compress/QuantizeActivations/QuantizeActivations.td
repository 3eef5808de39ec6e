include "mlir/Pass/PassBase.td"

def QuantizeActivations : Pass<"terse-quantize-activations", "::mlir::ModuleOp"> {
  let summary = "rounds the inputs of quantized layers to 8 bits";
  let description = [{
    The input of each linear layer whose weight is `terse.dequantize` goes through
    `terse.quantize_dynamic`: a scale for each token, found at run time. Layers of one
    input share it. Without it such a layer computes in float from weights that are unpacked as they are read.

    Facts: `inputs-quantized`, `layers`.
  }];
  let options = [
    Option<"mode", "mode", "std::string", "\"dynamic\"", "dynamic: scales are found at run time">
  ];
  let dependentDialects = ["::terse::TerseDialect"];
}
