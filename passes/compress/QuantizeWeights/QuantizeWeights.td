include "mlir/Pass/PassBase.td"

def QuantizeWeights : Pass<"terse-quantize-weights", "::mlir::ModuleOp"> {
  let summary = "rounds weights to integer codes with scales";
  let description = [{
    The weight of each linear layer that is chosen becomes codes and scales, and the
    layer reads `terse.dequantize` of them: [K, N] weights are turned to [N, K] on the way.
    The same for tables of embeddings. Weights are visited one at a time.

    A layer is chosen when `layers` matches in its name (the `name` of the operation, else its
    weight's) and `exclude` does not. The head, the layer whose result is a result of the
    model, and embeddings have options of their own, because they matter more: on a small Llama the
    head in 4 bits costs as much again as all other layers together, in 8 bits nothing. A table
    that is the head's weight too (tied) shares the head's codes unless `embedding-bits` says otherwise.

    Symmetric scales are the value of largest magnitude divided by -2^(bits-1), so that the grid's
    longer side is where it is needed; this beats a scale from the absolute maximum at 2 to 4 bits. With
    `clip-search` each group takes the one of least squared error of several ranges: from 10 % wider (symmetric only) to
    48 % narrower in steps of 2 % (8 bits: up to 10 % narrower).

    A layer or table that is in codes already (of a quantized file) is rounded again where fewer bits are asked for than it has;
    else it keeps its codes.

    Facts: `codes-requantized`, `codes-kept`, `layers-quantized`, `layers-left`, `embeddings-quantized`, `bytes-before`, `bytes-after`
    (of what was quantized), `relative-error` (||W' - W|| / ||W|| over all) and `worst-layer`.

    Example: `--terse-quantize-weights="bits=4 group-size=32"` turns
    ```mlir
    %w = terse.weight "up.weight" = ... -> tensor<64x256xf32>
    %y = terse.linear %x, %w {reduction_axis = 0 : i64} : ...
    ```
    into
    ```mlir
    %codes = terse.weight "up.weight.codes" = ... -> tensor<256x32xi8>
    %scales = terse.weight "up.weight.scales" = ... -> tensor<256x2xf16>
    %w = terse.dequantize <i4, group = 32, scale = f16, zero = none> %codes, %scales : ... -> tensor<256x64xf32>
    %y = terse.linear %x, %w : ...
    ```
  }];
  let options = [
    Option<"bits", "bits", "int64_t", "4", "bits of a code: 2, 3, 4 or 8">,
    Option<"groupSize", "group-size", "int64_t", "32", "values along the summed axis that share a scale; 0: all (per channel)">,
    Option<"symmetric", "symmetric", "bool", "true", "without zero points">,
    Option<"scale", "scale", "std::string", "\"f16\"", "type of the scales: f16 or f32">,
    Option<"clipSearch", "clip-search", "bool", "true", "search the range of each group by squared error">,
    Option<"layers", "layers", "std::string", "\"\"", "regular expression: layers to quantize; empty: all">,
    Option<"exclude", "exclude", "std::string", "\"\"", "regular expression: layers to leave; empty: none">,
    Option<"headBits", "head-bits", "int64_t", "8", "bits of the head; 0: leave it">,
    Option<"headGroupSize", "head-group-size", "int64_t", "-1", "group size of the head; -1: as the layers">,
    Option<"embeddingBits", "embedding-bits", "int64_t", "0", "bits of embedding tables; 0: leave them">,
    Option<"embeddingGroupSize", "embedding-group-size", "int64_t", "0", "group size of embedding tables; 0: a row">
  ];
  let dependentDialects = ["::terse::TerseDialect"];
}
