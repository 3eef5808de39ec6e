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

    With `scale=i8` the scales of groups are multiples, -127 to 127, of a scale of the row in f32 (double quantization, Dettmers et al., 2023):
    a group costs 8 bits less. The row's is chosen so that its largest scale is the 127th multiple; ranges and codes are then chosen by the
    scales as they are stored. A row that has one scale keeps it in f16; zero points that are not whole are f16.

    With `format=nf4` codes of 4 bits stand for the 16 values of QLoRA's NormalFloat, rounded to multiples of 1/127 of the range (`#terse.scheme`), instead of
    for whole numbers; codes of other bits are as ever. Scales are max|x| / 127; with `clip-search` ranges and signs as above are tried. `method=gptq`
    takes the nearest value of the table, `hqq` and zero points do not go with it. What counts as the nearest is decided by the rounded table.

    A layer or table that is in codes already (of a quantized file) is rounded again where fewer bits are asked for than it has;
    else it keeps its codes.

    `method=gptq` minds the inputs: with H the mean of x x^T over a layer's inputs, from the statistics that calibration wrote (`stats`, else those
    that the module names), the squared error of a row's output is e^T H e. Ranges are those of least sum of H_jj e_j^2, values are rounded
    one after the other, each making good for the errors of those before it (GPTQ, Frantar et al., 2022), from the largest H_jj to the smallest
    (`act-order`; groups stay as they lie), and then `sweeps` times all scales, zero points and codes are chosen again, each the best given all the
    others (coordinate descent, as QuantEase, Behdin et al., 2023). `damping` times the mean of the diagonal is added to it, ten times as much and so on where H is
    not positive definite. A layer without statistics is an error; the head is then rounded to the nearest values, as embeddings are. With
    `method=rtn` and `stats` the ranges mind H_jj.

    `method=hqq` (half-quadratic quantization, Badri and Shaji, 2023) needs no data: from the grid that `rtn symmetric=false` gives a group the zero point,
    which need not be whole and is stored as scales are, is moved to where the sum of |error|^(1/2) gets small. `symmetric` and `stats` do not matter to it;
    embeddings are rounded to the nearest values. A sparse layer's zero points stay whole.

    A layer with `terse.sparsity` keeps its zeros. A layer's `terse.policy` (`terse-assign-policy`) goes before `bits`, `group-size`, `symmetric` and `method`. Layers marked
    `terse.frozen` are left.

    Facts: `codes-requantized`, `codes-kept`, `layers-quantized`, `layers-left`, `embeddings-quantized`, `bytes-before`, `bytes-after`
    (of what was quantized), `relative-error` (||W' - W|| / ||W|| over all), `worst-layer`; by the names of layers `layer-errors` (||W' - W|| / ||W||, where statistics know the layer ||(W' - W) X|| / ||W X||, whatever the method) and `layers` (bits, group size, method, what it was pruned to, what its error is of, bytes, shape, the first layer with the same input), by the names of tables `tables` (bytes); with statistics `layers-with-statistics`,
    `output-error-nearest` and `output-error` (||(W' - W) X|| / ||W X||, of values rounded to the nearest and in the end; `worst-layer` is then in it)
    and `most-damping` where more was needed than `damping`.

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
    Option<"scale", "scale", "std::string", "\"f16\"", "type of the scales: f16, f32, or i8 (with a scale of the row)">,
    Option<"format", "format", "std::string", "\"int\"", "what codes of 4 bits stand for: int (whole numbers) or nf4">,
    Option<"clipSearch", "clip-search", "bool", "true", "search the range of each group by squared error">,
    Option<"method", "method", "std::string", "\"rtn\"", "rtn: to the nearest values; hqq: with zero points that are not whole; gptq: by the statistics of inputs">,
    Option<"stats", "stats", "std::string", "\"\"", "file of statistics; empty: the one that the module names">,
    Option<"damping", "damping", "double", "0.01", "gptq: part of the mean of H's diagonal that is added to it">,
    Option<"actOrder", "act-order", "bool", "true", "gptq: channels with the largest inputs first">,
    Option<"sweeps", "sweeps", "int64_t", "6", "gptq: sweeps of coordinate descent afterwards">,
    Option<"layers", "layers", "std::string", "\"\"", "regular expression: layers to quantize; empty: all">,
    Option<"exclude", "exclude", "std::string", "\"\"", "regular expression: layers to leave; empty: none">,
    Option<"headBits", "head-bits", "int64_t", "8", "bits of the head; 0: leave it">,
    Option<"headGroupSize", "head-group-size", "int64_t", "-1", "group size of the head; -1: as the layers">,
    Option<"embeddingBits", "embedding-bits", "int64_t", "0", "bits of embedding tables; 0: leave them">,
    Option<"embeddingGroupSize", "embedding-group-size", "int64_t", "0", "group size of embedding tables; 0: a row">
  ];
  let dependentDialects = ["::terse::TerseDialect"];
}
