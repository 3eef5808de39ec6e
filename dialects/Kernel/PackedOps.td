//===- PackedOps.td - layers whose weights lie as kernels read them ------===//
#ifndef TERSE_KERNEL_PACKED_OPS_TD
#define TERSE_KERNEL_PACKED_OPS_TD

include "KernelAttrs.td"
include "Terse/TerseAttrs.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

defvar PackedBytes = RankedTensorOf<[I8]>;
defvar PackedFloats = RankedTensorOf<[F16, BF16, F32]>;
// Inputs and results of layers: kernels read and write narrow ones, and compute in f32.
defvar LayerFloats = RankedTensorOf<[F32, F16, BF16]>;
defvar PackedScales = RankedTensorOf<[I8, F16, BF16, F32]>;

def Kernel_QLinearOp : KernelOp<"qlinear", [Pure, AttrSizedOperandSegments]> {
  let summary = "terse.qlinear with packed weights";
  let description = [{
    Computes what `terse.qlinear` does in f32, rounds that to the result's type, and adds `residual`, of this type, when
    given. Weights are packed in panels of 16 output columns, zero beyond N:

    - `codes` [ceil(N/16), bytes]: a panel is the sequence of its groups, each
      padded to whole units. A unit holds 64 bytes of operand, [16 columns][4 k], for
      each four of its k: 8 bits 4 k, the bytes themselves; 4 bits 8 k in one plane of
      64 bytes, low nibbles first; 2 bits 16 k in one plane, lowest bits first; 3 bits
      32 k in three planes: two codes in the low six bits of each, then in their highest bits those of two more, of which
      the upper bits lie in the outer planes' pairs and the lowest in the inner one's.
      `sparse`: of each four k at most two have another code than 8 (2:4). A unit is 32 k: for each four of them two
      codes and two bits each that say where they lie; two planes of 64 bytes, in each byte the codes for 8 k in the low nibbles
      and for the next 8 in the high ones, [16 columns][2 fours][2], and one of places, lowest bits first. Of 4 bits, symmetric,
      3 bits a weight; the input must be rounded.
    - `scales` [ceil(N/16), groups, 16] in the scheme's type, `zero_points` likewise in the scheme's type of these or in i8,
      read as unsigned; of up to 4 bits two to a byte, [ceil(N/16), groups, 8]: columns 0-7 in the low nibbles.
    - `row_scales` [ceil(N/16), 16], where scales are of i8: what all of an output channel's scales are multiples of.
    - `bias` [ceil(N/16), 16].
    - `column_sums` [ceil(N/16), 16], where the grid of the input has a zero point: the sum of each output
      channel's weights, by which the zero point is made up for.
  }];
  let arguments = (ins LayerFloats:$input, PackedBytes:$codes, PackedScales:$scales,
                       Optional<RankedTensorOf<[F32]>>:$row_scales, Optional<PackedScales>:$zero_points, Optional<RankedTensorOf<[F32]>>:$bias,
                       Optional<LayerFloats>:$residual, Optional<RankedTensorOf<[F32]>>:$column_sums,
                       Terse_SchemeAttr:$scheme, OptionalAttr<StrAttr>:$name, OptionalAttr<Terse_GridAttr>:$grid,
                       UnitAttr:$sparse, OptionalAttr<Kernel_TilingAttr>:$tiling);
  let results = (outs LayerFloats:$result);
  let extraClassDeclaration = [{
    /// How the codes lie.
    ::terse::kernel::PackedLayout getLayout();
    /// Whether products are of integers: of codes and of rounded inputs.
    bool roundsInput() { return !getGrid() || getGrid()->getKind() != GridKind::None; }
  }];
  let assemblyFormat = [{
    $scheme $input `,` $codes `,` $scales (`rows` $row_scales^ `:` type($row_scales))? (`zero` $zero_points^ `:` type($zero_points))?
    (`bias` $bias^ `:` type($bias))? (`residual` $residual^ `:` type($residual))?
    (`sums` $column_sums^ `:` type($column_sums))? attr-dict
    `:` type($input) `,` type($codes) `,` type($scales) `->` type($result)
  }];
  let hasVerifier = 1;
}

def Kernel_LinearOp : KernelOp<"linear", [Pure, AttrSizedOperandSegments]> {
  let summary = "terse.linear with packed weights";
  let description = [{
    Computes what `terse.linear` does in f32, rounds that to the result's type, and adds `residual`, of this type, when given.
    `weight` is [ceil(N/16), K, 16], zero beyond N: panels of 16 output columns; of bf16 [ceil(N/16), ceil(K/2), 32], which is
    [16 columns][2 k] in each row, zero beyond K too: instructions of bf16 take pairs, and either of a pair is an f32
    after a shift or a mask. `bias` is [ceil(N/16), 16].
  }];
  let arguments = (ins LayerFloats:$input, PackedFloats:$weight,
                       Optional<RankedTensorOf<[F32]>>:$bias, Optional<LayerFloats>:$residual,
                       OptionalAttr<StrAttr>:$name, OptionalAttr<Kernel_TilingAttr>:$tiling);
  let results = (outs LayerFloats:$result);
  let assemblyFormat = [{
    $input `,` $weight (`bias` $bias^ `:` type($bias))? (`residual` $residual^ `:` type($residual))? attr-dict
    `:` type($input) `,` type($weight) `->` type($result)
  }];
  let hasVerifier = 1;
}

#endif
