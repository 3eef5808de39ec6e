include "mlir/Pass/PassBase.td"

def PruneBlocks : Pass<"terse-prune-blocks", "::mlir::ModuleOp"> {
  let summary = "leaves out the layers of a model that do least";
  let description = [{
    Takes `share` of a model's layers out of `@forward`: what such a layer would give is what it takes. Its weights, and its KV cache, go. Those
    go that change what passes through them least, by the mean cosine between what they take and give (block influence: ShortGPT, Men et al., 2024), which
    calibration measured (`similarity` in the statistics). With `unit=sublayer` attentions and feed-forward parts are chosen one by one (He et al., What
    Matters in Transformers, 2024) instead of whole layers. Of equals the later one goes; the number is rounded so that less is removed.

    A layer that gives another form than it takes, or ends in the model's results, is none to choose. One is left, with the reason in the report,
    where a value within it is read elsewhere, one of its linear layers has a policy `keep`, or no KV cache would be left of those that there were. Layers of
    a model are named by their first linear layers.

    Facts: `blocks`, `blocks-removed`, `removed` (names and cosines), `left` (reasons by names), `parameters-removed`.

    Example: with a cosine of 0.9 for `"w0"` and of 0.5 for `"w1"`, `--terse-prune-blocks="share=50% unit=sublayer stats=s.tstats"` turns
    ```mlir
    %y = terse.linear %x, %w0 {name = "w0"} : tensor<?x8xf32>, tensor<8x8xf32> -> tensor<?x8xf32>
    %a = arith.addf %x, %y : tensor<?x8xf32>
    %z = terse.linear %a, %w1 {name = "w1"} : tensor<?x8xf32>, tensor<8x8xf32> -> tensor<?x8xf32>
    ```
    into
    ```mlir
    %z = terse.linear %x, %w1 {name = "w1"} : tensor<?x8xf32>, tensor<8x8xf32> -> tensor<?x8xf32>
    ```
  }];
  let options = [
    Option<"stats", "stats", "std::string", "\"\"", "file of statistics; empty: the one that the module names">,
    Option<"share", "share", "std::string", "\"25%\"", "part of the layers that is removed, 25% or 0.25">,
    Option<"unit", "unit", "std::string", "\"block\"", "what is removed as one: block (a whole layer) or sublayer">,
    Option<"layers", "layers", "std::string", "\"\"", "regular expression: first linear layers of what may be removed; empty: all">,
    Option<"exclude", "exclude", "std::string", "\"\"", "regular expression: linear layers whose blocks are left; empty: none">
  ];
  let dependentDialects = ["::terse::TerseDialect"];
}
