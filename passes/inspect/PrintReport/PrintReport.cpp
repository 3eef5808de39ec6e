//===- PrintReport.cpp - prints what passes recorded ----------------------===//
#include "Terse/TerseDialect.h"
#include "terse/Passes.h"

#include "llvm/Support/raw_ostream.h"

namespace terse {
#define GEN_PASS_DEF_PRINTREPORT
#include "inspect/PrintReport/PrintReport.h.inc"
} // namespace terse

namespace {
struct PrintReport : terse::impl::PrintReportBase<PrintReport> {
  using PrintReportBase::PrintReportBase;

  void runOnOperation() override {
    getContext().getLoadedDialect<terse::TerseDialect>()->getReport().print(llvm::errs());
    markAllAnalysesPreserved();
  }
};
} // namespace
