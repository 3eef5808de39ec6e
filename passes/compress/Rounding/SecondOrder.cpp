//===- SecondOrder.cpp - rounding that minds the inputs ---------------------===//
#include "compress/Rounding/SecondOrder.h"
#include "terse/Numerics/Lanes.h"

#include <algorithm>
#include <cmath>

using namespace terse;

namespace {
constexpr int64_t kBlock = 128;                                    ///< columns whose errors reach the others at once
constexpr int64_t kVectors = kLanes * sizeof(float) / sizeof(Floats); ///< of one column

/// A grid for each lane.
struct Grids {
  float scale[kLanes], inverse[kLanes], low[kLanes], high[kLanes];
};

/// Columns of one group.
struct Columns {
  const LevelTable *table; ///< null: levels are whole numbers
  const float *weights;
  float *errors, *levels, *products, *changes; ///< [size, kLanes]
  const float *hessian;                        ///< the first column's own element; rows are `stride` apart
  int64_t size, stride;
  float damping;
  bool keepsZeros;
};
} // namespace

TERSE_LANES_INLINE Floats &lanes(float *values, int64_t column, int64_t v) {
  return reinterpret_cast<Floats *>(values + column * kLanes)[v];
}
TERSE_LANES_INLINE const Floats &lanes(const float *values, int64_t column, int64_t v) {
  return reinterpret_cast<const Floats *>(values + column * kLanes)[v];
}

/// The multiple of the scale nearest to `x`, ties to even; |low|, |high| < 2^22. With a table, of those in it.
TERSE_LANES_INLINE Floats nearestLevel(const LevelTable *table, const Floats &x, const Floats &inverse, const Floats &low,
                                       const Floats &high) {
  if (table) {
    typedef float Aligned __attribute__((vector_size(64)));
    const Aligned scaled = x * inverse;
    return table->findNearest(scaled);
  }
  Floats level = __builtin_elementwise_min(__builtin_elementwise_max(x * inverse, low), high);
  const Floats magic = Floats{} + 0x1.8p23f;
  return (level + magic) - magic;
}

/// Sum of H_jj e_j^2 of each lane.
TERSE_LANES_INLINE void measureGridsAny(const Columns &columns, const Grids &grids, float *errors) {
  for (int64_t v = 0; v < kVectors; ++v) {
    Floats scale = lanes(grids.scale, 0, v), inverse = lanes(grids.inverse, 0, v), low = lanes(grids.low, 0, v),
           high = lanes(grids.high, 0, v), sum = {};
    for (int64_t j = 0; j < columns.size; ++j) {
      Floats weight = lanes(columns.weights, j, v);
      Floats error = nearestLevel(columns.table, weight, inverse, low, high) * scale - weight;
      sum += error * error * columns.hessian[j * (columns.stride + 1)];
    }
    lanes(errors, 0, v) = sum;
  }
}

/// Rounds `targets` to the grids: column 0 of `columns`.
TERSE_LANES_INLINE void roundColumnAny(const Columns &columns, const Grids &grids, const float *targets) {
  for (int64_t v = 0; v < kVectors; ++v) {
    Floats weight = lanes(columns.weights, 0, v), scale = lanes(grids.scale, 0, v);
    Floats level = nearestLevel(columns.table, lanes(targets, 0, v), lanes(grids.inverse, 0, v), lanes(grids.low, 0, v),
                                lanes(grids.high, 0, v));
    if (columns.keepsZeros)
      level = weight == 0 ? Floats{} : level;
    lanes(columns.levels, 0, v) = level;
    lanes(columns.errors, 0, v) = weight - level * scale;
  }
}

/// Chooses the level of each column again: the best one, all others given. `products` are H e for columns of the group, of which
/// begin .. end are kept up to date; `changes` receives by how much errors grew. True if any did.
TERSE_LANES_INLINE bool descendLevelsAny(const Columns &columns, const Grids &grids, int64_t begin, int64_t end) {
  bool anyOfAll = false;
  for (int64_t j = begin; j < end; ++j) {
    const float *row = columns.hessian + j * columns.stride;
    float own = row[j] + columns.damping, inverseOwn = own > 0 ? 1 / own : 0;
    bool any = false;
    for (int64_t v = 0; v < kVectors; ++v) {
      Floats scale = lanes(grids.scale, 0, v), level = lanes(columns.levels, j, v);
      Floats target = level * scale + lanes(columns.products, j, v) * inverseOwn;
      Floats better = nearestLevel(columns.table, target, lanes(grids.inverse, 0, v), lanes(grids.low, 0, v), lanes(grids.high, 0, v));
      if (columns.keepsZeros)
        better = lanes(columns.weights, j, v) == 0 ? Floats{} : better;
      Floats change = (level - better) * scale;
      lanes(columns.levels, j, v) = better;
      lanes(columns.errors, j, v) += change;
      lanes(columns.changes, j, v) = change;
      Ints differs = better != level;
      any |= __builtin_reduce_or(differs) != 0;
    }
    anyOfAll |= any;
    if (!any)
      continue;
    for (int64_t i = j; i < end; ++i) {
      float factor = row[i] + (i == j ? columns.damping : 0);
      for (int64_t v = 0; v < kVectors; ++v)
        lanes(columns.products, i, v) += factor * lanes(columns.changes, j, v);
    }
  }
  return anyOfAll;
}

/// Sums over the columns of x y for each lane.
TERSE_LANES_INLINE void sumProductsAny(const float *x, const float *y, int64_t size, float *sums) {
  for (int64_t v = 0; v < kVectors; ++v) {
    Floats sum = {};
    for (int64_t j = 0; j < size; ++j)
      sum += lanes(x, j, v) * lanes(y, j, v);
    lanes(sums, 0, v) = sum;
  }
}

/// y += factor x for each lane.
TERSE_LANES_INLINE void addScaledAny(const float *factor, const float *x, int64_t size, float *y) {
  for (int64_t j = 0; j < size; ++j)
    for (int64_t v = 0; v < kVectors; ++v)
      lanes(y, j, v) += lanes(factor, 0, v) * lanes(x, j, v);
}

// The instances for each level of processor.
#define TERSE_FOR_LEVELS(RESULT, NAME, PARAMETERS, ARGUMENTS)                                                                    \
  TERSE_LANES_AVX2 static RESULT NAME##AVX2 PARAMETERS { return NAME##Any ARGUMENTS; }                                           \
  TERSE_LANES_AVX512 static RESULT NAME##AVX512 PARAMETERS { return NAME##Any ARGUMENTS; }                                       \
  static RESULT NAME PARAMETERS {                                                                                                \
    VectorLevel level = getVectorLevel();                                                                                        \
    return level == VectorLevel::AVX512 ? NAME##AVX512 ARGUMENTS : level == VectorLevel::AVX2 ? NAME##AVX2 ARGUMENTS : NAME##Any ARGUMENTS; \
  }
TERSE_FOR_LEVELS(void, measureGrids, (const Columns &columns, const Grids &grids, float *errors), (columns, grids, errors))
TERSE_FOR_LEVELS(void, roundColumn, (const Columns &columns, const Grids &grids, const float *targets), (columns, grids, targets))
TERSE_FOR_LEVELS(bool, descendLevels, (const Columns &columns, const Grids &grids, int64_t begin, int64_t end), (columns, grids, begin, end))
TERSE_FOR_LEVELS(void, sumProducts, (const float *x, const float *y, int64_t size, float *sums), (x, y, size, sums))
TERSE_FOR_LEVELS(void, addScaled, (const float *factor, const float *x, int64_t size, float *y), (factor, x, size, y))
#undef TERSE_FOR_LEVELS

static void setGrid(Grids &grids, int64_t lane, float scale, float zero, float last) {
  grids.scale[lane] = scale;
  // A scale whose inverse overflows is as good as 0.
  float inverse = scale != 0 ? 1 / scale : 0;
  grids.inverse[lane] = std::isfinite(inverse) ? inverse : 0;
  grids.low[lane] = -zero;
  grids.high[lane] = last - zero;
}

SecondOrderRounding::SecondOrderRounding(const SecondOrderOptions &options, const SecondOrderProblem &problem)
    : options(options), problem(problem), k(problem.k), last((1 << options.rounding.bits) - 1) {
  if (!options.rounding.table.empty())
    table.emplace(options.rounding.table);
  int64_t group = std::min(options.rounding.groupSize, k);
  this->options.rounding.groupSize = group;
  numGroups = (k + group - 1) / group;
  for (std::vector<float> *values : {&weights, &differences, &levels})
    values->resize(k * kLanes);
  products.resize(std::max(group, kBlock) * kLanes);
  changes.resize(products.size());
  scales.resize(numGroups * kLanes);
  zeros.resize(numGroups * kLanes);
}

/// Columns begin .. begin + size of everything.
#define TERSE_COLUMNS(BEGIN, SIZE)                                                                                               \
  Columns{table ? &*table : nullptr, weights.data() + (BEGIN)*kLanes, differences.data() + (BEGIN)*kLanes, levels.data() + (BEGIN)*kLanes, products.data(),      \
          changes.data(), problem.hessian.data() + (BEGIN) * (k + 1), SIZE, k, problem.damping, options.keepsZeros}

void SecondOrderRounding::findGrids() {
  const ScaleFormat format = options.rounding.scales;
  std::fill_n(scaleGrids, kLanes, ScaleGrid{format, 0});
  findRanges();
  if (format != ScaleFormat::I8)
    return;
  for (int64_t lane = 0; lane < kLanes; ++lane)
    scaleGrids[lane] = ScaleGrid::get(format, llvm::ArrayRef<float>(scales).drop_front(lane), kLanes);
  findRanges();
}

void SecondOrderRounding::findRanges() {
  const RoundingOptions &asked = options.rounding;
  const float middle = (last + 1) / 2;
  // Ranges as RowRounding's, and narrower ones where there are few levels.
  const int firstStep = asked.searchesClipping && asked.isSymmetric && asked.bits < 8 ? -5 : 0;
  const int endStep = !asked.searchesClipping ? 1 : asked.bits == 8 ? 6 : 35;
  for (int64_t g = 0; g < numGroups; ++g) {
    int64_t begin = g * asked.groupSize;
    Columns columns = TERSE_COLUMNS(begin, std::min(asked.groupSize, k - begin));
    float low[kLanes] = {}, high[kLanes] = {}, error[kLanes], best[kLanes];
    for (int64_t j = 0; j < columns.size; ++j)
      for (int64_t lane = 0; lane < kLanes; ++lane) {
        low[lane] = std::min(low[lane], columns.weights[j * kLanes + lane]);
        high[lane] = std::max(high[lane], columns.weights[j * kLanes + lane]);
      }
    auto tryGrids = [&](float part, bool isFirst) {
      Grids grids;
      for (int64_t lane = 0; lane < kLanes; ++lane) {
        if (table) {
          setGrid(grids, lane, scaleGrids[lane].round(std::max(high[lane], -low[lane]) * part / 127), 0, last);
          continue;
        }
        if (asked.isSymmetric) {
          float extreme = high[lane] > -low[lane] ? high[lane] : low[lane];
          setGrid(grids, lane, scaleGrids[lane].round(extreme * part / -middle), middle, last);
          continue;
        }
        float scale = scaleGrids[lane].round((high[lane] - low[lane]) * part / last);
        float zero = scale != 0 ? std::min(std::max(std::nearbyint(-low[lane] * part / scale), 0.0f), last) : 0;
        setGrid(grids, lane, scale, zero, last);
      }
      measureGrids(columns, grids, error);
      for (int64_t lane = 0; lane < kLanes; ++lane)
        if (isFirst || error[lane] < best[lane]) {
          best[lane] = error[lane];
          scales[g * kLanes + lane] = grids.scale[lane];
          zeros[g * kLanes + lane] = -grids.low[lane];
        }
    };
    for (int step = firstStep; step < endStep; ++step) {
      float part = 1 - 0.02f * step;
      tryGrids(part, step == firstStep);
      // A table has more levels on one side: the sign of the scale says which.
      if (table && asked.searchesClipping)
        tryGrids(-part, false);
    }
  }
}

/// The grids of group g.
static Grids getGrids(const std::vector<float> &scales, const std::vector<float> &zeros, int64_t g, float last) {
  Grids grids;
  for (int64_t lane = 0; lane < kLanes; ++lane)
    setGrid(grids, lane, scales[g * kLanes + lane], zeros[g * kLanes + lane], last);
  return grids;
}

void SecondOrderRounding::roundToNearest() {
  for (int64_t g = 0; g < numGroups; ++g) {
    Grids grids = getGrids(scales, zeros, g, last);
    int64_t begin = g * options.rounding.groupSize, end = std::min(k, begin + options.rounding.groupSize);
    for (int64_t j = begin; j < end; ++j)
      roundColumn(TERSE_COLUMNS(j, 1), grids, weights.data() + j * kLanes);
  }
}

void SecondOrderRounding::roundInOrder() {
  const ErrorFeedback &feedback = *problem.feedback;
  std::vector<Grids> grids;
  for (int64_t g = 0; g < numGroups; ++g)
    grids.push_back(getGrids(scales, zeros, g, last));
  // Errors by place in the order; those of a block reach later ones together.
  std::vector<float> placed(k * kLanes);
  for (int64_t begin = 0; begin < k; begin += kBlock) {
    int64_t end = std::min(k, begin + kBlock);
    for (int64_t i = begin; i < end; ++i)
      std::copy_n(weights.data() + feedback.order[i] * kLanes, kLanes, products.data() + (i - begin) * kLanes);
    multiplyLanes(feedback.feedback.data() + begin * k, k, end - begin, begin, placed.data(), products.data());
    for (int64_t i = begin; i < end; ++i) {
      float *target = products.data() + (i - begin) * kLanes;
      multiplyLanes(feedback.feedback.data() + i * k + begin, k, 1, i - begin, placed.data() + begin * kLanes, target);
      int64_t channel = feedback.order[i];
      roundColumn(TERSE_COLUMNS(channel, 1), grids[channel / options.rounding.groupSize], target);
      std::copy_n(differences.data() + channel * kLanes, kLanes, placed.data() + i * kLanes);
    }
  }
}

void SecondOrderRounding::descend() {
  std::vector<float> ones(options.rounding.groupSize * kLanes);
  for (int64_t g = 0; g < numGroups; ++g) {
    int64_t begin = g * options.rounding.groupSize, size = std::min(options.rounding.groupSize, k - begin);
    Columns columns = TERSE_COLUMNS(begin, size);
    float *itsScales = scales.data() + g * kLanes, *itsZeros = zeros.data() + g * kLanes;
    float linear[kLanes], quadratic[kLanes], step[kLanes], opposite[kLanes];
    auto addDamping = [&](const float *values, float *to) {
      for (int64_t i = 0; problem.damping != 0 && i < size * kLanes; ++i)
        to[i] += problem.damping * values[i];
    };
    std::fill_n(products.data(), size * kLanes, 0);
    multiplyLanes(problem.hessian.data() + begin * k, k, size, k, differences.data(), products.data());
    addDamping(columns.errors, products.data());

    // The scale, along the levels as they are: e -= ds l.
    auto along = [&](const float *direction) {
      std::fill_n(changes.data(), size * kLanes, 0);
      multiplyLanes(columns.hessian, k, size, size, direction, changes.data());
      addDamping(direction, changes.data());
      sumProducts(direction, products.data(), size, linear);
      sumProducts(direction, changes.data(), size, quadratic);
    };
    auto move = [&](const float *direction) {
      addScaled(opposite, direction, size, columns.errors);
      addScaled(opposite, changes.data(), size, products.data());
    };
    if (options.refitsScales) {
      along(columns.levels);
      for (int64_t lane = 0; lane < kLanes; ++lane) {
        float asked = quadratic[lane] > 0 ? scaleGrids[lane].round(itsScales[lane] + linear[lane] / quadratic[lane]) : itsScales[lane];
        step[lane] = asked - itsScales[lane];
        // Rounding of the scale may have taken the gain away.
        if (!std::isfinite(asked) || asked == 0 || !(step[lane] * (step[lane] * quadratic[lane] - 2 * linear[lane]) < 0))
          step[lane] = 0;
        else
          itsScales[lane] = asked;
        opposite[lane] = -step[lane];
      }
      move(columns.levels);
    }
    // The zero point, codes as they are: levels of all but zeros that stay move by one.
    if (options.refitsScales && !options.rounding.isSymmetric) {
      for (int64_t i = 0; i < size * kLanes; ++i)
        ones[i] = !options.keepsZeros || columns.weights[i] != 0;
      along(ones.data());
      for (int64_t lane = 0; lane < kLanes; ++lane) {
        float scale = itsScales[lane], ideal = scale * quadratic[lane] != 0 ? linear[lane] / (scale * quadratic[lane]) : 0;
        float shift = ideal > 0.5f ? 1 : ideal < -0.5f ? -1 : 0; // of the levels
        if (itsZeros[lane] - shift < 0 || itsZeros[lane] - shift > last)
          shift = 0;
        itsZeros[lane] -= shift;
        step[lane] = shift;
        opposite[lane] = -shift * scale;
      }
      move(ones.data());
      addScaled(step, ones.data(), size, columns.levels);
    }
    Grids grids = getGrids(scales, zeros, g, last);
    for (int64_t first = 0; first < size; first += kBlock) {
      int64_t end = std::min(size, first + kBlock);
      if (descendLevels(columns, grids, first, end) && end < size)
        multiplyLanes(columns.hessian + end * k + first, k, size - end, end - first, changes.data() + first * kLanes,
                      products.data() + end * kLanes);
    }
  }
}

/// Sum over lanes of x^T H x.
static double measureOutput(const SecondOrderProblem &problem, const std::vector<float> &x, std::vector<float> &scratch) {
  double sum = 0;
  for (int64_t begin = 0; begin < problem.k; begin += kBlock) {
    int64_t size = std::min(kBlock, problem.k - begin);
    std::fill_n(scratch.data(), size * kLanes, 0);
    multiplyLanes(problem.hessian.data() + begin * problem.k, problem.k, size, problem.k, x.data(), scratch.data());
    float sums[kLanes];
    sumProducts(x.data() + begin * kLanes, scratch.data(), size, sums);
    for (float value : sums)
      sum += value;
  }
  return sum;
}

RoundingErrors terse::measureErrors(llvm::ArrayRef<float> before, llvm::ArrayRef<float> after, const SecondOrderProblem &problem) {
  const int64_t k = problem.k, count = before.size() / k;
  std::vector<float> weights(k * kLanes), differences(k * kLanes), scratch(kBlock * kLanes);
  RoundingErrors errors;
  for (int64_t lane = 0; lane < count; ++lane)
    for (int64_t j = 0; j < k; ++j) {
      double weight = before[lane * k + j], error = weight - after[lane * k + j];
      weights[j * kLanes + lane] = weight;
      differences[j * kLanes + lane] = error;
      errors.squaredNorm += weight * weight;
      errors.squaredError += error * error;
    }
  errors.outputErrorBefore = errors.outputError = measureOutput(problem, differences, scratch);
  errors.outputNorm = measureOutput(problem, weights, scratch);
  return errors;
}

RowRounding::Status SecondOrderRounding::round(llvm::ArrayRef<float> rows, int64_t count, llvm::MutableArrayRef<uint8_t> codes,
                                               llvm::MutableArrayRef<float> rowScales, llvm::MutableArrayRef<uint8_t> zeroPoints) {
  std::fill(weights.begin(), weights.end(), 0);
  for (int64_t lane = 0; lane < count; ++lane)
    for (int64_t j = 0; j < k; ++j) {
      weights[j * kLanes + lane] = rows[lane * k + j];
      if (!std::isfinite(rows[lane * k + j])) {
        failedRow = lane;
        return RowRounding::NotFinite;
      }
    }
  findGrids();
  for (int64_t i = 0; i < numGroups * kLanes; ++i)
    if (!std::isfinite(scales[i])) {
      failedRow = i % kLanes;
      return RowRounding::ScaleOverflow;
    }
  roundToNearest();
  errors.outputErrorBefore += measureOutput(problem, differences, products);
  if (problem.feedback)
    roundInOrder();
  for (int64_t sweep = 0; sweep < options.numSweeps; ++sweep)
    descend();
  errors.outputError += measureOutput(problem, differences, products);
  errors.outputNorm += measureOutput(problem, weights, products);
  for (int64_t lane = 0; lane < count; ++lane) {
    for (int64_t j = 0; j < k; ++j) {
      double weight = weights[j * kLanes + lane], error = differences[j * kLanes + lane];
      errors.squaredNorm += weight * weight;
      errors.squaredError += error * error;
      int64_t group = j / options.rounding.groupSize;
      float level = levels[j * kLanes + lane];
      codes[lane * k + j] = table ? table->findCode(level) : static_cast<uint8_t>(level + zeros[group * kLanes + lane]);
    }
    for (int64_t g = 0; g < numGroups; ++g) {
      rowScales[lane * numGroups + g] = scales[g * kLanes + lane];
      zeroPoints[lane * numGroups + g] = static_cast<uint8_t>(zeros[g * kLanes + lane]);
    }
  }
  return RowRounding::Ok;
}
