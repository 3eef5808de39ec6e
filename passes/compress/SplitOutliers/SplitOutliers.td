include "mlir/Pass/PassBase.td"

def SplitOutliers : Pass<"terse-split-outliers", "::mlir::ModuleOp"> {
  let summary = "gives outlier channels of layers' inputs layers of their own";
  let description = [{
    A `share` of the channels of each input of linear layers is taken out of them: in a layer's weight their columns become zero, in its input they are
    multiplied by zero, and a second layer, whose name ends in `.outliers`, reads only them and adds its product. The function stays. Passes that
    round behind it then find neither a range nor a group that the outliers set, and leave the second layer in `bits` bits: 16 (floats, its policy is
    `keep`) or 8 (LLM.int8(), Dettmers et al., 2022; OWQ, Lee et al., 2024).

    Layers that read one input share its outliers, so that they can still be merged. Which channels those are, statistics say: with
    `criterion=mean-square` those of the largest mean square, which multiplies the squared error of a weight (OWQ's order where all columns are rounded by
    steps of one size), with `criterion=range` those with the largest magnitude. Of equals the earlier one goes. The number is rounded to the nearest, at least one unless the share is 0. Inputs of
    a layer that is in codes, frozen or not chosen are left.

    Facts: `inputs-split`, `inputs-left`, `layers-split`, `outlier-channels`.

    Example: `--terse-split-outliers="share=25% stats=s.tstats"` turns
    ```mlir
    %y = terse.linear %x, %w {name = "up"} : tensor<?x4xf32>, tensor<2x4xf32> -> tensor<?x2xf32>
    ```
    into
    ```mlir
    %main = terse.scale_channels %x, %mask {axis = 1 : i64} : tensor<?x4xf32>, tensor<4xf32>
    %a = terse.linear %main, %w0 {name = "up"} : tensor<?x4xf32>, tensor<2x4xf32> -> tensor<?x2xf32>
    %channels = linalg.generic ... ins(%places : tensor<1xi32>) outs(%empty : tensor<?x1xf32>)
    %b = terse.linear %channels, %w1 {name = "up.outliers", terse.outliers, terse.policy = {keep}} : tensor<?x1xf32>, tensor<2x1xf32> -> tensor<?x2xf32>
    %y = arith.addf %a, %b : tensor<?x2xf32>
    ```
  }];
  let options = [
    Option<"stats", "stats", "std::string", "\"\"", "file of statistics; empty: the one that the module names">,
    Option<"share", "share", "std::string", "\"1%\"", "part of the channels that are outliers, 1% or 0.01">,
    Option<"bits", "bits", "int64_t", "16", "of the outliers' weights: 16 or 8">,
    Option<"criterion", "criterion", "std::string", "\"mean-square\"", "how to choose: mean-square or range">,
    Option<"head", "head", "bool", "true", "also the input of the head; a table that is its weight too is then kept apart">,
    Option<"layers", "layers", "std::string", "\"\"", "regular expression: layers whose inputs are split; empty: all">,
    Option<"exclude", "exclude", "std::string", "\"\"", "regular expression: layers to leave; empty: none">
  ];
  let dependentDialects = ["::terse::TerseDialect", "::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect"];
}
