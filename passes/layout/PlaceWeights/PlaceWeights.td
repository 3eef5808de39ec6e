include "mlir/Pass/PassBase.td"

def PlaceWeights : Pass<"terse-place-weights", "::mlir::ModuleOp"> {
  let summary = "gives every weight its place in the artifact";
  let description = [{
    Replaces each `terse.weight` by a `kernel.weight` at an offset of the weight
    section, a multiple of 64. Weights with the same data share one place. The
    attribute `terse.weights` of the module lists them in the order of their
    offsets, so that the artifact's writer can stream the bytes; they are not
    read here.

    A weight's other attributes (what a packing pass says of it for the manifest)
    go into its entry of the list. Of codes and of packed weights the entry
    tells the values that they mean: `shape`, `bits`, `group_size`, `symmetric`,
    `scale`; scales, zero points and biases are `part_of` their weight. `rows` names
    the symbol `logits_to_keep` where a layer is computed for so many rows alone.

    Example:
    ```mlir
    %w = terse.weight "w" = #terse.file<"model.onnx", 4096, 1024> {kind = "linear"} -> tensor<16x16xf32>
    ```
    becomes
    ```mlir
    module attributes {terse.weights = [{name = "w", data = #terse.file<"model.onnx", 4096, 1024>,
                       type = tensor<16x16xf32>, offset = 0, bytes = 1024, kind = "linear"} ]}
    %w = kernel.weight "w" at 0 : tensor<16x16xf32>
    ```
  }];
  let dependentDialects = ["::terse::TerseDialect", "::terse::kernel::KernelDialect"];
}
