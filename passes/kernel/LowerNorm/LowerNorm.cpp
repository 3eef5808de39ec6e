//===- LowerNorm.cpp - normalization to kernels ---------------------------===//
#include "Kernel/KernelDialect.h"
#include "terse/Kernels/NormSource.h"
#include "terse/Kernels/Rows.h"
#include "terse/Passes.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

namespace terse {
#define GEN_PASS_DEF_LOWERNORM
#include "kernel/LowerNorm/LowerNorm.h.inc"
} // namespace terse

using namespace mlir;
using namespace terse;

/// (input [rows, C], scale [C][, bias [C]]) -> [rows, C].
static func::FuncOp getNormKernel(ModuleOp module, const NormSource &norm) {
  constexpr int64_t lanes = 16;
  int64_t whole = norm.channels / lanes * lanes;
  KernelSource source;
  source.set("name", norm.getName()).set("C", norm.channels).set("T", typeText(norm.element));
  source.set("n", lanes).set("arguments", norm.getArguments()).set("whole", whole);
  source.add(R"(func.func @$name(%input: memref<?x${C}x${T}>,$arguments %out: memref<?x${C}x${T}>,
    %thread: index, %threads: index) {
  %c0 = arith.constant 0 : index
  %lanes = arith.constant $n : index
  %columns = arith.constant $C : index
  %end = arith.constant $whole : index
  %zero = arith.constant 0.0 : f32
  %rows = memref.dim %input, %c0 : memref<?x${C}x${T}>
  scf.for %row = %thread to %rows step %threads {)");
  norm.addStatistics(source);
  auto columns = [&](int64_t width, StringRef begin, StringRef end) {
    source.set("n", width).set("begin", begin).set("stop", end);
    source.add("    scf.for %c = $begin to $stop step %lanes {");
    norm.addValue(source, "y");
    if (norm.element.isF32())
      source.add("    vector.store %y, %out[%row, %c] : memref<?x${C}x${T}>, vector<${n}xf32>");
    else
      source.add(R"(    %rounded = arith.truncf %y : vector<${n}xf32> to vector<${n}x${T}>
    vector.store %rounded, %out[%row, %c] : memref<?x${C}x${T}>, vector<${n}x${T}>)");
    source.add("    }");
  };
  columns(lanes, "%c0", "%end");
  if (norm.channels > whole)
    columns(norm.channels - whole, "%end", "%columns");
  source.add("  }\n  return\n}");
  return getOrAddKernel(module, norm.getName(), source);
}

namespace {
struct LowerNorm : terse::impl::LowerNormBase<LowerNorm> {
  using LowerNormBase::LowerNormBase;

  void runOnOperation() override {
    SmallVector<NormOp> norms;
    getOperation()->walk([&](NormOp op) {
      if (NormSource::canWrite(op))
        norms.push_back(op);
    });
    for (NormOp op : norms) {
      NormSource norm(op);
      func::FuncOp callee = getNormKernel(getOperation(), norm);
      if (!callee)
        return signalPassFailure();
      OpBuilder builder(op);
      Location loc = op.getLoc();
      SmallVector<Value> inputs = {toRows(builder, op.getInput())};
      llvm::append_range(inputs, norm.getParameters(op));
      Value count = tensor::DimOp::create(builder, loc, inputs.front(), 0);
      Value out = tensor::EmptyOp::create(builder, loc, {ShapedType::kDynamic, norm.channels}, norm.element, ValueRange{count});
      auto launch = kernel::LaunchOp::create(builder, loc, TypeRange{out.getType()}, callee.getSymName(), inputs,
                                             ValueRange{out}, /*serial=*/false);
      op.replaceAllUsesWith(fromRows(builder, launch.getResult(0), op.getType(), op.getInput()));
      op.erase();
    }
  }
};
} // namespace
