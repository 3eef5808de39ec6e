//===- PruneRows.cpp - which weights become zero ----------------------------===//
#include "compress/Pruning/PruneRows.h"
#include "terse/Numerics/Lanes.h"

#include <algorithm>
#include <cmath>
#include <numeric>

using namespace terse;

constexpr int64_t kWindow = 128; // channels among which zeros are chosen at once

/// Marks the `count` least of scores in `marks`.
static void markLeast(llvm::ArrayRef<float> scores, int64_t count, llvm::MutableArrayRef<char> marks) {
  std::vector<int32_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  auto less = [&](int32_t a, int32_t b) { return scores[a] != scores[b] ? scores[a] < scores[b] : a < b; };
  std::nth_element(order.begin(), order.begin() + count, order.end(), less);
  std::fill(marks.begin(), marks.end(), 0);
  for (int64_t i = 0; i < count; ++i)
    marks[order[i]] = 1;
}

/// How many of `size` values become zero.
static int64_t countZeros(int64_t size, const PruneOptions &options) {
  if (options.pattern.isStructured())
    return size - std::min(size, options.pattern.n);
  return std::min<int64_t>(size, std::llround(size * options.sparsity));
}

void terse::pruneByScore(llvm::MutableArrayRef<float> values, llvm::ArrayRef<float> scores, int64_t size, const PruneOptions &options) {
  int64_t window = options.pattern.isStructured() ? options.pattern.m : size;
  std::vector<char> marks;
  for (size_t row = 0; row < values.size(); row += size)
    for (int64_t begin = 0; begin < size; begin += window) {
      int64_t length = std::min(window, size - begin);
      marks.resize(length);
      markLeast(scores.slice(row + begin, length), countZeros(length, options), marks);
      for (int64_t i = 0; i < length; ++i)
        if (marks[i])
          values[row + begin + i] = 0;
    }
}

namespace {
/// kLanes rows, transposed: [k, kLanes].
struct Lanes {
  Lanes(const SecondOrderProblem &problem, const PruneOptions &options, int64_t count)
      : problem(problem), options(options), k(problem.k), count(count), weights(k * kLanes), values(k * kLanes), errors(k * kLanes),
        kept(k * kLanes), scratch(kWindow * kLanes) {}

  void prune();
  void choose(int64_t block, int64_t begin, int64_t end);
  void pruneBlock(int64_t block, int64_t end);
  void descend();
  double measure(const std::vector<float> &x);

  const SecondOrderProblem &problem;
  const PruneOptions &options;
  int64_t k, count;
  std::vector<float> weights, values, errors, kept, scratch; ///< kept: 1 or 0
};
} // namespace

/// Chooses the zeros of channels begin .. end, of which those before are done; `scratch` has what those before `block` ask of them.
void Lanes::choose(int64_t block, int64_t begin, int64_t end) {
  const ErrorFeedback &feedback = *problem.feedback;
  int64_t size = end - begin;
  // What they would be if all from here on stayed: best[j] = w_j - e_j with no cost, e_j = -sum of feedback_ji e_i.
  std::vector<float> best(size * kLanes), none(size * kLanes);
  std::copy_n(scratch.data() + (begin - block) * kLanes, size * kLanes, best.data());
  multiplyLanes(feedback.feedback.data() + begin * k + block, k, size, begin - block, errors.data() + block * kLanes, best.data());
  for (int64_t j = 0; j < size; ++j) {
    multiplyLanes(feedback.feedback.data() + (begin + j) * k + begin, k, 1, j, none.data(), best.data() + j * kLanes);
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      none[j * kLanes + lane] = -best[j * kLanes + lane];
      best[j * kLanes + lane] += weights[(begin + j) * kLanes + lane];
    }
  }
  auto cost = [&](int64_t j, int64_t lane) {
    float value = best[j * kLanes + lane];
    return value * value * feedback.weight[begin + j];
  };
  std::vector<float> scores;
  std::vector<char> marks;
  auto mark = [&](int64_t firstLane, int64_t endLane) {
    scores.clear();
    for (int64_t lane = firstLane; lane < endLane; ++lane)
      for (int64_t j = 0; j < size; ++j)
        scores.push_back(cost(j, lane));
    marks.resize(scores.size());
    markLeast(scores, countZeros(scores.size(), options), marks);
    size_t i = 0;
    for (int64_t lane = firstLane; lane < endLane; ++lane)
      for (int64_t j = 0; j < size; ++j)
        kept[(begin + j) * kLanes + lane] = !marks[i++];
  };
  if (!options.pattern.isStructured())
    return mark(0, count);
  for (int64_t lane = 0; lane < count; ++lane)
    mark(lane, lane + 1);
}

void Lanes::prune() {
  // Whole windows; what a block's errors ask of later channels is summed at once.
  int64_t size = options.pattern.isStructured() ? kWindow / options.pattern.m * options.pattern.m : kWindow;
  for (int64_t block = 0; block < k; block += size)
    pruneBlock(block, std::min(k, block + size));
}

void Lanes::pruneBlock(int64_t block, int64_t blockEnd) {
  const float *feedback = problem.feedback->feedback.data();
  std::fill(scratch.begin(), scratch.end(), 0);
  multiplyLanes(feedback + block * k, k, blockEnd - block, block, errors.data(), scratch.data());
  int64_t window = options.pattern.isStructured() ? options.pattern.m : kWindow;
  for (int64_t begin = block; begin < blockEnd; begin += window) {
    int64_t end = std::min(blockEnd, begin + window);
    choose(block, begin, end);
    for (int64_t j = begin; j < end; ++j) {
      float *asked = scratch.data() + (j - block) * kLanes;
      multiplyLanes(feedback + j * k + block, k, 1, j - block, errors.data() + block * kLanes, asked);
      for (int64_t lane = 0; lane < kLanes; ++lane) {
        int64_t i = j * kLanes + lane;
        values[i] = kept[i] * (weights[i] + asked[lane]);
        errors[i] = weights[i] - values[i];
      }
    }
  }
}

void Lanes::descend() {
  for (int64_t begin = 0; begin < k; begin += kWindow) {
    int64_t size = std::min(kWindow, k - begin);
    std::fill_n(scratch.data(), size * kLanes, 0);
    multiplyLanes(problem.hessian.data() + begin * k, k, size, k, errors.data(), scratch.data());
    for (int64_t j = 0; j < size; ++j) {
      const float *row = problem.hessian.data() + (begin + j) * k + begin;
      float own = row[j] + problem.damping, inverse = own > 0 ? 1 / own : 0, change[kLanes];
      for (int64_t lane = 0; lane < kLanes; ++lane) {
        int64_t i = (begin + j) * kLanes + lane;
        change[lane] = kept[i] * (scratch[j * kLanes + lane] + problem.damping * errors[i]) * inverse;
        values[i] += change[lane];
        errors[i] -= change[lane];
      }
      for (int64_t other = j + 1; other < size; ++other)
        for (int64_t lane = 0; lane < kLanes; ++lane)
          scratch[other * kLanes + lane] -= row[other] * change[lane];
    }
  }
}

/// Sum over lanes of x^T H x.
double Lanes::measure(const std::vector<float> &x) {
  double sum = 0;
  for (int64_t begin = 0; begin < k; begin += kWindow) {
    int64_t size = std::min(kWindow, k - begin);
    std::fill_n(scratch.data(), size * kLanes, 0);
    multiplyLanes(problem.hessian.data() + begin * k, k, size, k, x.data(), scratch.data());
    for (int64_t i = 0; i < size * kLanes; ++i)
      sum += static_cast<double>(x[begin * kLanes + i]) * scratch[i];
  }
  return sum;
}

void terse::pruneWithFeedback(llvm::MutableArrayRef<float> rows, int64_t count, const SecondOrderProblem &problem,
                              const PruneOptions &options, RoundingErrors &errors) {
  Lanes lanes(problem, options, count);
  int64_t k = problem.k;
  for (int64_t lane = 0; lane < count; ++lane)
    for (int64_t j = 0; j < k; ++j)
      lanes.weights[j * kLanes + lane] = rows[lane * k + j];
  lanes.prune();
  errors.outputErrorBefore += lanes.measure(lanes.errors);
  for (int64_t sweep = 0; sweep < options.numSweeps; ++sweep)
    lanes.descend();
  errors.outputError += lanes.measure(lanes.errors);
  errors.outputNorm += lanes.measure(lanes.weights);
  for (int64_t lane = 0; lane < count; ++lane)
    for (int64_t j = 0; j < k; ++j) {
      double weight = rows[lane * k + j], error = lanes.errors[j * kLanes + lane];
      errors.squaredNorm += weight * weight;
      errors.squaredError += error * error;
      rows[lane * k + j] = lanes.values[j * kLanes + lane];
    }
}
