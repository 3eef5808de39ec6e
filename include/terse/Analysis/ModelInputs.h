//===- ModelInputs.h - what a model is run on --------------------*- C++ -*-===//
#ifndef TERSE_ANALYSIS_MODELINPUTS_H
#define TERSE_ANALYSIS_MODELINPUTS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <string>
#include <vector>

namespace terse {

/// The manifest's name of an element type ("f32", "i64", "bool"); empty if it has none.
std::string getDTypeName(mlir::Type type, bool isUnsigned);

/// An input that whoever runs the model may give.
struct ModelInput {
  std::string name, dtype;
  std::vector<std::string> dims; ///< as `terse.dims` writes them
  bool hasDefault = false;
};

/// The inputs of the entry function, in order; states are none.
std::vector<ModelInput> getModelInputs(mlir::func::FuncOp entry);

} // namespace terse

#endif // TERSE_ANALYSIS_MODELINPUTS_H
