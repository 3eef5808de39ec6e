include "mlir/Pass/PassBase.td"

def DropDeadWeights : Pass<"terse-drop-dead-weights", "::mlir::ModuleOp"> {
  let summary = "removes parameters that nothing reads";
  let description = [{
    Exporters leave initializers behind that no node uses. They would otherwise
    be counted, compressed and shipped.
  }];
  let dependentDialects = ["::terse::TerseDialect"];
}
