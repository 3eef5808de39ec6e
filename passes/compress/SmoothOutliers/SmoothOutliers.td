include "mlir/Pass/PassBase.td"

def SmoothOutliers : Pass<"terse-smooth-outliers", "::mlir::ModuleOp"> {
  let summary = "moves outliers of activations into the weights";
  let description = [{
    SmoothQuant (Xiao et al., 2023): channel j of the input of linear layers is divided by s_j = max|x_j|^alpha / max|w_j|^(1 - alpha), and column j
    of their weights is multiplied by it. The function stays, but one range for all channels of the input now fits. The largest
    magnitudes of the input come from statistics (`stats`, else those that the module names), those of the weights are of all layers that read this
    input. A channel without inputs or weights keeps the scale 1.

    With `alpha=auto` each input gets the one of 0, 0.05 .. 1 for which 8-bit rounding of the input (one range) and of the weights (a range for each output
    channel) does least to the layers' outputs, as noise of step^2 / 12: this needs second moments too.

    Scales stay explicit (`terse.scale_channels`), so that later passes know what the statistics are of; `terse-fold-scales` then puts them into
    what computes the input. By default only inputs are smoothed where it can: those of norms, products with a linear layer's output (gated feed-forward
    layers) and linear layers.

    Facts: `inputs-scaled`, `inputs-left`, `layers-scaled`, `largest-scale` (s or 1/s), `alphas` (by the first layer of each input).

    Example: `--terse-smooth-outliers="stats=s.tstats"` turns
    ```mlir
    %x = terse.norm rms %h, %gain ...
    %y = terse.linear %x, %w ...
    ```
    into
    ```mlir
    %x = terse.norm rms %h, %gain ...
    %xs = terse.scale_channels %x, %inverse {axis = 2 : i64} ...
    %ws = terse.scale_channels %w, %scale {axis = 1 : i64} ...
    %y = terse.linear %xs, %ws ...
    ```
  }];
  let options = [
    Option<"alpha", "alpha", "std::string", "\"0.5\"", "how much of a range moves into the weights, 0 to 1; auto: found for each input">,
    Option<"stats", "stats", "std::string", "\"\"", "file of statistics; empty: the one that the module names">,
    Option<"layers", "layers", "std::string", "\"\"", "regular expression: layers whose inputs are scaled; empty: all">,
    Option<"exclude", "exclude", "std::string", "\"\"", "regular expression: layers to leave; empty: none">,
    Option<"head", "head", "bool", "true", "also the input of the head; a table that is its weight too is then kept apart">,
    Option<"onlyAbsorbed", "only-absorbed", "bool", "true", "false: also where scaling remains as work at run time">
  ];
  let dependentDialects = ["::terse::TerseDialect"];
}
