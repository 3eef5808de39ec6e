include "mlir/Pass/PassBase.td"

def PruneStructured : Pass<"terse-prune-structured", "::mlir::ModuleOp"> {
  let summary = "removes channels of feed-forward layers and attention heads";
  let description = [{
    Takes `share` of the channels out of each feed-forward part (linear layers that meet in elementwise operations and are read by one linear
    layer, the writer), and of the groups of attention heads (a KV head with the query heads that read it) out of each attention. Weights, the
    values between them, the attention and its KV cache shrink; nothing is masked.

    What goes is chosen one after the other, each time that whose loss, made good for by all that are left, costs the writer's output least
    (`criterion=error`; Optimal Brain Surgeon for structures, as in ZipLM, Kurtic et al., 2023): with H the mean of x x^T over the writer's inputs, of
    channels P that minimises tr(W_P ([H^-1]_PP)^-1 W_P^T). Then the writer gets the least squares solution, W'_S = W_S + W_P H_PS
    (H_SS + d)^-1, d being `damping` times the mean of H's diagonal, and ten times as much and so on where H is not positive definite. `criterion=second-moment` goes by
    H_jj |w_j|^2 instead, `criterion=magnitude` by the norm of all weights of a channel. H comes from the statistics that calibration wrote; a
    writer without is an error, unless neither criterion nor correction (`correct=false`) needs them.

    Example: `--terse-prune-structured="share=50% multiple=1 criterion=magnitude correct=false"` turns
    ```mlir
    %h = terse.linear %x, %up : tensor<1x3xf32>, tensor<4x3xf32> -> tensor<1x4xf32>
    %a = terse.activation relu %h : tensor<1x4xf32>
    %y = terse.linear %a, %down : tensor<1x4xf32>, tensor<3x4xf32> -> tensor<1x3xf32>
    ```
    into
    ```mlir
    %h = terse.linear %x, %up : tensor<1x3xf32>, tensor<2x3xf32> -> tensor<1x2xf32>
    %a = terse.activation relu %h : tensor<1x2xf32>
    %y = terse.linear %a, %down {terse.kept_channels = {kept = array<i64: 1, 3>, of = 4 : i64}} : tensor<1x2xf32>, tensor<3x2xf32> -> tensor<1x3xf32>
    ```

    A feed-forward part keeps a multiple of `multiple` channels where it has more than that, and at least one; heads are rounded so that less is removed. Statistics of
    the writer's whole input serve later passes too (`terse.kept_channels`). A part is left whole, with the reason in the report, where one of its weights is read
    elsewhere or is in codes, a value within it is read elsewhere, or one of its layers has a policy `keep`; silently where a layer is `terse.frozen`.

    Facts: `feed-forwards-pruned`, `attentions-pruned`, `left` (reasons by writer), `parameters-removed`, `output-error` (||(W' - W) X|| / ||W X|| of the
    writers), `output-error-uncorrected`, `worst-layer`.
  }];
  let options = [
    Option<"stats", "stats", "std::string", "\"\"", "file of statistics; empty: the one that the module names">,
    Option<"share", "share", "std::string", "\"25%\"", "part of the channels and of the heads that is removed, 25% or 0.25">,
    Option<"targets", "targets", "std::string", "\"ffn+heads\"", "what is removed: ffn, heads or ffn+heads">,
    Option<"multiple", "multiple", "int64_t", "16", "channels left in a feed-forward part are a multiple of this">,
    Option<"criterion", "criterion", "std::string", "\"error\"", "how to choose: error, second-moment or magnitude">,
    Option<"correct", "correct", "bool", "true", "make good for what was removed with what is left">,
    Option<"damping", "damping", "double", "0.01", "part of the mean of H's diagonal that is added to it">,
    Option<"layers", "layers", "std::string", "\"\"", "regular expression: writers (down projections, output projections) whose parts are pruned; empty: all">,
    Option<"exclude", "exclude", "std::string", "\"\"", "regular expression: layers whose parts are left; empty: none">
  ];
  let dependentDialects = ["::terse::TerseDialect"];
}
