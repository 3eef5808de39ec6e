include "mlir/Pass/PassBase.td"

def Spmd : Pass<"terse-spmd", "::mlir::ModuleOp"> {
  let summary = "all threads run the entry function, each a share of its work";
  let description = [{
    Every linalg operation and copy on buffers becomes a function that computes
    one thread's share, and a `kernel.launch` of it; equal functions are made
    once. A share is a contiguous part of one parallel loop: the outermost that
    has several iterations for every thread, else the longest. Sums are never split, so results
    do not depend on the number of threads. What has no parallel loop is done
    by one thread. Scalar code is run by all threads alike.

    Consecutive operations that compute row after row (a norm's sum and its use, chains of
    elementwise operations on tokens) are one launch that gives every thread
    rows, with no barrier in between. Launches are then reordered so that work
    that waits for equally much goes together.

    A `kernel.barrier` precedes work that touches what other threads
    may not have finished with: a buffer written since the last barrier, or
    written now and read since. It names the weights that the next large layer streams
    (`kernel.streamed` on its kernel's parameter), for who waits to read ahead.

    The entry function gets its runtime arguments (see passes/target/README.md)
    and `kernel.weight`s become views of the weight section.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::func::FuncDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::LLVM::LLVMDialect", "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect",
                           "::terse::kernel::KernelDialect", "::terse::TerseDialect"];
}
