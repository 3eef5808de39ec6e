//===- TerseAttrs.td - attributes and enumerations -----------------------===//
#ifndef TERSE_ATTRS_TD
#define TERSE_ATTRS_TD

include "Terse/TerseDialect.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"

class TerseAttr<string name, string mnemonicName, list<Trait> traits = []>
    : AttrDef<TerseDialect, name, traits> {
  let mnemonic = mnemonicName;
}

def Terse_FileAttr : TerseAttr<"File", "file"> {
  let summary = "bytes of a file";
  let description = [{
    `bytes` bytes at byte `offset` of the file `path`: the data of a weight,
    row-major, little-endian. A relative path is relative to the directory that
    the weight store is given (that of the model), else to the working directory.
  }];
  let parameters = (ins StringRefParameter<"path">:$path, "uint64_t":$offset, "uint64_t":$bytes);
  let assemblyFormat = "`<` $path `,` $offset `,` $bytes `>`";
}

def Terse_ZeroPoint : I32EnumAttr<"ZeroPoint", "how a scheme represents zero", [
  I32EnumAttrCase<"None", 0, "none">,
  I32EnumAttrCase<"Integer", 1, "integer">,
  I32EnumAttrCase<"Float", 2, "float">]> {
  let genSpecializedAttr = 0;
  let cppNamespace = "::terse";
}

def Terse_Codebook : I32EnumAttr<"Codebook", "what codes stand for", [
  I32EnumAttrCase<"Linear", 0, "linear">,
  I32EnumAttrCase<"NF4", 1, "nf4">]> {
  let genSpecializedAttr = 0;
  let cppNamespace = "::terse";
}

def CodebookParameter : EnumParameter<Terse_Codebook> {
  let defaultValue = "::terse::Codebook::Linear";
}

def Terse_SchemeAttr : TerseAttr<"Scheme", "scheme"> {
  let summary = "how the values of a tensor are represented by integer codes";
  let description = [{
    Codes of `storage` bits (2, 3, 4 or 8) along the last dimension in groups of `group` values
    that share a scale of type `scale`; without `group` one scale serves a whole
    row (per channel). With `zero = none` the scheme is symmetric: a code `c`
    means `(c - 2^(bits-1)) * scale`; with `zero = integer` a zero point per
    group is given and `c` means `(c - zero) * scale`; with `zero = float` zero points
    need not be whole and are of the scales' type. The attribute says how;
    scales and zero points are operands and say how much.

    With `scale = i8` the scale of a group is itself a code: the signed byte times a scale of its row, f32 (double
    quantization, QLoRA, Dettmers et al., 2023; there of 256 scales, here of a row's, so that kernels multiply by it once, at the
    end). Zero points that are not whole are then f16.

    With `codebook = nf4`, of 4 bits and symmetric, a code `c` means `table[c] * scale`, where the table is that of NF4 (QLoRA:
    the values that divide a normal distribution into 16 equal parts) rounded to multiples of 1/127, in such units: -127, -88, -67, -50,
    -36, -23, -12, 0, 10, 20, 31, 43, 56, 71, 92, 127. So products are of integers; each value is within 0.4 % of the largest
    of NF4's own.

    Codes of a row are a little-endian bit stream of ceil(K * bits / 8) bytes.

    Examples: `#terse.scheme<i4, group = 32, scale = f16, zero = none>`,
    `#terse.scheme<i4, group = 64, scale = i8, zero = none, codebook = nf4>`
  }];
  let parameters = (ins "::mlir::IntegerType":$storage, OptionalParameter<"int64_t", "0">:$group,
                        "::mlir::Type":$scale, EnumParameter<Terse_ZeroPoint>:$zero, CodebookParameter:$codebook);
  let assemblyFormat = "`<` $storage `,` struct($group, $scale, $zero, $codebook) `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    unsigned getBits() const { return getStorage().getWidth(); }
    bool isSymmetric() const { return getZero() == ZeroPoint::None; }
    /// Whether scales are codes too, times a scale of the row.
    bool hasRowScales() const { return getScale().isInteger(); }
    /// The type of zero points.
    ::mlir::Type getZeroType() const;
    bool hasTable() const { return getCodebook() != Codebook::Linear; }
    /// What each code means, in units of the scale, where a table says so; else empty.
    ::llvm::ArrayRef<int8_t> getTable() const;
    /// What `code` means in units of the scale, of a symmetric scheme.
    int getLevel(uint8_t code) const { return hasTable() ? getTable()[code] : code - (1 << (getBits() - 1)); }
    /// Values that share a scale in a row of `k` values.
    int64_t getGroupSize(int64_t k) const { return getGroup() ? getGroup() : k; }
    /// Scales of a row of `k` values (the last group may be partial).
    int64_t getNumGroups(int64_t k) const;
    /// Bytes of the codes of a row of `k` values.
    int64_t getRowBytes(int64_t k) const { return (k * getBits() + 7) / 8; }
  }];
}

def Terse_GridKind : I32EnumAttr<"GridKind", "what shares a grid of activations", [
  I32EnumAttrCase<"Token", 0, "token">,
  I32EnumAttrCase<"Tensor", 1, "tensor">,
  I32EnumAttrCase<"Fixed", 2, "fixed">,
  I32EnumAttrCase<"None", 3, "none">]> {
  let genSpecializedAttr = 0;
  let cppNamespace = "::terse";
}

def Terse_GridAttr : TerseAttr<"Grid", "grid"> {
  let summary = "how the input of a layer is rounded to 8 bits";
  let description = [{
    `token`: as `terse.quantize_dynamic` does, each row by itself. `tensor`: as `terse.quantize_dynamic` with
    `per_tensor` does. `fixed`: as `terse.quantize_static` does, with a grid of at most 256 values.
    `none`: not at all; products are in float.

    Example: `#terse.grid<fixed, scale = 2.500000e-01 : f64, zero = 3, low = 0, high = 255>`
  }];
  let parameters = (ins EnumParameter<Terse_GridKind>:$kind, OptionalParameter<"::mlir::FloatAttr">:$scale,
                        OptionalParameter<"int64_t", "0">:$zero, OptionalParameter<"int64_t", "0">:$low,
                        OptionalParameter<"int64_t", "0">:$high);
  let assemblyFormat = "`<` $kind (`,` struct($scale, $zero, $low, $high)^)? `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// Codes are stored as signed bytes: less this than they are.
    int64_t getOffset() const { return getKind() == GridKind::Tensor ? 128 : (getLow() + getHigh() + 1) / 2; }
    /// Whether 0 may be another code than 0.
    bool hasZero() const { return getKind() == GridKind::Tensor || (getKind() == GridKind::Fixed && getZero() != getOffset()); }
  }];
}

def Terse_NormKind : I32EnumAttr<"NormKind", "kind of normalization", [
  I32EnumAttrCase<"RMS", 0, "rms">,
  I32EnumAttrCase<"Layer", 1, "layer">]> {
  let genSpecializedAttr = 0;
  let cppNamespace = "::terse";
}
def Terse_NormKindAttr : EnumAttr<TerseDialect, Terse_NormKind, "norm_kind"> {
  let assemblyFormat = "$value";
}

def Terse_ActivationKind : I32EnumAttr<"ActivationKind", "elementwise activation", [
  I32EnumAttrCase<"Relu", 0, "relu">,
  I32EnumAttrCase<"Silu", 1, "silu">,
  I32EnumAttrCase<"Gelu", 2, "gelu">,
  I32EnumAttrCase<"GeluTanh", 3, "gelu_tanh">,
  I32EnumAttrCase<"QuickGelu", 4, "quick_gelu">,
  I32EnumAttrCase<"Sigmoid", 5, "sigmoid">]> {
  let genSpecializedAttr = 0;
  let cppNamespace = "::terse";
}
def Terse_ActivationKindAttr : EnumAttr<TerseDialect, Terse_ActivationKind, "activation_kind"> {
  let assemblyFormat = "$value";
}

#endif
