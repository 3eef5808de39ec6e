//===- KernelAttrs.td - attributes and enumerations ----------------------===//
#ifndef TERSE_KERNEL_ATTRS_TD
#define TERSE_KERNEL_ATTRS_TD

include "KernelDialect.td"
include "KernelInterfaces.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"

// A matrix instruction: its behaviour is one file of Intrinsics/.
class KernelInstruction<string name, string mnemonicName, list<string> overrides = []>
    : AttrDef<KernelDialect, name, [DeclareAttrInterfaceMethods<Kernel_MmaInstruction, overrides>]> {
  let mnemonic = mnemonicName;
}

defvar LookupMethods = ["createLookup"];
defvar SparseMethods = ["getMaxSparseSteps", "createSparseMma", "createSparseMmaByDefinition"];

def Kernel_X86VnniAttr : KernelInstruction<"X86Vnni", "x86_vnni", !listconcat(LookupMethods, SparseMethods)> {
  let summary = "AVX512-VNNI vpdpbusd: 16 columns, sums of 32 bits";
}

def Kernel_X86MaddubsAttr : KernelInstruction<"X86Maddubs", "x86_maddubs",
                            !listconcat(["getMaxSteps", "createSum", "createSumByDefinition"], SparseMethods)> {
  let summary = "AVX2 vpmaddubsw: 8 columns, two partial sums of 16 bits a column";
  let description = [{
    A product saturates at 16 bits, so weights must be of 7 bits or fewer. With codes
    of 4 bits 8 products, 32 of k, add up without overflow: 15 * 127 * 2 * 8 = 30,480.
  }];
}

def Kernel_X86MaddubsBiasedAttr : KernelInstruction<"X86MaddubsBiased", "x86_maddubs_biased",
                                  ["getMaxSteps", "hasSignedWeights", "createSum", "createSumByDefinition"]> {
  let summary = "AVX2 vpmaddubsw with signed weights and activations of which 128 was made 0";
  let description = [{
    As `x86_maddubs`, with operands the other way round: what a symmetric zero point would add to a sum is then the same for all rows. With weights
    of 4 bits 8 products add up: 8 * 255 * 2 * 8 = 32,640.
  }];
}

def Kernel_X86MaddubsSignedAttr : KernelInstruction<"X86MaddubsSigned", "x86_maddubs_signed",
                                  !listconcat(["getWeightOffset"], LookupMethods)> {
  let summary = "AVX2 for 8-bit weights: 8 columns, sums of 32 bits";
  let description = [{
    Multiplies by weight - 128 as |w| times a with the sign of w, so that a pair's sum,
    2 * 128 * 127 at most, does not saturate in `vpmaddubsw`; `vpmaddwd` by ones then
    widens each product.
  }];
}

def Kernel_X86MaddwdAttr : KernelInstruction<"X86Maddwd", "x86_maddwd"> {
  let summary = "SSE2 pmaddwd on widened bytes: 4 columns, sums of 32 bits";
}

def Kernel_X86Bf16Attr : KernelInstruction<"X86Bf16", "x86_bf16", ["getWeightsType", "getActivationsType", "getSumType"]> {
  let summary = "AVX512-BF16 vdpbf16ps: 16 columns by two k in bf16, sums of f32";
  let description = [{
    Adds the product of each pair's second values, rounds, adds that of the first ones and rounds. Denormal numbers are 0.
  }];
}

class BlockParameter<string what, string value = "1"> : DefaultValuedParameter<"int64_t", value, what>;

def Kernel_TilingAttr : AttrDef<KernelDialect, "Tiling"> {
  let mnemonic = "tiling";
  let summary = "blocks that a linear layer's results are computed in";
  let description = [{
    A block's sums stay in registers: `rows` rows of the input by `panels` panels of 16 columns. There are blocks for one row, for a few (as many rows
    as there are, up to `few_rows`), for more (what these leave over has blocks of few), and for `unpacked_from` rows and more, which meet weights that
    are unpacked once (0: never). Weights are asked for before they are needed: `one_prefetch` bytes ahead by one row, `prefetch` bytes by
    blocks of 2 to 8, past the second-level cache; `far_prefetch` bytes, and into the second-level cache, by blocks whose arithmetic takes longer
    than memory (0: not): the first level has too few misses at once for both. From there they are asked for 2048 bytes ahead. No choice changes a result.

    Example: `#kernel.tiling<one_panels = 1, one_prefetch = 4096, few_rows = 4, few_panels = 1, many_rows = 8, many_panels = 1, unpacked_rows = 6, unpacked_panels = 2, unpacked_from = 24, prefetch = 4096, far_prefetch = 16384>`
  }];
  let parameters = (ins BlockParameter<"panels of a block of one row">:$one_panels, BlockParameter<"bytes that one row asks for weights ahead", "0">:$one_prefetch,
                        BlockParameter<"most rows of a block of few", "2">:$few_rows,
                        BlockParameter<"its panels">:$few_panels, BlockParameter<"rows of a block of more", "2">:$many_rows, BlockParameter<"its panels">:$many_panels,
                        BlockParameter<"rows of a block on unpacked weights">:$unpacked_rows, BlockParameter<"its panels">:$unpacked_panels,
                        BlockParameter<"rows from which on weights are unpacked; 0: none", "0">:$unpacked_from,
                        BlockParameter<"bytes that few rows ask for weights ahead", "0">:$prefetch,
                        BlockParameter<"bytes that rows of much arithmetic ask for weights ahead", "0">:$far_prefetch);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    static constexpr int64_t kMostRows = 16, kMostPanels = 8, kMostPrefetch = 65536;
    /// More rows take longer than memory.
    static constexpr int64_t kMostPrefetchingRows = 8;
    /// Matrix instructions for a line of weights that take longer than memory.
    static constexpr int64_t kFarInstructions = 6;
    /// How far ahead what is in the second-level cache is asked for into the first.
    static constexpr int64_t kNearBytes = 2048;
    struct Prefetch {
      int64_t bytes;     ///< ahead
      unsigned locality; ///< 0: into the first-level cache alone, for what is read once; 2: into the second; 3: into both
    };
    /// What a block of so many rows asks for, each with `instructions` for a line of weights.
    llvm::SmallVector<Prefetch, 2> getPrefetches(int64_t rows, double instructions) const {
      if (rows > 1 && getFarPrefetch() && rows * instructions >= kFarInstructions)
        return {{getFarPrefetch(), 2}, {kNearBytes, 3}};
      int64_t bytes = rows == 1 ? getOnePrefetch() : rows <= kMostPrefetchingRows ? getPrefetch() : 0;
      if (!bytes)
        return {};
      return {{bytes, 0}};
    }
  }];
}

#endif
