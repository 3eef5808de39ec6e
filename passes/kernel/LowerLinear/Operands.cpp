//===- Operands.cpp - packed codes become operands of instructions --------===//
#include "QLinearTile.h"

using namespace mlir;
using namespace terse;
using namespace terse::linear;

/// Of 32 registers those for sums.
static constexpr size_t kSumRegisters = 24;

std::string Tile::field(StringRef from, int64_t at, int64_t to, int64_t bits, StringRef type, int64_t width) {
  std::string value = from.str();
  if (at != to)
    value = binary(at > to ? "arith.shrui" : "arith.shli", value, splat(std::to_string(std::abs(at - to)), type), type);
  if (to == 0 && at + bits == width) // nothing is above the highest bits
    return value;
  return binary("arith.andi", value, splat(std::to_string(((1 << bits) - 1) << to), type), type);
}

std::vector<Names> TileWriter::loadPlanes(StringRef byte, int64_t unit) {
  std::vector<Names> result;
  for (const std::string &panel : panelNames)
    for (int64_t v = 0; v < registers; ++v) {
      Names &planes = result.emplace_back();
      for (int64_t i = 0; i < layout.getPlanes(); ++i) {
        std::string at = binary("arith.addi", byte, index(unit * layout.getUnitBytes() + 64 * i + 4 * columns * v));
        planes.push_back(source.define("plane", "vector.load %w[" + Twine(panel) + ", " + at + "] : memref<${P}x${PB}xi8>, " + weightType));
      }
    }
  return result;
}

TileWriter::Places TileWriter::getPlaces() const {
  // Sums of the highest place hold operands of 8 bits.
  constexpr int64_t kMostDepth = std::numeric_limits<int32_t>::max() / (255 * 128);
  bool anyByte = !info.hasPartialSums() && !info.hasSignedWeights() && !info.getWeightOffset();
  bool has32Registers = columns == kernel::kPanelColumns; // of 512 bits
  if (layout.bits == 8 || layout.sparse || scheme.hasTable() || !anyByte || !has32Registers || layout.group > kMostDepth)
    return {0};
  struct Choice {
    Places places;
    int64_t shifts; ///< of a unit
  };
  std::vector<Choice> choices = {{{0}, 1}, {{0, 4}, 0}};
  if (layout.bits == 2)
    choices = {{{0}, 3}, {{0, 2}, 1}, {{0, 2, 4, 6}, 0}};
  else if (layout.bits == 3)
    choices = {{{0}, 7}, {{0, 3, 5}, 2}};
  // Each place but the first costs each row a shift and an addition a group.
  auto cost = [&](const Choice &choice) {
    return 2 * rows * int64_t(choice.places.size() - 1) + choice.shifts * layout.getUnits(layout.group);
  };
  const Choice *best = &choices[0];
  for (const Choice &choice : choices)
    if (cost(choice) <= cost(*best) && numSums() * (1 + choice.places.size()) <= kSumRegisters)
      best = &choice;
  return best->places;
}

Names TileWriter::addPlaces(Names sums) {
  Places places = getPlaces();
  size_t count = numSums();
  for (size_t p = places.size() - 1; p; --p)
    for (size_t i = 0; i < count; ++i) {
      std::string shift = splat(std::to_string(places[p] - places[p - 1]), sumType);
      std::string &sum = sums[(p - 1) * count + i];
      sum = binary("arith.addi", sum, binary("arith.shrsi", sums[p * count + i], shift, sumType), sumType);
    }
  sums.resize(count);
  return sums;
}

std::vector<Names> TileWriter::operands(StringRef byte, int64_t unit, bool inPlace) {
  int64_t steps = layout.getUnit() / 4;
  std::vector<Names> result(steps);
  for (const Names &planes : loadPlanes(byte, unit))
    for (int64_t s = 0; s < steps; ++s) {
      std::string &operand = result[s].emplace_back();
      if (layout.sparse)
        operand = spread(planes, s);
      else
        for (auto [plane, at, to, count] : layout.getFields(s)) {
          std::string part = bits(planes[plane], at, count, to + (inPlace ? getPlaces()[getPlaceOf(s)] : 0));
          operand = operand.empty() ? part : binary("arith.ori", operand, part, weightType);
        }
      if (scheme.hasTable())
        operand = lookUp(instruction, operand, weightType);
      if (info.hasSignedWeights())
        operand = binary("arith.subi", operand, splat(std::to_string(offset), weightType), weightType);
    }
  return result;
}
