include "mlir/Pass/PassBase.td"

def InsertTaps : Pass<"terse-insert-taps", "::mlir::ModuleOp"> {
  let summary = "names the inputs of linear layers, or of blocks";
  let description = [{
    The input of each linear layer passes through a `terse.tap`, one for all layers that read the same value, with the name of the
    first of them. Only layers whose weight is a parameter in float have one: others are in codes already. A layer
    that `terse.frozen` marks is passed over.

    With `at=blocks` taps are where blocks begin instead (`terse/Analysis/Blocks.h`), with the names of their first layers, and on what the first of
    them gets from embeddings.
    Fact: `taps-inserted`.

    Example:
    ```mlir
    %q = terse.linear %x, %wq {name = "q_proj"} : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
    %k = terse.linear %x, %wk {name = "k_proj"} : tensor<?x64xf32>, tensor<16x64xf32> -> tensor<?x16xf32>
    ```
    becomes
    ```mlir
    %t = terse.tap "q_proj" %x : tensor<?x64xf32>
    %q = terse.linear %t, %wq {name = "q_proj"} : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
    %k = terse.linear %t, %wk {name = "k_proj"} : tensor<?x64xf32>, tensor<16x64xf32> -> tensor<?x16xf32>
    ```
  }];
  let options = [Option<"at", "at", "std::string", "\"layers\"", "what gets a tap: layers or blocks">];
  let dependentDialects = ["::terse::TerseDialect"];
}
