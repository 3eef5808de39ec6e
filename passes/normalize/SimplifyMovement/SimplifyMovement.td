include "mlir/Pass/PassBase.td"

def SimplifyMovement : Pass<"terse-simplify-movement", "::mlir::ModuleOp"> {
  let summary = "removes movement of data that changes nothing, or is more than is read";
  let description = [{
    A chain of transposes, reshapes, slices and concatenations whose elements, traced by evaluation, are those of an
    earlier tensor in their order is replaced by that tensor. Slices move up to what they cut, through
    arithmetic, broadcasts, concatenations, gathers and tensors of positions, so that only what is read is
    computed. Batch and tokens that were merged for a matrix product stay two dimensions.

    With `through-layers` slices of rows also move up through layers, norms, activations and roundings: the last block
    of a model of which some rows are read computes only those. Passes that compress read blocks as they are without it.
  }];
  let options = [Option<"throughLayers", "through-layers", "bool", "false",
                        "also move slices of rows up through layers and norms">];
  let dependentDialects = ["::terse::TerseDialect", "::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect",
                           "::mlir::arith::ArithDialect", "::mlir::affine::AffineDialect"];
}
