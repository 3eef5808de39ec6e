//===- CompressOps.td - operations that compression introduces -----------===//
#ifndef TERSE_COMPRESS_OPS_TD
#define TERSE_COMPRESS_OPS_TD

include "GraphOps.td"

defvar CodeTensor = RankedTensorOf<[I8]>;

def Terse_TapOp : TerseOp<"tap", [AllTypesMatch<["input", "result"]>]> {
  let summary = "a named identity";
  let description = [{
    Marks a value for calibration or for comparison of two models.
  }];
  let arguments = (ins RankedTensorOf<[AnyType]>:$input, StrAttr:$name);
  let results = (outs RankedTensorOf<[AnyType]>:$result);
  let assemblyFormat = "$name $input attr-dict `:` type($input)";
}

def Terse_DequantizeOp : TerseOp<"dequantize", [Pure]> {
  let summary = "the values that codes mean";
  let description = [{
    `codes` is [N, ceil(K * bits / 8)] bytes packed as the scheme says, `scales` [N, groups] of
    the scheme's scale type, `zero_points` (present exactly when the scheme has them) [N, groups]
    i8, in code units read as unsigned. The result is [N, K] float. N stands for any number of
    dimensions: [batch, sequence, K] are rows gathered from a table's codes.
  }];
  let arguments = (ins CodeTensor:$codes, FloatTensor:$scales, Optional<CodeTensor>:$zero_points,
                       Terse_SchemeAttr:$scheme);
  let results = (outs FloatTensor:$result);
  let assemblyFormat = "$scheme $codes `,` $scales (`zero` $zero_points^ `:` type($zero_points))? attr-dict `:` type($codes) `,` type($scales) `->` type($result)";
  let hasVerifier = 1;
}

def Terse_QuantizeDynamicOp : TerseOp<"quantize_dynamic", [Pure, AllTypesMatch<["input", "result"]>]> {
  let summary = "rounds each token to 8 bits, in float";
  let description = [{
    Each row (last dimension) is replaced by its nearest values on a symmetric
    grid of `bits` bits with scale max|x| / (2^(bits-1) - 1): round(x / scale)
    (ties to even) * scale. A row of zeros stays. Float semantics; `integerize` makes integer
    arithmetic of it.
  }];
  let arguments = (ins FloatTensor:$input, DefaultValuedAttr<I64Attr, "8">:$bits);
  let results = (outs FloatTensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input)";
  let hasVerifier = 1;
}

def Terse_QLinearOp : TerseOp<"qlinear", [Pure, AttrSizedOperandSegments]> {
  let summary = "a linear layer in integer arithmetic";
  let description = [{
    linear(quantize_dynamic(input), dequantize(codes, scales, zero_points)) + bias with
    integer dot products: per token and group an exact integer sum, then one
    multiply-add in f32. `input` is float [..., K]; the rounding of the input is part of the
    operation. `activation_bits` is 8.
  }];
  let arguments = (ins FloatTensor:$input, CodeTensor:$codes, FloatTensor:$scales,
                       Optional<CodeTensor>:$zero_points, Optional<FloatTensor>:$bias,
                       Terse_SchemeAttr:$scheme, OptionalAttr<StrAttr>:$name);
  let results = (outs FloatTensor:$result);
  let assemblyFormat = [{
    $scheme $input `,` $codes `,` $scales (`zero` $zero_points^ `:` type($zero_points))?
    (`bias` $bias^ `:` type($bias))? attr-dict `:` type($input) `,` type($codes) `,` type($scales) `->` type($result)
  }];
  let hasVerifier = 1;
}

#endif
