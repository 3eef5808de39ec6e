//===- GraphOps.td - operations of a model in float ----------------------===//
#ifndef TERSE_GRAPH_OPS_TD
#define TERSE_GRAPH_OPS_TD

include "TerseAttrs.td"
include "TerseInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

defvar Float = AnyTypeOf<[F16, BF16, F32, F64]>;
defvar FloatTensor = RankedTensorOf<[Float]>;
defvar TableTensor = RankedTensorOf<[Float, I8]>;
defvar IdTensor = RankedTensorOf<[I32, I64]>;
defvar CacheTensor = RankedTensorOf<[Float, I8]>;

def Terse_WeightOp : TerseOp<"weight", [Pure]> {
  let summary = "a parameter of the model";
  let description = [{
    A constant whose data lie in a file (`#terse.file`, mapped when read and
    never held in the IR) or, when small, in the attribute itself.

    Example:
    ```mlir
    %w = terse.weight "layers.0.mlp.down_proj.weight" = #terse.file<"model.onnx", 4096, 180224> -> tensor<128x352xf32>
    ```
  }];
  let arguments = (ins StrAttr:$name, AnyAttrOf<[Terse_FileAttr, ElementsAttr]>:$data);
  let results = (outs RankedTensorOf<[AnyType]>:$result);
  let assemblyFormat = "$name `=` $data attr-dict `->` type($result)";
  let hasVerifier = 1;
}

def Terse_LinearOp : TerseOp<"linear", [Pure, DeclareOpInterfaceMethods<Terse_LinearLike>]> {
  let summary = "a linear layer: y = x w^T + bias";
  let description = [{
    `x` is [..., K]. `weight` is [N, K] with `reduction_axis = 1`, [K, N] with
    `reduction_axis = 0` (ONNX MatMul). `bias` is [N]. The result is [..., N].
    Sums are in f32 whatever the element type.
    `name` is the layer's name, by which recipes choose.
  }];
  let arguments = (ins FloatTensor:$input, FloatTensor:$weight, Optional<FloatTensor>:$bias,
                       DefaultValuedAttr<I64Attr, "1">:$reduction_axis, OptionalAttr<StrAttr>:$name);
  let results = (outs FloatTensor:$result);
  let assemblyFormat = "$input `,` $weight (`bias` $bias^ `:` type($bias))? attr-dict `:` type($input) `,` type($weight) `->` type($result)";
  let hasVerifier = 1;
}

def Terse_MatmulOp : TerseOp<"matmul", [Pure]> {
  let summary = "batched product of two activations";
  let description = [{
    [batch..., M, K] times [batch..., K, N] is [batch..., M, N]; the batch
    dimensions of both operands are the same. Sums of f16 and bf16 are in f32.
    Integer element types are multiplied and summed in the result's element type.
  }];
  let arguments = (ins RankedTensorOf<[Float, AnyInteger]>:$lhs, RankedTensorOf<[Float, AnyInteger]>:$rhs);
  let results = (outs RankedTensorOf<[Float, AnyInteger]>:$result);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` type($lhs) `,` type($rhs) `->` type($result)";
  let hasVerifier = 1;
}

def Terse_NormOp : TerseOp<"norm", [Pure, AllTypesMatch<["input", "result"]>, DeclareOpInterfaceMethods<Terse_ScaleAbsorbing>]> {
  let summary = "layer or RMS normalization over the last dimension";
  let description = [{
    rms (Zhang and Sennrich, 2019): y = x / sqrt(mean(x^2) + epsilon) * scale.
    layer (Ba et al., 2016): y = (x - mean) / sqrt(var + epsilon) * scale + bias.
    Statistics are in f32. `input` is [..., C], `scale` and `bias` are [C].
  }];
  let arguments = (ins FloatTensor:$input, FloatTensor:$scale, Optional<FloatTensor>:$bias,
                       Terse_NormKindAttr:$kind, F64Attr:$epsilon);
  let results = (outs FloatTensor:$result);
  let assemblyFormat = "$kind $input `,` $scale (`bias` $bias^ `:` type($bias))? attr-dict `:` type($input) `,` type($scale)";
  let hasVerifier = 1;
}

def Terse_SoftmaxOp : TerseOp<"softmax", [Pure, AllTypesMatch<["input", "result"]>]> {
  let summary = "softmax along an axis";
  let description = [{
    exp(x - max) / sum(exp(x - max)) along `axis`, in f32.
  }];
  let arguments = (ins FloatTensor:$input, I64Attr:$axis);
  let results = (outs FloatTensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input)";
  let hasVerifier = 1;
}

def Terse_ActivationOp : TerseOp<"activation", [Pure, Elementwise, AllTypesMatch<["input", "result"]>]> {
  let summary = "an elementwise activation function";
  let description = [{
    relu: max(x, 0). silu: x * sigmoid(x). gelu: x/2 (1 + erf(x / sqrt 2)).
    gelu_tanh: x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))).
    quick_gelu: x * sigmoid(1.702 x). sigmoid: 1 / (1 + exp(-x)).
  }];
  let arguments = (ins FloatTensor:$input, Terse_ActivationKindAttr:$kind);
  let results = (outs FloatTensor:$result);
  let assemblyFormat = "$kind $input attr-dict `:` type($input)";
}

def Terse_EmbeddingOp : TerseOp<"embedding", [Pure]> {
  let summary = "rows of a table";
  let description = [{
    `ids` is [...], `table` [V, C], the result [..., C]. An id in -V..-1 counts
    from the end, as in ONNX Gather; any other id outside of 0..V-1 reads the
    nearest row, so that no input can read outside of the table. A table of bytes holds codes.
  }];
  let arguments = (ins IdTensor:$ids, TableTensor:$table, OptionalAttr<StrAttr>:$name);
  let results = (outs TableTensor:$result);
  let assemblyFormat = "$ids `,` $table attr-dict `:` type($ids) `,` type($table) `->` type($result)";
  let hasVerifier = 1;
}

def Terse_RopeOp : TerseOp<"rope", [Pure, AllTypesMatch<["input", "result"]>, AllTypesMatch<["cos", "sin"]>]> {
  let summary = "rotary position embedding";
  let description = [{
    Su et al., 2021. `input` is [B, S, heads * D] token-major; `cos` and `sin`
    are [B, S, R/2] with R <= D the rotated part at the start of each head
    (B may be 1 in them). Pairs are (i, i + R/2), or (2i, 2i + 1) when
    `interleaved`: (a, b) becomes (a cos - b sin, b cos + a sin).
  }];
  let arguments = (ins FloatTensor:$input, FloatTensor:$cos, FloatTensor:$sin,
                       I64Attr:$num_heads, UnitAttr:$interleaved);
  let results = (outs FloatTensor:$result);
  let assemblyFormat = "$input `,` $cos `,` $sin attr-dict `:` type($input) `,` type($cos)";
  let hasVerifier = 1;
}

def Terse_AttentionOp : TerseOp<"attention", [Pure, AttrSizedOperandSegments]> {
  let summary = "scaled dot-product attention over a cache";
  let description = [{
    `query` is [B, S, H * D], token-major. `key` is [B, KV, T, D] and `value`
    [B, KV, T, Dv]: the layout of a KV cache. H is a multiple of KV (grouped
    queries, Ainslie et al., 2023): head h reads KV head h / (H / KV).
    Of T rows the first `length` are read; T may be a cache's capacity.
    The result is [B, S, H * Dv].

    scores = softcap(scale * q k^T) + bias, then masked: query i is at position
    length - S + i, or starts[b] + i where sequences of different lengths have `starts`
    [B]; `causal` lets it read positions up to its own, `window` = w
    (with causal) only the last w of these; `padding` [B, >= length] is false
    where a key must not be read; `bias` is broadcastable to [B, H, S, T] (sizes
    1 or whole; its last dimension is at least `length`). `slopes` [H] add
    slopes[h] * (key's position - query's) (ALiBi, Press et al., 2022). `softcap` = c is
    c * tanh(x / c). With `sinks` [H], exp(sinks[h]) is one more term of the sum that the
    exponentials are divided by. A query that may read nothing yields 0.

    With `key_bits` (4 or 8) `key` is a quantized cache, as `terse.cache_update` with so many `bits` writes it; with `value_bits` `value` is.
  }];
  let arguments = (ins FloatTensor:$query, CacheTensor:$key, CacheTensor:$value, Index:$length,
                       Optional<IdTensor>:$starts, Optional<RankedTensorOf<[I1]>>:$padding, Optional<FloatTensor>:$bias,
                       Optional<FloatTensor>:$slopes, Optional<FloatTensor>:$sinks,
                       I64Attr:$num_heads, F64Attr:$scale, UnitAttr:$causal,
                       OptionalAttr<I64Attr>:$window, OptionalAttr<F64Attr>:$softcap,
                       OptionalAttr<I64Attr>:$key_bits, OptionalAttr<I64Attr>:$value_bits);
  let results = (outs FloatTensor:$result);
  let assemblyFormat = [{
    $query `,` $key `,` $value `length` $length (`starts` $starts^ `:` type($starts))?
    (`padding` $padding^ `:` type($padding))? (`bias` $bias^ `:` type($bias))? (`slopes` $slopes^ `:` type($slopes))?
    (`sinks` $sinks^ `:` type($sinks))? attr-dict `:` type($query) `,` type($key) `,` type($value) `->` type($result)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Values of a key, of a value: D and Dv.
    int64_t getKeySize() { return getRowSize(getKey(), getKeyBits()); }
    int64_t getValueSize() { return getRowSize(getValue(), getValueBits()); }
  private:
    static int64_t getRowSize(::mlir::Value cache, std::optional<uint64_t> bits);
  public:
  }];
}

def Terse_CacheUpdateOp : TerseOp<"cache_update", [Pure, AllTypesMatch<["cache", "result"]>]> {
  let summary = "writes new rows into a KV cache";
  let description = [{
    `cache` is [B, KV, capacity, D], `update` [B, S, KV * D] token-major. Rows
    position .. position + S of the result are the update's, the others the
    cache's. With `starts` [B], those of sequence b begin at starts[b] instead, kept
    within 0 .. capacity - S. Lowered in place: the cache is state of the artifact.

    With `bits` (4 or 8) the cache is quantized: i8 [B, KV, capacity, D * bits / 8 + 4], of each head's token the codes and the f16 scale and low
    that `terse.quantize_heads` finds. In which order the bytes lie is for the kernels that read and write them to say.
  }];
  let arguments = (ins CacheTensor:$cache, FloatTensor:$update, Index:$position, Optional<IdTensor>:$starts,
                       OptionalAttr<I64Attr>:$bits);
  let results = (outs CacheTensor:$result);
  let assemblyFormat = [{
    $cache `,` $update `at` $position (`starts` $starts^ `:` type($starts))? attr-dict `:` type($cache) `,` type($update)
  }];
  let hasVerifier = 1;
}

#endif
