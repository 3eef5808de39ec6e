include "mlir/Pass/PassBase.td"

def EmitEntry : Pass<"terse-emit-entry", "::mlir::ModuleOp"> {
  let summary = "wraps @forward in the functions that the runtime calls";
  let description = [{
    Makes, for the CPU level `level`, the two functions of an entry as
    terse/Runtime/ArtifactABI.h defines them,

    ```
    void    terse_forward_<level>(const TerseCall *, int32_t thread, int32_t threads)
    int64_t terse_forward_<level>_arena(const TerseCall *)
    ```

    and gives `@terse_barrier` its body. Pointers come from the TerseCall, sizes
    of dynamic dimensions from its symbols by the expressions of `terse.dims`; the
    order of tensors and symbols is that of the module's `terse.interface`.
    `@forward` and `@forward_arena` are as passes/target/README.md says.
  }];
  let options = [Option<"level", "level", "std::string", "\"baseline\"", "CPU level that the functions are named for">];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect", "::mlir::arith::ArithDialect", "::mlir::func::FuncDialect"];
}
