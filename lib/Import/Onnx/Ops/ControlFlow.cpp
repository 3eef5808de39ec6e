//===- ControlFlow.cpp - branches -----------------------------------------===//
#include "Helpers.h"

using namespace mlir;
using namespace terse;
using namespace terse::importer;

TERSE_ONNX_OP("", If, 13, 1, 1) {
  const auto *thenBranch = n.find("then_branch"), *elseBranch = n.find("else_branch");
  if (!thenBranch || !thenBranch->has_g() || !elseBranch || !elseBranch->has_g())
    return im.error("expected two branches"), failure();
  Tensor *condition = n.input(0);
  if (!isBool(condition->dtype))
    return im.error("expected a condition of type bool; got " + getTypeName(condition->dtype)), failure();
  // Exporters ask for what they know of shapes: mostly one branch is left.
  if (std::optional<double> known = im.constantFloat(condition)) {
    SmallVector<Tensor *> outputs;
    if (failed(im.importGraph(*known != 0 ? thenBranch->g() : elseBranch->g(), {}, outputs)))
      return failure();
    return n.yield(outputs);
  }

  // Nothing has side effects, so both are computed, and one is chosen.
  if (!im.symbols.equal(im.product(condition->dims), Dim(1)).value_or(false))
    return im.error("expected a condition of one element"), failure();
  Symbols before = im.symbols;
  bool changed = im.symbols.takeChanged();
  SmallVector<Tensor *> chosen[2];
  for (auto [branch, outputs] : {std::make_pair(thenBranch, &chosen[0]), std::make_pair(elseBranch, &chosen[1])}) {
    if (failed(im.importGraph(branch->g(), {}, *outputs)))
      return failure();
    if (im.symbols.takeChanged()) {
      im.symbols = before;
      return im.error("the condition must be known when the model is compiled: a branch holds for certain sizes only"),
             failure();
    }
  }
  if (changed)
    im.symbols.setChanged();
  if (chosen[0].size() != chosen[1].size())
    return im.error("expected branches of as many outputs; got " + Twine(chosen[0].size()) + " and " +
                    Twine(chosen[1].size())),
           failure();
  SmallVector<Tensor *> results;
  Tensor *scalar = im.reshape(condition, {});
  for (auto [a, b] : llvm::zip(chosen[0], chosen[1])) {
    auto sizes = [&](Tensor *t) {
      std::vector<Dim> dims;
      for (const Dim &dim : t->dims)
        dims.push_back(im.symbols.resolve(dim));
      return dims;
    };
    if (!sameType(im, {a, b}))
      return failure();
    if (sizes(a) != sizes(b))
      return im.error("the condition must be known when the model is compiled: the branches' outputs are of different "
                      "sizes"),
             failure();
    results.push_back(select(im, scalar, a, b));
  }
  return n.yield(results);
}
