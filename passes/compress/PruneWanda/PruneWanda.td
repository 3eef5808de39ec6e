include "mlir/Pass/PassBase.td"

def PruneWanda : Pass<"terse-prune-wanda", "::mlir::ModuleOp"> {
  let summary = "sets weights to zero that do least with their inputs";
  let description = [{
    Wanda (Sun et al., 2023): of the weights of each output channel (of each `M` of them with a pattern) those become zero whose magnitude
    times the root mean square of their input is least. The inputs' second moments come from the statistics that calibration wrote; a layer
    without is an error. What is left stays as it is.

    Example: `--terse-prune-wanda="pattern=2:4 stats=model.tstats"` turns
    ```mlir
    %w = terse.weight "up" = dense<[[1.0, 4.0, -3.0, 2.0]]> ...
    %y = terse.linear %x, %w : ...
    ```
    into
    ```mlir
    %w = terse.weight "up.pruned" = dense<[[0.0, 4.0, -3.0, 0.0]]> ...
    %y = terse.linear %x, %w {terse.sparsity = "2:4"} : ...
    ```

    Weights stay dense and float, [N, K]; the layer carries `terse.sparsity`, by which later passes keep the zeros. A layer's `terse.policy` goes before
    the options; the head, whose result is a result of the model, is left unless asked for, and so are layers marked `terse.frozen`. Layers that share a
    weight share its zeros. Weights are visited one at a time.

    Facts: `layers-pruned`, `layers-left`, `zeros` (their part of what was pruned), `relative-error` (||W' - W|| / ||W||), `output-error` (||(W' - W) X|| / ||W X||), `layer-errors` (by the names of layers), `worst-layer`.
  }];
  let options = [
    Option<"stats", "stats", "std::string", "\"\"", "file of statistics; empty: the one that the module names">,
    Option<"sparsity", "sparsity", "double", "0.5", "part of the weights that becomes zero">,
    Option<"pattern", "pattern", "std::string", "\"\"", "N:M: N of each M weights along the summed axis stay; goes before sparsity">,
    Option<"layers", "layers", "std::string", "\"\"", "regular expression: layers to prune; empty: all">,
    Option<"exclude", "exclude", "std::string", "\"\"", "regular expression: layers to leave; empty: none">,
    Option<"head", "head", "bool", "false", "the head too">
  ];
  let dependentDialects = ["::terse::TerseDialect"];
}
