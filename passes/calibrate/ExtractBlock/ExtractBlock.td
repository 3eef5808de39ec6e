include "mlir/Pass/PassBase.td"

def ExtractBlock : Pass<"terse-extract-block", "::mlir::ModuleOp"> {
  let summary = "keeps blocks of a model";
  let description = [{
    A model is a chain of blocks (`terse/Analysis/Blocks.h`): between two of them a single tensor is passed on. Of `@forward` this keeps block
    `index`, and with `count` those that follow it: the tensor from the block before it becomes an input `block_input`, the one for the next block the output
    `block_output`; the last block keeps the model's results. Inputs of the model stay. States and weights of other blocks go.

    What a `terse.tap` in the block names becomes an output `tap:NAME` after the others, and the taps go.

    Facts: `blocks` (in the whole model), `layers` (in those that are kept).

    Example: `--terse-extract-block=index=1` turns
    ```mlir
    func.func @forward(%ids: tensor<?xi64> {terse.dims = ["s"], terse.name = "ids"}) -> (tensor<?x8xf32> {terse.dims = ["s", "8"], terse.name = "out"}) {
      %x = terse.embedding %ids, %table : tensor<?xi64>, tensor<9x8xf32> -> tensor<?x8xf32>
      %y = terse.linear %x, %w0 : tensor<?x8xf32>, tensor<8x8xf32> -> tensor<?x8xf32>
      %z = terse.linear %y, %w1 : tensor<?x8xf32>, tensor<8x8xf32> -> tensor<?x8xf32>
      return %z : tensor<?x8xf32>
    }
    ```
    into
    ```mlir
    func.func @forward(%ids: tensor<?xi64> {terse.dims = ["s"], terse.name = "ids"}, %y: tensor<?x8xf32> {terse.dims = ["s", "8"], terse.name = "block_input"})
        -> (tensor<?x8xf32> {terse.dims = ["s", "8"], terse.name = "out"}) {
      %z = terse.linear %y, %w1 : tensor<?x8xf32>, tensor<8x8xf32> -> tensor<?x8xf32>
      return %z : tensor<?x8xf32>
    }
    ```
  }];
  let options = [
    Option<"index", "index", "int64_t", "0", "which block, from 0">,
    Option<"count", "count", "int64_t", "1", "how many blocks">
  ];
  let dependentDialects = ["::terse::TerseDialect"];
}
