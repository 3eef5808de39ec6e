//===- SelectUnits.cpp - what a layer's input can do without ----------------===//
#include "compress/PruneStructured/SelectUnits.h"

#include "llvm/ADT/STLExtras.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

using namespace terse;

namespace {
class Selector {
public:
  Selector(const UnitProblem &problem, ParallelFor parallelFor)
      : problem(problem), n(problem.n), k(problem.k), size(problem.unitSize), parallelFor(parallelFor), isLeft(k / size, true) {}

  llvm::Expected<UnitSelection> run();

private:
  bool usesHessian() const { return !problem.hessian.empty(); }
  double getEntry(int64_t i, int64_t j) const { return problem.hessian[i * k + j]; }

  llvm::Error invert();
  void removeByError();
  void removeByScore();
  double getErrorWithout(int64_t unit) const;
  void eliminate(int64_t unit);
  llvm::Error correct(UnitSelection &selection);
  void measure(UnitSelection &selection);

  const UnitProblem &problem;
  const int64_t n, k, size;
  ParallelFor parallelFor;
  std::vector<bool> isLeft;
  std::vector<double> inverse; ///< of the second moments of channels that are left, [k, k]
  std::vector<double> columns; ///< the corrected weights, [k, n]
};
} // namespace

llvm::Error Selector::invert() {
  std::vector<int64_t> all(k);
  std::iota(all.begin(), all.end(), 0);
  llvm::Expected<DampedFactor> damped = factorizeDamped(problem.hessian, k, all, problem.damping, /*deadDamping=*/0, parallelFor);
  if (!damped)
    return damped.takeError();
  inverse.assign(k * k, 0);
  parallelFor(k, [&](size_t i) {
    inverse[i * k + i] = 1;
    solveCholesky(damped->factor, k, inverse.data() + i * k);
  });
  columns.resize(k * n);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < k; ++j)
      columns[j * n + i] = problem.weights[i * k + j];
  return llvm::Error::success();
}

/// tr(W_P ([H^-1]_PP)^-1 W_P^T).
double Selector::getErrorWithout(int64_t unit) const {
  const int64_t first = unit * size;
  auto serial = [](size_t count, llvm::function_ref<void(size_t)> body) {
    for (size_t i = 0; i < count; ++i)
      body(i);
  };
  std::vector<double> factor(size * size), row(size);
  for (int64_t i = 0; i < size; ++i)
    for (int64_t j = 0; j <= i; ++j)
      factor[i * size + j] = inverse[(first + i) * k + first + j];
  if (!factorizeCholesky(factor.data(), size, serial))
    return std::numeric_limits<double>::infinity();
  double error = 0;
  for (int64_t channel = 0; channel < n; ++channel) {
    for (int64_t i = 0; i < size; ++i) {
      double value = columns[(first + i) * n + channel];
      for (int64_t j = 0; j < i; ++j)
        value -= factor[i * size + j] * row[j];
      row[i] = value / factor[i * size + i];
      error += row[i] * row[i];
    }
  }
  return error;
}

/// Takes the unit out of the inverse, and makes good for it with what is left.
void Selector::eliminate(int64_t unit) {
  isLeft[unit] = false;
  for (int64_t pivot = unit * size; pivot < (unit + 1) * size; ++pivot) {
    std::vector<double> row(inverse.begin() + pivot * k, inverse.begin() + (pivot + 1) * k);
    std::vector<double> column(columns.begin() + pivot * n, columns.begin() + (pivot + 1) * n);
    constexpr int64_t kRowsAtOnce = 128;
    parallelFor((k + kRowsAtOnce - 1) / kRowsAtOnce, [&](size_t part) {
      for (int64_t i = part * kRowsAtOnce, end = std::min<int64_t>(k, i + kRowsAtOnce); i < end; ++i) {
        if (row[i] == 0)
          continue;
        double factor = row[i] / row[pivot];
        for (int64_t j = 0; j < k; ++j)
          inverse[i * k + j] -= factor * row[j];
        for (int64_t j = 0; j < n; ++j)
          columns[i * n + j] -= factor * column[j];
      }
    });
    for (int64_t i = 0; i < k; ++i)
      inverse[i * k + pivot] = inverse[pivot * k + i] = 0;
  }
}

void Selector::removeByError() {
  std::vector<double> errors(isLeft.size());
  for (int64_t step = 0; step < problem.numRemoved; ++step) {
    constexpr int64_t kUnitsAtOnce = 16;
    parallelFor((errors.size() + kUnitsAtOnce - 1) / kUnitsAtOnce, [&](size_t part) {
      for (size_t unit = part * kUnitsAtOnce, end = std::min(errors.size(), unit + kUnitsAtOnce); unit < end; ++unit)
        errors[unit] = isLeft[unit] ? getErrorWithout(unit) : std::numeric_limits<double>::infinity();
    });
    int64_t best = std::min_element(errors.begin(), errors.end()) - errors.begin();
    if (!isLeft[best]) // none can be told from the others any more
      best = std::find(isLeft.begin(), isLeft.end(), true) - isLeft.begin();
    eliminate(best);
  }
}

void Selector::removeByScore() {
  bool bySecondMoment = problem.criterion == UnitProblem::Criterion::SecondMoment;
  std::vector<double> scores(isLeft.size(), 0);
  for (int64_t j = 0; j < k; ++j) {
    double norm = 0;
    for (int64_t i = 0; i < n; ++i)
      norm += double(problem.weights[i * k + j]) * problem.weights[i * k + j];
    scores[j / size] += bySecondMoment ? norm * getEntry(j, j) : norm;
  }
  if (!bySecondMoment)
    for (size_t unit = 0; unit < problem.producerNorms.size(); ++unit)
      scores[unit] += problem.producerNorms[unit];
  std::vector<int64_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  llvm::stable_sort(order, [&](int64_t a, int64_t b) { return scores[a] < scores[b]; });
  for (int64_t i = 0; i < problem.numRemoved; ++i)
    isLeft[order[i]] = false;
}

llvm::Error Selector::correct(UnitSelection &selection) {
  llvm::Expected<DampedFactor> damped = factorizeDamped(problem.hessian, k, selection.kept, problem.damping, /*deadDamping=*/0, parallelFor);
  if (!damped)
    return damped.takeError();
  std::vector<int64_t> removed;
  for (int64_t j = 0; j < k; ++j)
    if (!isLeft[j / size])
      removed.push_back(j);
  const int64_t count = selection.kept.size();
  parallelFor(n, [&](size_t i) {
    std::vector<double> row(count, 0);
    for (int64_t p : removed)
      for (int64_t j = 0; j < count; ++j)
        row[j] += problem.weights[i * k + p] * getEntry(p, selection.kept[j]);
    solveCholesky(damped->factor, count, row.data());
    for (int64_t j = 0; j < count; ++j)
      selection.weights[i * count + j] += row[j];
  });
  return llvm::Error::success();
}

void Selector::measure(UnitSelection &selection) {
  const int64_t count = selection.kept.size();
  std::vector<double> parts(n * 3);
  parallelFor(n, [&](size_t row) {
    // The weights, what is lost of them without correction, and with it.
    std::vector<double> values[3];
    for (std::vector<double> &value : values)
      value.assign(&problem.weights[row * k], &problem.weights[row * k] + k);
    for (int64_t j = 0; j < count; ++j) {
      values[1][selection.kept[j]] = 0;
      values[2][selection.kept[j]] -= selection.weights[row * count + j];
    }
    for (int64_t i = 0; i < k; ++i)
      for (int part = 0; part < 3; ++part) {
        double sum = 0;
        if (values[part][i] != 0)
          for (int64_t j = 0; j < k; ++j)
            sum += getEntry(i, j) * values[part][j];
        parts[row * 3 + part] += sum * values[part][i];
      }
  });
  for (int64_t row = 0; row < n; ++row) {
    selection.norm += parts[row * 3];
    selection.uncorrectedError += parts[row * 3 + 1];
    selection.error += parts[row * 3 + 2];
  }
}

llvm::Expected<UnitSelection> Selector::run() {
  if (problem.criterion == UnitProblem::Criterion::Error) {
    if (llvm::Error error = invert())
      return error;
    removeByError();
  } else
    removeByScore();
  UnitSelection selection;
  for (int64_t j = 0; j < k; ++j)
    if (isLeft[j / size])
      selection.kept.push_back(j);
  selection.weights.reserve(n * selection.kept.size());
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j : selection.kept)
      selection.weights.push_back(problem.weights[i * k + j]);
  if (problem.correct)
    if (llvm::Error error = correct(selection))
      return error;
  if (usesHessian())
    measure(selection);
  return selection;
}

llvm::Expected<UnitSelection> terse::selectUnits(const UnitProblem &problem, ParallelFor parallelFor) {
  return Selector(problem, parallelFor).run();
}
