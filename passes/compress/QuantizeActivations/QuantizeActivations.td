include "mlir/Pass/PassBase.td"

def QuantizeActivations : Pass<"terse-quantize-activations", "::mlir::ModuleOp"> {
  let summary = "rounds the inputs of quantized layers to 8 bits";
  let description = [{
    The input of each linear layer whose weight is `terse.dequantize` is rounded; layers of one input share what is rounded. Without it such a layer
    computes in float from weights that are unpacked as they are read.

    `mode=dynamic`: `terse.quantize_dynamic`, a scale for each token, found at run time.

    `mode=static`: `terse.quantize_static`, one symmetric range for all, of statistics (`stats`, else those that the module names). `range` says which: `max`, the
    largest magnitude that was seen; `percentile`, that which `percentile` per cent of the values do not exceed; `mse`, that of least squared error of the values,
    of 1/128 .. 1 of the largest (both from the histogram, which is known only of inputs that were not scaled since). An input without statistics, such as the
    head's when blocks are calibrated, is rounded as with `dynamic`.

    Facts: `inputs-quantized`, `layers`, with `static` also `inputs-dynamic` and `ranges` (by the first layer of each input).
  }];
  let options = [
    Option<"mode", "mode", "std::string", "\"dynamic\"", "dynamic: scales are found at run time; static: from statistics">,
    Option<"stats", "stats", "std::string", "\"\"", "static: file of statistics; empty: the one that the module names">,
    Option<"range", "range", "std::string", "\"max\"", "static: max, percentile or mse">,
    Option<"percentile", "percentile", "double", "99.99", "static: part of the values within the range, in per cent">
  ];
  let dependentDialects = ["::terse::TerseDialect"];
}
