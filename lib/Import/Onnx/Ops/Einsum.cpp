//===- Einsum.cpp - sums of products by index letters ---------------------===//
#include "Helpers.h"

using namespace mlir;
using namespace terse;
using namespace terse::importer;

namespace {
/// A tensor and the letter of each of its dimensions. Dimensions of an ellipsis
/// have letters of their own, '0' up, counted from the last.
struct Labelled {
  Tensor *tensor = nullptr;
  std::string labels;
};
} // namespace

/// The letters of a term, with an ellipsis as as many digits as it stands for.
static std::optional<std::string> expand(Importer &im, StringRef term, std::optional<int64_t> rank, int64_t ellipsis) {
  std::string labels;
  size_t dots = term.find("...");
  auto letters = [&](StringRef part) {
    for (char c : part)
      if (!isalpha(static_cast<unsigned char>(c)))
        return false;
    labels += part;
    return true;
  };
  StringRef before = term.take_front(dots), after = dots == StringRef::npos ? "" : term.drop_front(dots + 3);
  bool good = letters(before);
  if (dots != StringRef::npos) {
    int64_t count = rank ? *rank - static_cast<int64_t>(before.size() + after.size()) : ellipsis;
    good &= count >= 0 && count < 10;
    for (int64_t i = count; good && i-- > 0;)
      labels += static_cast<char>('0' + i);
  }
  good &= letters(after);
  if (!good || (rank && static_cast<int64_t>(labels.size()) != *rank)) {
    im.error("expected a term of one letter a dimension; got '" + term + "'");
    return std::nullopt;
  }
  return labels;
}

/// Sums over letters that are not in `kept`, and takes diagonals of repeated ones.
static Labelled simplify(Importer &im, Labelled t, StringRef kept) {
  for (size_t i = 0; i < t.labels.size() && t.tensor; ++i) {
    size_t again = t.labels.find(t.labels[i], i + 1);
    if (again == std::string::npos)
      continue;
    if (!im.unify(t.tensor->dims[i], t.tensor->dims[again], "sizes of one letter") || !im.value(t.tensor))
      return {};
    Dims dims(t.tensor->dims.begin(), t.tensor->dims.end());
    dims.erase(dims.begin() + again);
    Tensor *source = t.tensor;
    t.tensor = im.generate(source->dtype, dims, [&](OpBuilder &b, ValueRange at) {
      SmallVector<Value> position(at);
      position.insert(position.begin() + again, at[i]);
      return im.element(b, source, position);
    });
    t.labels.erase(again, 1);
    --i;
  }
  SmallVector<int64_t> axes;
  std::string rest;
  for (const auto &[i, label] : llvm::enumerate(t.labels))
    if (kept.contains(label))
      rest += label;
    else
      axes.push_back(i);
  return {axes.empty() ? t.tensor : reduceSum(im, t.tensor, axes, /*keep=*/false), rest};
}

/// Dimensions in the order of `labels`, which has the same letters.
static Tensor *permute(Importer &im, const Labelled &t, StringRef labels) {
  SmallVector<int64_t> permutation;
  for (char label : labels)
    permutation.push_back(t.labels.find(label));
  return im.transpose(t.tensor, permutation);
}

/// The product of two, summed over letters that are not in `kept`.
static Labelled multiplyTerms(Importer &im, Labelled lhs, Labelled rhs, StringRef kept) {
  lhs = simplify(im, lhs, rhs.labels + kept.str());
  rhs = simplify(im, rhs, lhs.labels + kept.str());
  if (!lhs.tensor || !rhs.tensor)
    return {};
  std::string batch, rows, columns, summed;
  for (char label : lhs.labels)
    if (rhs.labels.find(label) == std::string::npos)
      rows += label;
    else
      (kept.contains(label) ? batch : summed) += label;
  for (char label : rhs.labels)
    if (lhs.labels.find(label) == std::string::npos)
      columns += label;
  // Sizes of 1 are broadcast.
  Tensor *l = permute(im, lhs, batch + rows + summed), *r = permute(im, rhs, batch + summed + columns);
  if (!l || !r)
    return {};
  size_t nb = batch.size(), nr = rows.size(), ns = summed.size();
  Dims ld(l->dims.begin(), l->dims.end()), rd(r->dims.begin(), r->dims.end());
  auto common = [&](Dim &a, Dim &b) {
    auto dims = im.broadcastDims({a}, {b});
    if (dims)
      a = b = dims->front();
    return dims.has_value();
  };
  for (size_t i = 0; i < nb; ++i)
    if (!common(ld[i], rd[i]))
      return {};
  for (size_t i = 0; i < ns; ++i)
    if (!common(ld[nb + nr + i], rd[nb + i]))
      return {};
  ArrayRef<Dim> la(ld), ra(rd);
  Dim b = im.product(la.take_front(nb)), m = im.product(la.slice(nb, nr)), k = im.product(la.drop_front(nb + nr)),
      c = im.product(ra.drop_front(nb + ns));
  l = im.broadcast(l, ld);
  r = im.broadcast(r, rd);
  // A weight stays a matrix, so that the product is a layer.
  bool matrix = nb == 0;
  Tensor *product = matrix ? im.matmul(im.reshape(l, {m, k}), im.reshape(r, {k, c}))
                           : im.matmul(im.reshape(l, {b, m, k}), im.reshape(r, {b, k, c}));
  Dims dims(la.take_front(nb + nr).begin(), la.take_front(nb + nr).end());
  dims.append(ra.drop_front(nb + ns).begin(), ra.drop_front(nb + ns).end());
  return {im.reshape(product, dims), batch + rows + columns};
}

TERSE_ONNX_OP("", Einsum, 12, 1, kManyInputs) {
  std::string equation;
  for (char c : n.string("equation", ""))
    if (c != ' ')
      equation += c;
  auto [left, right] = StringRef(equation).split("->");
  bool isExplicit = StringRef(equation).contains("->");
  SmallVector<StringRef> terms;
  left.split(terms, ',');
  SmallVector<Tensor *> inputs = n.inputs();
  if (terms.size() != inputs.size() || !sameType(im, inputs))
    return im.error("expected one term for each input"), failure();
  SmallVector<Labelled> operands;
  int64_t ellipsis = 0;
  for (auto [t, term] : llvm::zip(inputs, terms)) {
    auto labels = expand(im, term, t->rank(), 0);
    if (!labels)
      return failure();
    if (term.contains("..."))
      ellipsis = std::max<int64_t>(ellipsis, t->rank() - static_cast<int64_t>(term.size()) + 3);
    operands.push_back({t, *labels});
  }
  std::string all, output;
  for (const Labelled &operand : operands)
    all += operand.labels;
  if (isExplicit) {
    auto labels = expand(im, right, std::nullopt, ellipsis);
    if (!labels)
      return failure();
    output = *labels;
  } else { // the ellipsis, then letters that occur once, in alphabetical order
    for (int64_t i = ellipsis; i-- > 0;)
      output += static_cast<char>('0' + i);
    for (char c = 'A'; c <= 'z'; ++c)
      if (std::count(all.begin(), all.end(), c) == 1)
        output += c;
  }
  for (char c : output)
    if (all.find(c) == std::string::npos || std::count(output.begin(), output.end(), c) != 1)
      return im.error("expected each letter of the output once, and in an input"), failure();
  Labelled result = operands[0];
  for (size_t i = 1; i < operands.size(); ++i) {
    std::string kept = output;
    for (size_t j = i + 1; j < operands.size(); ++j)
      kept += operands[j].labels;
    result = multiplyTerms(im, result, operands[i], kept);
    if (!result.tensor)
      return failure();
  }
  result = simplify(im, result, output);
  return n.yield({result.tensor ? permute(im, result, output) : nullptr});
}
