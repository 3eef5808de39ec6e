//===- KernelInterfaces.td - how kernels and instructions meet -----------===//
#ifndef TERSE_KERNEL_INTERFACES_TD
#define TERSE_KERNEL_INTERFACES_TD

include "mlir/IR/OpBase.td"

def Kernel_MmaInstruction : AttrInterface<"MmaInstruction"> {
  let cppNamespace = "::terse::kernel";
  let description = [{
    A matrix instruction that multiplies unsigned 8-bit weights by signed 8-bit
    activations, or signed weights by unsigned activations. A register of weights holds [columns][4]: four consecutive k of
    each output column; the four activations at these k serve all columns.

    A product is added to *partial sums*. Some instructions add in 16 bits: then a
    number of products that `getMaxSteps` bounds may be added before `createSum`
    must add them to sums of 32 bits. Others add in 32 bits and partial sums are
    the sums.

    Instructions of floats say with other types what a register holds: pairs of k in bf16, and sums in f32. What follows is
    for codes alone.

    Weights of 4 bits of which two of four are there (2:4) need not be spread out: instructions that
    can gather activations multiply the weights that are there by those that they meet (`mma_sparse`).

    Each instruction also has a definition in plain vector operations, by which its
    kernels run, and are checked, on any machine.
  }];
  let methods = [
    InterfaceMethod<"Output columns of a register of weights.", "int64_t", "getColumns", (ins)>,
    InterfaceMethod<"Type of a register of weights: [columns][4] bytes.", "::mlir::VectorType", "getWeightsType", (ins), "",
                    "return ::mlir::VectorType::get(4 * $_attr.getColumns(), ::mlir::IntegerType::get($_attr.getContext(), 8));">,
    InterfaceMethod<"Type of the activations that meet it: four bytes.", "::mlir::VectorType", "getActivationsType", (ins), "",
                    "return ::mlir::VectorType::get(4, ::mlir::IntegerType::get($_attr.getContext(), 8));">,
    InterfaceMethod<"Type of sums: one of 32 bits a column.", "::mlir::VectorType", "getSumType", (ins), "",
                    "return ::mlir::VectorType::get($_attr.getColumns(), ::mlir::IntegerType::get($_attr.getContext(), 32));">,
    InterfaceMethod<"Type of partial sums.", "::mlir::VectorType", "getPartialType", (ins)>,
    InterfaceMethod<[{Products of weights of at most `maxWeight` that can be added to partial sums of
                      0 before these may overflow; 0 if none can.}],
                    "int64_t", "getMaxSteps", (ins "int64_t":$maxWeight), "",
                    "return std::numeric_limits<int64_t>::max();">,
    InterfaceMethod<"The instruction multiplies by (weight - offset).", "int64_t", "getWeightOffset", (ins), "",
                    "return 0;">,
    InterfaceMethod<"Whether weights are the signed operand and activations the unsigned one.", "bool", "hasSignedWeights",
                    (ins), "", "return false;">,
    InterfaceMethod<"partial + (weights - offset) * activations by the instruction itself.",
                    "::mlir::Value", "createMma",
                    (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc, "::mlir::Value":$weights,
                         "::mlir::Value":$activations, "::mlir::Value":$partial)>,
    InterfaceMethod<"The same by plain vector operations.",
                    "::mlir::Value", "createMmaByDefinition",
                    (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc, "::mlir::Value":$weights,
                         "::mlir::Value":$activations, "::mlir::Value":$partial)>,
    InterfaceMethod<"sum + partial, by the machine's instructions. Not called where partial sums are the sums.",
                    "::mlir::Value", "createSum",
                    (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc, "::mlir::Value":$partial,
                         "::mlir::Value":$sum), "", "return partial;">,
    InterfaceMethod<"The same by plain vector operations.",
                    "::mlir::Value", "createSumByDefinition",
                    (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc, "::mlir::Value":$partial,
                         "::mlir::Value":$sum), "", "return partial;">,
    InterfaceMethod<[{What `lookup` says, by the machine's instructions; null where it has none that look up many bytes
                      at once.}],
                    "::mlir::Value", "createLookup",
                    (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc, "::mlir::Value":$table,
                         "::mlir::Value":$indices), "", "return {};">,
    InterfaceMethod<[{Sparse products that can be added to partial sums of 0 before these may overflow; 0 if the
                      instruction has none.}],
                    "int64_t", "getMaxSparseSteps", (ins), "", "return 0;">,
    InterfaceMethod<[{What `mma_sparse` says, by the machine's instructions. Not called where there are no
                      sparse products.}],
                    "::mlir::Value", "createSparseMma",
                    (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc, "::mlir::Value":$values,
                         "::mlir::Value":$places, "::mlir::Value":$activations, "::mlir::Value":$partial), "",
                    "return partial;">,
    InterfaceMethod<"The same by plain vector operations.",
                    "::mlir::Value", "createSparseMmaByDefinition",
                    (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc, "::mlir::Value":$values,
                         "::mlir::Value":$places, "::mlir::Value":$activations, "::mlir::Value":$partial), "",
                    "return partial;">
  ];
  let extraSharedClassDeclaration = [{
    /// Eight signed bytes, which sparse products choose from.
    ::mlir::VectorType getSparseActivationsType() const {
      return ::mlir::VectorType::get(8, ::mlir::IntegerType::get($_attr.getContext(), 8));
    }
    bool hasSparse() const { return $_attr.getMaxSparseSteps() > 0; }
    /// Whether partial sums must be added to the sums by `mma_sum`.
    bool hasPartialSums() const { return $_attr.getPartialType() != $_attr.getSumType(); }
  }];
}

#endif
