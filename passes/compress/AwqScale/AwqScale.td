include "mlir/Pass/PassBase.td"

def AwqScale : Pass<"terse-awq-scale", "::mlir::ModuleOp"> {
  let summary = "enlarges the weights of channels with large inputs, so that rounding spares them";
  let description = [{
    AWQ (Lin et al., 2024): column j of the weights that read one input is multiplied by s_j = mean|x_j|^alpha / sqrt(max s * min s), the channel of the input
    divided by it, with the alpha of 0, 0.05 .. 1 for which weights rounded to the nearest values do least to the outputs: least sum of
    e^T H e over the layers of the input, H the mean of x x^T and e the errors of a row. Of each layer at most `rows` rows, evenly spaced, are tried.

    `bits`, `group-size`, `symmetric` and `scale` are what `terse-quantize-weights`, which follows, is told; a layer's `terse.policy` goes before. The scales stay explicit
    (`terse.scale_channels`) until `terse-fold-scales`, which comes last.

    Facts: as those of `terse-smooth-outliers`.

    Example: `--terse-awq-scale="bits=4 group-size=64" --terse-quantize-weights="bits=4 group-size=64" --terse-fold-scales`
  }];
  let options = [
    Option<"bits", "bits", "int64_t", "4", "bits that weights will have">,
    Option<"groupSize", "group-size", "int64_t", "32", "values that will share a scale; 0: all (per channel)">,
    Option<"symmetric", "symmetric", "bool", "true", "without zero points">,
    Option<"scale", "scale", "std::string", "\"f16\"", "type of the scales: f16, f32 or i8">,
    Option<"rows", "rows", "int64_t", "256", "rows of each layer that are tried">,
    Option<"stats", "stats", "std::string", "\"\"", "file of statistics; empty: the one that the module names">,
    Option<"format", "format", "std::string", "\"int\"", "what codes of 4 bits stand for: int or nf4">,
    Option<"layers", "layers", "std::string", "\"\"", "regular expression: layers whose inputs are scaled; empty: all">,
    Option<"exclude", "exclude", "std::string", "\"\"", "regular expression: layers to leave; empty: none">,
    Option<"head", "head", "bool", "false", "also the input of the head">,
    Option<"onlyAbsorbed", "only-absorbed", "bool", "true", "false: also where scaling remains as work at run time">
  ];
  let dependentDialects = ["::terse::TerseDialect"];
}
