//===- SelectKernel.cpp - the blocks in which layers are computed ---------===//
#include "Tilings.h"
#include "Terse/TerseDialect.h"
#include "terse/Passes.h"
#include "terse/Support/CPULevel.h"

#include "llvm/ADT/TypeSwitch.h"

namespace terse {
#define GEN_PASS_DEF_SELECTKERNEL
#include "kernel/SelectKernel/SelectKernel.h.inc"
} // namespace terse

using namespace mlir;
using namespace terse;
using namespace terse::select_kernel;

template <typename Op> static std::pair<int64_t, int64_t> getSizes(Op layer) {
  return {cast<RankedTensorType>(layer.getType()).getShape().back(), cast<RankedTensorType>(layer.getInput().getType()).getShape().back()};
}

static LayerKind getKind(kernel::QLinearOp layer) {
  auto [n, k] = getSizes(layer);
  SchemeAttr scheme = layer.getScheme();
  std::string format = scheme.hasTable() ? "nf4" : "w" + std::to_string(scheme.getBits());
  if (layer.getSparse())
    format += "-2:4";
  if (!layer.roundsInput())
    format += "-float";
  return {format, scheme.getGroup(), n, k};
}

static LayerKind getKind(kernel::LinearOp layer) {
  auto [n, k] = getSizes(layer);
  std::string format;
  llvm::raw_string_ostream(format) << cast<RankedTensorType>(layer.getWeight().getType()).getElementType();
  return {format, 0, n, k};
}

namespace {
struct SelectKernel : terse::impl::SelectKernelBase<SelectKernel> {
  using SelectKernelBase::SelectKernelBase;

  void runOnOperation() override {
    auto emitError = [&] { return getOperation().emitError(); };
    const CPULevel *target = findCPULevel(level);
    if (!target) {
      emitError() << "expected the level " << listCPULevels() << "; got '" << level << "'";
      return signalPassFailure();
    }
    TuningFile file;
    if (!tuning.empty()) {
      FailureOr<TuningFile> read = TuningFile::read(tuning, &getContext(), emitError);
      if (failed(read))
        return signalPassFailure();
      file = std::move(*read);
    }
    int64_t numSelected = 0, numTuned = 0;
    auto select = [&](auto layer) {
      if (layer.getTilingAttr())
        return;
      LayerKind kind = getKind(layer);
      kernel::TilingAttr measured = file.find(getKernelLevel(*target, kind.format).name, kind);
      layer.setTilingAttr(measured ? measured : makeTiling(*findBuiltIn(level, kind.format), &getContext(), emitError));
      ++numSelected;
      numTuned += static_cast<bool>(measured);
    };
    getOperation()->walk([&](Operation *op) { llvm::TypeSwitch<Operation *>(op).Case<kernel::QLinearOp, kernel::LinearOp>(select); });
    if (getOperation().getBody()->empty()) // the file alone was to be checked
      return;
    Report &report = getContext().getLoadedDialect<TerseDialect>()->getReport();
    report.add(getArgument(), "selected", numSelected);
    report.add(getArgument(), "tuned", numTuned);
  }
};
} // namespace
