//===- KernelSource.cpp - kernels written as text -------------------------===//
#include "terse/Kernels/KernelSource.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Parser/Parser.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace terse;

KernelSource &KernelSource::set(StringRef name, StringRef value) {
  parameters[name.str()] = value.str();
  return *this;
}

KernelSource &KernelSource::add(StringRef part) {
  while (!part.empty()) {
    size_t dollar = part.find('$');
    text += part.substr(0, dollar);
    if (dollar == StringRef::npos)
      break;
    part = part.substr(dollar + 1);
    StringRef name;
    if (part.consume_front("{")) {
      name = part.take_until([](char c) { return c == '}'; });
      part = part.drop_front(name.size() + 1);
    } else {
      name = part.take_while([](char c) { return llvm::isAlnum(c); });
      part = part.drop_front(name.size());
    }
    auto found = parameters.find(name.str());
    assert(found != parameters.end() && "a template names a parameter that was not set");
    text += found->second;
  }
  text += '\n';
  return *this;
}

func::FuncOp terse::getOrAddKernel(ModuleOp module, StringRef name, const KernelSource &source) {
  if (auto function = module.lookupSymbol<func::FuncOp>(name))
    return function;
  OwningOpRef<ModuleOp> parsed =
      parseSourceString<ModuleOp>(source.str(), ParserConfig(module.getContext()), "kernel " + name.str());
  auto function = parsed ? parsed->lookupSymbol<func::FuncOp>(name) : nullptr;
  if (!function) {
    module.emitError("kernel '") << name << "' is not valid IR";
    return nullptr;
  }
  function->remove();
  function.setPrivate();
  module.push_back(function);
  return function;
}

std::string terse::floatText(double value) { return llvm::formatv("{0:E17}", value); }

RowView RowView::of(Value tensor) {
  auto width = [](Value value) { return cast<RankedTensorType>(value.getType()).getShape().back(); };
  auto slice = tensor.getDefiningOp<tensor::ExtractSliceOp>();
  if (!slice || slice.getSourceType().getRank() != slice.getType().getRank() || !slice.hasUnitStride())
    return {tensor, 0, width(tensor)};
  unsigned last = slice.getType().getRank() - 1;
  for (unsigned i = 0; i < last; ++i) {
    int64_t size = slice.getStaticSizes()[i], sourceSize = slice.getSourceType().getDimSize(i);
    bool whole = slice.getStaticOffsets()[i] == 0 && size == sourceSize;
    if (whole && ShapedType::isDynamic(size)) {
      auto dim = slice.getDynamicSize(i).getDefiningOp<tensor::DimOp>();
      whole = dim && dim.getConstantIndex() == static_cast<int64_t>(i) && dim.getSource() == slice.getSource();
    }
    if (!whole)
      return {tensor, 0, width(tensor)};
  }
  int64_t offset = slice.getStaticOffsets()[last];
  if (ShapedType::isDynamic(offset) || ShapedType::isDynamic(width(slice.getSource())))
    return {tensor, 0, width(tensor)};
  return {slice.getSource(), offset, width(slice.getSource())};
}
