include "mlir/Pass/PassBase.td"

def PruneMagnitude : Pass<"terse-prune-magnitude", "::mlir::ModuleOp"> {
  let summary = "sets the smallest weights to zero";
  let description = [{
    Of each layer's weights those of least magnitude become zero: of a whole matrix, or of each `M` along the summed axis with a pattern. Of equal ones
    the first go.

    Example: `--terse-prune-magnitude="sparsity=0.5"` turns
    ```mlir
    %w = terse.weight "up" = dense<[[1.0, 4.0, -3.0, 2.0]]> ...
    %y = terse.linear %x, %w : ...
    ```
    into
    ```mlir
    %w = terse.weight "up.pruned" = dense<[[0.0, 4.0, -3.0, 0.0]]> ...
    %y = terse.linear %x, %w {terse.sparsity = "unstructured"} : ...
    ```

    Weights stay dense and float, [N, K]; the layer carries `terse.sparsity`, by which later passes keep the zeros. A layer's `terse.policy` goes before
    the options; the head, whose result is a result of the model, is left unless asked for, and so are layers marked `terse.frozen`. Layers that share a
    weight share its zeros. Weights are visited one at a time.

    Facts: `layers-pruned`, `layers-left`, `zeros` (their part of what was pruned), `relative-error` (||W' - W|| / ||W||), `layer-errors` (by the names of layers), `worst-layer`.
  }];
  let options = [
    Option<"sparsity", "sparsity", "double", "0.5", "part of the weights that becomes zero">,
    Option<"pattern", "pattern", "std::string", "\"\"", "N:M: N of each M weights along the summed axis stay; goes before sparsity">,
    Option<"layers", "layers", "std::string", "\"\"", "regular expression: layers to prune; empty: all">,
    Option<"exclude", "exclude", "std::string", "\"\"", "regular expression: layers to leave; empty: none">,
    Option<"head", "head", "bool", "false", "the head too">
  ];
  let dependentDialects = ["::terse::TerseDialect"];
}
