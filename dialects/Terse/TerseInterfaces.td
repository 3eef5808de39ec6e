//===- TerseInterfaces.td - how passes and operations meet ---------------===//
#ifndef TERSE_INTERFACES_TD
#define TERSE_INTERFACES_TD

include "mlir/IR/OpBase.td"

def Terse_LinearLike : OpInterface<"LinearLike"> {
  let cppNamespace = "::terse";
  let description = [{
    An operation that contracts its input with a weight matrix. A pass written
    against this interface works with every such operation.
  }];
  let methods = [
    InterfaceMethod<"The activations, [..., K].", "::mlir::OpOperand &", "getInputOperand", (ins)>,
    InterfaceMethod<"The weight, two-dimensional.", "::mlir::OpOperand &", "getWeightOperand", (ins)>,
    InterfaceMethod<"The axis of the weight that is summed over.", "int64_t", "getReductionAxis", (ins)>,
    InterfaceMethod<"Number of output channels.", "int64_t", "getOutputChannels", (ins)>,
    InterfaceMethod<"Number of values summed over, K.", "int64_t", "getReductionSize", (ins)>,
    InterfaceMethod<"Reads `weight`, [N, K], instead of its weight.", "void", "replaceWeight", (ins "::mlir::Value":$weight)>
  ];
}

def Terse_ScaleAbsorbing : OpInterface<"ScaleAbsorbing"> {
  let cppNamespace = "::terse";
  let description = [{
    An operation whose output channels can be multiplied by constants through a
    change of its own parameters, as a norm's scale can.
  }];
  let methods = [
    InterfaceMethod<"The operand that multiplies output channels, [C].", "::mlir::OpOperand &", "getChannelScaleOperand", (ins)>
  ];
}

#endif
