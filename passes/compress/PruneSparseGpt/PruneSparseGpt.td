include "mlir/Pass/PassBase.td"

def PruneSparseGpt : Pass<"terse-prune-sparsegpt", "::mlir::ModuleOp"> {
  let summary = "sets weights to zero and makes good for it with the others";
  let description = [{
    SparseGPT (Frantar and Alistarh, 2023), with H the mean of x x^T over a layer's inputs, from the statistics that calibration wrote: from the
    first channel to the last, weights that are left make good for those that became zero before them. Which become zero is chosen for 128
    channels of 32 output channels together (of each `M` with a pattern) when they are reached: those of least w^2 / [H^-1]_jj. Then `sweeps`
    times each weight that is left becomes the best one, all others given: coordinate descent, which ends at the least squares
    solution and takes away a third of the output's error or more. `damping` times the mean of H's diagonal is added to it, ten times as much and so on where H is not
    positive definite. A layer without statistics is an error.

    Example: `--terse-prune-sparsegpt="pattern=2:4 stats=model.tstats"` turns
    ```mlir
    %w = terse.weight "up" = dense<[[1.0, 4.0, -3.0, 2.0]]> ...
    %y = terse.linear %x, %w : ...
    ```
    into
    ```mlir
    %w = terse.weight "up.pruned" = dense<[[0.0, 4.2, -2.9, 0.0]]> ...
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
    Option<"head", "head", "bool", "false", "the head too">,
    Option<"damping", "damping", "double", "0.01", "part of the mean of H's diagonal that is added to it">,
    Option<"sweeps", "sweeps", "int64_t", "8", "sweeps of coordinate descent afterwards">
  ];
  let dependentDialects = ["::terse::TerseDialect"];
}
