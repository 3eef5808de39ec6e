include "mlir/Pass/PassBase.td"

def RecordInterface : Pass<"terse-record-interface", "::mlir::ModuleOp"> {
  let summary = "writes the entry function's interface to the module";
  let description = [{
    What users of the artifact see: inputs, outputs and states with their types
    and dimensions, and the symbols of these. They are attributes of @forward's
    arguments and results; lowering replaces both, so this pass copies them to the
    module's attribute `terse.interface`, from which the entry functions and the
    manifest are made.

    Symbols are in the order in which they are first named by inputs, states
    and outputs. `past` is that of the argument marked `terse.symbol = "past"`,
    `capacity` the symbol of the states' dimension of positions. `logits_to_keep`, where an argument
    is that symbol, has the symbol of its default, `terse.default_symbol`. `coupled_tokens` is there
    if anything is rounded by the range of a whole tensor.

    Example:
    ```mlir
    func.func @forward(%x: tensor<?x4xf32> {terse.name = "x", terse.dims = ["n", "4"]})
        -> (tensor<?x4xf32> {terse.name = "y", terse.dims = ["n", "4"]})
    ```
    gives
    ```mlir
    terse.interface = {inputs = [{name = "x", dtype = "f32", shape = ["n", "4"]} ],
                       outputs = [{name = "y", dtype = "f32", shape = ["n", "4"]} ],
                       states = [], symbols = ["n"]}
    ```
  }];
  let dependentDialects = ["::terse::TerseDialect"];
}
