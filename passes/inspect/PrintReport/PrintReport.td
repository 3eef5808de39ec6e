include "mlir/Pass/PassBase.td"

def PrintReport : Pass<"terse-print-report", "::mlir::ModuleOp"> {
  let summary = "prints what the passes before it recorded";
  let description = [{
    One line a fact, `pass: name value`, on standard error: counts of what was
    recognised, bytes before and after, errors of rounding.
  }];
  let dependentDialects = ["::terse::TerseDialect"];
}
