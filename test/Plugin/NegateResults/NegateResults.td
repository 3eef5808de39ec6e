include "mlir/Pass/PassBase.td"

def NegateResults : Pass<"sample-negate-results", "::mlir::ModuleOp"> {
  let summary = "negates what functions return";
  let description = [{
    The sample plug-in: each floating-point tensor that a function returns is
    negated, which any test of a plug-in sees at once.
  }];
  let options = [
    Option<"only", "only", "int64_t", "-1", "index of the one result to negate; -1: all">
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect"];
}
