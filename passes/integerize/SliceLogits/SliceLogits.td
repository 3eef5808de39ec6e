include "mlir/Pass/PassBase.td"

def SliceLogits : Pass<"terse-slice-logits", "::mlir::ModuleOp"> {
  let summary = "a language model gives the logits of the last tokens alone";
  let description = [{
    Who generates text reads what follows a prompt's last token, while the head, a large layer, is computed for all
    of them. The result `logits` [batch, tokens, vocabulary] becomes its last `logits_to_keep` rows, a symbol that the
    runtime gives: the number of tokens unless the caller wants fewer. `terse-simplify-movement{through-layers}` then
    moves the slice up through the head and what is behind the last attention.

    Only where tokens attend to those before them, as in a language model; other models' `logits` stay. So do those of a
    file that has a symbol `logits_to_keep` of its own, or whose `input_ids` have no symbol for the number of tokens.

    Facts: `logits-sliced`, 1 or 0.

    Example:
    ```mlir
    func.func @forward(%ids: tensor<1x?xi64> {terse.dims = ["1", "s"], terse.name = "input_ids"})
        -> (tensor<1x?x64xf32> {terse.dims = ["1", "s", "64"], terse.name = "logits"})
    ```
    becomes
    ```mlir
    func.func @forward(%keep: index {terse.symbol = "logits_to_keep"},
                       %ids: tensor<1x?xi64> {terse.dims = ["1", "s"], terse.name = "input_ids"})
        -> (tensor<1x?x64xf32> {terse.dims = ["1", "logits_to_keep", "64"], terse.name = "logits"})
    ```
  }];
  let dependentDialects = ["::terse::TerseDialect", "::mlir::tensor::TensorDialect", "::mlir::arith::ArithDialect"];
}
