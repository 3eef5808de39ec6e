//===- CompressOps.td - operations that compression introduces -----------===//
#ifndef TERSE_COMPRESS_OPS_TD
#define TERSE_COMPRESS_OPS_TD

include "GraphOps.td"

defvar CodeTensor = RankedTensorOf<[I8]>;
defvar ScaleTensor = RankedTensorOf<[I8, F16, BF16, F32]>;
defvar ZeroTensor = RankedTensorOf<[I8, F16, BF16, F32]>;

def Terse_TapOp : TerseOp<"tap", [AllTypesMatch<["input", "result"]>]> {
  let summary = "a named identity";
  let description = [{
    Marks a value for calibration or for comparison of two models.
  }];
  let arguments = (ins RankedTensorOf<[AnyType]>:$input, StrAttr:$name);
  let results = (outs RankedTensorOf<[AnyType]>:$result);
  let assemblyFormat = "$name $input attr-dict `:` type($input)";
}

def Terse_ScaleChannelsOp : TerseOp<"scale_channels", [Pure, AllTypesMatch<["input", "result"]>]> {
  let summary = "multiplies channels by constants";
  let description = [{
    Element i of the result is that of `input` times scale[i[axis]]; `scale` is [C], C the static size of `axis`. Products are in f32.

    Smoothing writes them in pairs, on a layer's input and on its weight, so that the function stays; later passes read layers
    through them, until `terse-fold-scales` puts them into what computes the value.

    Example:
    ```mlir
    %y = terse.scale_channels %x, %s {axis = 2 : i64} : tensor<1x?x64xf32>, tensor<64xf32>
    ```
  }];
  let arguments = (ins FloatTensor:$input, FloatTensor:$scale, I64Attr:$axis);
  let results = (outs FloatTensor:$result);
  let assemblyFormat = "$input `,` $scale attr-dict `:` type($input) `,` type($scale)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Terse_RotateOp : TerseOp<"rotate", [Pure, AllTypesMatch<["input", "result"]>]> {
  let summary = "channels times an orthogonal matrix of Hadamard's kind";
  let description = [{
    Each row (last dimension, of the static size n) of the result is that of `input` times the matrix that
    `terse/Numerics/Hadamard.h` defines for n, without random signs; with `block` each run of so many channels by itself, by the
    matrix for that size. Its entries are all of about the same size, so a channel with outliers is spread over all others. Products are in f32.

    Rotations that can be folded into weights are (`terse-rotate-hadamard`); this operation is one that remains at run time, because the value
    is no linear function of weights. Statistics of a layer that reads it are of its result.

    Example:
    ```mlir
    %y = terse.rotate %x : tensor<1x?x704xf32>
    %z = terse.rotate %q {block = 64 : i64} : tensor<1x?x512xf32>
    ```
  }];
  let arguments = (ins FloatTensor:$input, OptionalAttr<I64Attr>:$block);
  let results = (outs FloatTensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input)";
  let hasVerifier = 1;
  let hasFolder = 1;
  let extraClassDeclaration = [{
    /// Channels that are rotated together.
    int64_t getRotatedSize() {
      return getBlock() ? int64_t(*getBlock()) : ::llvm::cast<::mlir::RankedTensorType>(getType()).getShape().back();
    }
  }];
}

def Terse_DequantizeOp : TerseOp<"dequantize", [Pure, AttrSizedOperandSegments]> {
  let summary = "the values that codes mean";
  let description = [{
    `codes` is [N, ceil(K * bits / 8)] bytes packed as the scheme says, `scales` [N, groups] of
    the scheme's scale type, `row_scales` (present exactly when that is i8) [N, 1] of f32, `zero_points` (present exactly
    when the scheme has them) [N, groups] in code units, of i8 read as unsigned, or of floats where the scheme says so. The result is [N, K] float. N stands for any number of
    dimensions: [batch, sequence, K] are rows gathered from a table's codes.
  }];
  let arguments = (ins CodeTensor:$codes, ScaleTensor:$scales, Optional<RankedTensorOf<[F32]>>:$row_scales,
                       Optional<ZeroTensor>:$zero_points, Terse_SchemeAttr:$scheme);
  let results = (outs FloatTensor:$result);
  let assemblyFormat = [{
    $scheme $codes `,` $scales (`rows` $row_scales^ `:` type($row_scales))? (`zero` $zero_points^ `:` type($zero_points))?
    attr-dict `:` type($codes) `,` type($scales) `->` type($result)
  }];
  let hasVerifier = 1;
}

def Terse_QuantizeDynamicOp : TerseOp<"quantize_dynamic", [Pure, AllTypesMatch<["input", "result"]>]> {
  let summary = "rounds activations to 8 bits of a range found at run time, in float";
  let description = [{
    Each row (last dimension) is replaced by its nearest values on a symmetric
    grid of `bits` bits with scale max|x| / (2^(bits-1) - 1): round(x / scale)
    (ties to even) * scale. A row of zeros stays.

    `per_tensor`: the whole tensor is, on the grid of `quantize_tensor`, as ONNX's DynamicQuantizeLinear and DequantizeLinear have it.

    Float semantics; `integerize` makes integer arithmetic of it.
  }];
  let arguments = (ins FloatTensor:$input, DefaultValuedAttr<I64Attr, "8">:$bits, UnitAttr:$per_tensor);
  let results = (outs FloatTensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input)";
  let hasVerifier = 1;
}

def Terse_QuantizeHeadsOp : TerseOp<"quantize_heads", [Pure, AllTypesMatch<["input", "result"]>]> {
  let summary = "rounds the heads of tokens to 4 or 8 bits, in float";
  let description = [{
    `input` is [B, S, heads * D], token-major: what enters a KV cache. The D values of a token's head are replaced by their nearest ones on a
    grid of their own, low + code * scale: low = f16(min x), scale = f16((max x - low) / (2^bits - 1)), code = round((x - low) / scale), ties to
    even, within 0 .. 2^bits - 1; low and scale stay within 65504, and where the scale is 0 all values are low. Arithmetic in f32.

    Float semantics; `integerize` makes a cache of codes of it.

    Example:
    ```mlir
    %y = terse.quantize_heads %x {bits = 4 : i64, num_heads = 2 : i64} : tensor<1x?x128xf32>
    ```
  }];
  let arguments = (ins FloatTensor:$input, I64Attr:$num_heads, I64Attr:$bits);
  let results = (outs FloatTensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input)";
  let hasVerifier = 1;
}

def Terse_QuantizeStaticOp : TerseOp<"quantize_static", [Pure, Elementwise, AllTypesMatch<["input", "result"]>]> {
  let summary = "rounds activations to a grid known in advance, in float";
  let description = [{
    (clamp(round(x / scale) + zero, low, high) - zero) * scale, ties to even: what QuantizeLinear and
    DequantizeLinear make of x. `scale` is a number of type f32.
  }];
  let arguments = (ins FloatTensor:$input, F64Attr:$scale, I64Attr:$zero, I64Attr:$low, I64Attr:$high);
  let results = (outs FloatTensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input)";
  let hasVerifier = 1;
}

def Terse_QuantizeTensorOp : TerseOp<"quantize_tensor", [Pure]> {
  let summary = "unsigned 8-bit codes of a whole tensor";
  let description = [{
    ONNX's DynamicQuantizeLinear. With low = min(0, min x), high = max(0, max x): `scale` = (high - low) / 255,
    `zero_point` = round(-low / scale), `codes` = clamp(round(x / scale) + zero_point, 0, 255), ties to even. A tensor of zeros
    has the scale 0 and the codes 0. Codes and zero point are unsigned.
  }];
  let arguments = (ins FloatTensor:$input);
  let results = (outs CodeTensor:$codes, RankedTensorOf<[F32]>:$scale, CodeTensor:$zero_point);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($codes) `,` type($scale) `,` type($zero_point)";
  let hasVerifier = 1;
}

def Terse_QLinearOp : TerseOp<"qlinear", [Pure, AttrSizedOperandSegments]> {
  let summary = "a linear layer in integer arithmetic";
  let description = [{
    linear(rounded input, dequantize(codes, scales, row_scales, zero_points)) + bias with
    integer dot products: per token and group an exact integer sum, then one
    multiply-add in f32. `input` is float [..., K]; its rounding, by `grid` (each token by itself where there is none), is
    part of the operation. With the grid `none` products are in float, of the weights' codes.
  }];
  let arguments = (ins FloatTensor:$input, CodeTensor:$codes, ScaleTensor:$scales,
                       Optional<RankedTensorOf<[F32]>>:$row_scales, Optional<ZeroTensor>:$zero_points, Optional<FloatTensor>:$bias,
                       Terse_SchemeAttr:$scheme, OptionalAttr<StrAttr>:$name, OptionalAttr<Terse_GridAttr>:$grid);
  let results = (outs FloatTensor:$result);
  let assemblyFormat = [{
    $scheme $input `,` $codes `,` $scales (`rows` $row_scales^ `:` type($row_scales))? (`zero` $zero_points^ `:` type($zero_points))?
    (`bias` $bias^ `:` type($bias))? attr-dict `:` type($input) `,` type($codes) `,` type($scales) `->` type($result)
  }];
  let hasVerifier = 1;
}

#endif
