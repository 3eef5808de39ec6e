//===- LaunchOps.td - kernels, threads and weights -----------------------===//
#ifndef TERSE_KERNEL_LAUNCH_OPS_TD
#define TERSE_KERNEL_LAUNCH_OPS_TD

include "KernelDialect.td"
include "mlir/Dialect/Bufferization/IR/BufferizableOpInterface.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/DestinationStyleOpInterface.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Kernel_LaunchOp : KernelOp<"launch", [
    AttrSizedOperandSegments,
    DestinationStyleOpInterface,
    DeclareOpInterfaceMethods<SymbolUserOpInterface>,
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>,
    DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>,
    DeclareOpInterfaceMethods<BufferizableOpInterface, [
      "bufferizesToMemoryRead", "bufferizesToMemoryWrite", "getAliasingValues", "bufferize"]>]> {
  let summary = "a kernel that all threads of the call run together";
  let description = [{
    Calls `callee` with the inputs, the outputs, the number of the thread and
    the number of threads (both `index`). Each thread does its share; what is
    computed must not depend on how many there are. With `serial` thread 0 alone
    calls it, as the only one of one thread.

    In destination style: on tensors each result is the corresponding output,
    updated; on buffers there are no results. Inputs are tensors, buffers or
    scalars and are only read. The callee is private and takes buffers: of the identity
    layout wherever the launch was on tensors, since bufferization passes others as copies.

    Example:
    ```mlir
    %y = kernel.launch @gemv ins(%x, %w : tensor<?x256xf32>, tensor<64x256xi8>)
                             outs(%init : tensor<?x64xf32>) -> tensor<?x64xf32>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$callee, Variadic<AnyType>:$inputs,
                       Variadic<AnyTypeOf<[AnyRankedTensor, AnyStridedMemRef]>>:$outputs, UnitAttr:$serial);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    (`serial` $serial^)? $callee (`ins` `(` $inputs^ `:` type($inputs) `)`)? (`outs` `(` $outputs^ `:` type($outputs) `)`)?
    attr-dict (`->` type($results)^)?
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() { return getOutputsMutable(); }
  }];
}

def Kernel_BarrierOp : KernelOp<"barrier", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "all threads of the call meet";
  let description = [{
    No thread passes before all have come; what any wrote before is seen by all
    after. Who waits may read its share of `ahead` into its cache, which is needed behind.

    Example: `kernel.barrier ahead(%w : memref<704x8192xi8>)`
  }];
  let arguments = (ins Optional<StaticShapeMemRefOf<[AnyInteger, AnyFloat]>>:$ahead);
  let assemblyFormat = "(`ahead` `(` $ahead^ `:` type($ahead) `)`)? attr-dict";
}

def Kernel_WeightOp : KernelOp<"weight", [
    Pure,
    DeclareOpInterfaceMethods<BufferizableOpInterface, ["isWritable", "bufferize"]>]> {
  let summary = "a tensor in the artifact's weight section";
  let description = [{
    A constant, read-only view of the bytes at `offset` of the section, row-major.

    Example:
    ```mlir
    %w = kernel.weight "layers.0.mlp.up_proj.weight" at 4096 : tensor<352x128xf32>
    ```
  }];
  let arguments = (ins StrAttr:$name, I64Attr:$offset);
  let results = (outs AnyTypeOf<[AnyRankedTensor, AnyMemRef]>:$result);
  let assemblyFormat = "$name `at` $offset attr-dict `:` type($result)";
  let hasVerifier = 1;
}

#endif
