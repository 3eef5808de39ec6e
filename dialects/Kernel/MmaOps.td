//===- MmaOps.td - matrix instructions -----------------------------------===//
#ifndef TERSE_KERNEL_MMA_OPS_TD
#define TERSE_KERNEL_MMA_OPS_TD

include "KernelAttrs.td"
include "KernelInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Kernel_MmaOp : KernelOp<"mma", [Pure, AllTypesMatch<["partial", "result"]>]> {
  let summary = "a product of weights and activations, added";
  let description = [{
    For each column c of a register of weights, read as unsigned:

        sum(c) += sum over i < 4 of (weights[4 c + i] - offset) * activations[i]

    where `offset` is the instruction's and sum(c) is one element of `partial`, or two
    16-bit elements (i = 0, 1 and i = 2, 3) whose pair sums saturate.

    An instruction of floats does the same for pairs, i < 2, in its own types.

    Example:
    ```mlir
    %1 = kernel.mma #kernel.x86_vnni %w, %a, %0 : vector<64xi8>, vector<4xi8>, vector<16xi32>
    %3 = kernel.mma #kernel.x86_bf16 %v, %b, %2 : vector<32xbf16>, vector<2xbf16>, vector<16xf32>
    ```
  }];
  let arguments = (ins Kernel_MmaInstruction:$instruction, VectorOfRankAndType<[1], [I8, BF16]>:$weights,
                       VectorOfRankAndType<[1], [I8, BF16]>:$activations, VectorOfRankAndType<[1], [I16, I32, F32]>:$partial);
  let results = (outs VectorOfRankAndType<[1], [I16, I32, F32]>:$result);
  let assemblyFormat = "$instruction $weights `,` $activations `,` $partial attr-dict `:` type($weights) `,` type($activations) `,` type($partial)";
  let hasVerifier = 1;
}

def Kernel_MmaSparseOp : KernelOp<"mma_sparse", [Pure, AllTypesMatch<["partial", "result"]>, AllTypesMatch<["values", "places"]>]> {
  let summary = "a product of 4-bit weights of which two of four are there, added";
  let description = [{
    For each column c of a register of weights:

        sum(c) += sum over i < 4 of (values[4 c + i] - 8) * activations[places[4 c + i]]

    where sum(c) is as for `kernel.mma`. Values are 0..15, places 0..3 for i < 2 and 4..7 for the others: where
    the weights lie among eight of k. Only for instructions that have sparse products.

    Example:
    ```mlir
    %1 = kernel.mma_sparse #kernel.x86_vnni %v, %p, %a, %0 : vector<64xi8>, vector<8xi8>, vector<16xi32>
    ```
  }];
  let arguments = (ins Kernel_MmaInstruction:$instruction, VectorOfRankAndType<[1], [I8]>:$values,
                       VectorOfRankAndType<[1], [I8]>:$places, VectorOfRankAndType<[1], [I8]>:$activations,
                       VectorOfRankAndType<[1], [I16, I32]>:$partial);
  let results = (outs VectorOfRankAndType<[1], [I16, I32]>:$result);
  let assemblyFormat = [{
    $instruction $values `,` $places `,` $activations `,` $partial attr-dict
    `:` type($values) `,` type($activations) `,` type($partial)
  }];
  let hasVerifier = 1;
}

def Kernel_LookupOp : KernelOp<"lookup", [Pure, AllTypesMatch<["indices", "result"]>]> {
  let summary = "bytes of a table";
  let description = [{
    result[i] = table[indices[i]], where the table has 16 bytes and indices are 0..15: codes become weights of a register of the instruction.

    Example:
    ```mlir
    %w = kernel.lookup #kernel.x86_vnni [1, 40, 61, 78, 92, 105, 116, -128, -118, -108, -97, -85, -72, -57, -36, -1] %c : vector<64xi8>
    ```
  }];
  let arguments = (ins Kernel_MmaInstruction:$instruction, DenseI8ArrayAttr:$table,
                       VectorOfRankAndType<[1], [I8]>:$indices);
  let results = (outs VectorOfRankAndType<[1], [I8]>:$result);
  let assemblyFormat = "$instruction $table $indices attr-dict `:` type($indices)";
  let hasVerifier = 1;
}

def Kernel_MmaSumOp : KernelOp<"mma_sum", [Pure, AllTypesMatch<["sum", "result"]>]> {
  let summary = "adds partial sums of 16 bits to sums of 32";
  let description = [{
    sum[c] + partial[2 c] + partial[2 c + 1] for each column c. Only for
    instructions that have partial sums.

    Example:
    ```mlir
    %s1 = kernel.mma_sum #kernel.x86_maddubs %p, %s0 : vector<16xi16>, vector<8xi32>
    ```
  }];
  let arguments = (ins Kernel_MmaInstruction:$instruction, VectorOfRankAndType<[1], [I16]>:$partial,
                       VectorOfRankAndType<[1], [I32]>:$sum);
  let results = (outs VectorOfRankAndType<[1], [I32]>:$result);
  let assemblyFormat = "$instruction $partial `,` $sum attr-dict `:` type($partial) `,` type($sum)";
  let hasVerifier = 1;
}

#endif
