include "mlir/Pass/PassBase.td"

def FuseLinearBias : Pass<"terse-fuse-linear-bias", "::mlir::ModuleOp"> {
  let summary = "makes an added vector the bias of the linear layer before it";
  let description = [{
    `linear(x, w) + broadcast(b)` becomes `linear(x, w) bias b`, when the layer has no bias and no
    other use. Fact: `biases-fused`.
  }];
  let dependentDialects = ["::terse::TerseDialect", "::mlir::tensor::TensorDialect"];
}
