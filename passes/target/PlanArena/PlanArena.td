include "mlir/Pass/PassBase.td"

def PlanArena : Pass<"terse-plan-arena", "::mlir::ModuleOp"> {
  let summary = "allocations become views of one arena";
  let description = [{
    Every `memref.alloc` of the entry function gets a slot of the arena. Two
    share a slot when a barrier lies between the last use of one and the first
    use of the other, since threads run ahead of each other elsewhere. Sizes
    are expressions of the entry function's arguments, so slots are chosen by
    sizes estimated for typical arguments, and a slot is as large as
    the largest of its tenants; offsets (multiples of 64 bytes) are computed on entry.

    `@forward_arena`, with the arguments of the entry function except the
    runtime ones, returns the bytes that the arena must have.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::func::FuncDialect", "::mlir::memref::MemRefDialect", "::terse::TerseDialect"];
}
