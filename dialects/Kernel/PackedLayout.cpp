//===- PackedLayout.cpp - how weights lie for kernels ---------------------===//
#include "Kernel/PackedLayout.h"

using namespace terse::kernel;

/// Byte of the operand at columns c, k = 4 step + i.
static int64_t operandByte(int64_t column, int64_t i) { return 4 * column + i; }

bool terse::kernel::isTwoOfFour(const PackedLayout &layout, llvm::ArrayRef<uint8_t> row) {
  for (int64_t group = 0; group < layout.getNumGroups(); ++group) {
    llvm::ArrayRef<uint8_t> codes = row.slice(group * layout.group, layout.getGroupSize(group));
    for (; !codes.empty(); codes = codes.drop_front(std::min<size_t>(4, codes.size())))
      if (llvm::count_if(codes.take_front(4), [&](uint8_t code) { return code != layout.getZeroCode(); }) > 2)
        return false;
  }
  return true;
}

/// The codes of a group of a column as two of each four: see PackedOps.td.
static void packSparse(const PackedLayout &layout, llvm::ArrayRef<uint8_t> codes, int64_t column, uint8_t *base) {
  int64_t fours = layout.getUnits(codes.size()) * layout.getUnit() / 4;
  for (int64_t four = 0; four < fours; ++four) {
    uint8_t *unit = base + four / 8 * layout.getUnitBytes();
    int64_t step = four % 8 / 2, taken = 0;
    auto put = [&](int64_t place, uint8_t code) {
      int64_t byte = operandByte(column, four % 2 * 2 + taken++);
      unit[64 * (step / 2) + byte] |= code << (4 * (step % 2));
      unit[128 + byte] |= place << (2 * step);
    };
    uint8_t present = 0;
    for (int64_t place = 0; place < 4; ++place) {
      int64_t k = 4 * four + place;
      if (k >= int64_t(codes.size()) || codes[k] == layout.getZeroCode())
        continue;
      assert(taken < 2 && "two of four");
      put(place, codes[k]);
      present |= 1 << place;
    }
    for (int64_t place = 0; place < 4; ++place) // zeros, in places of their own, fill up
      if (taken < 2 && !(present >> place & 1))
        put(place, layout.getZeroCode());
  }
}

llvm::SmallVector<PackedLayout::Field, 2> PackedLayout::getFields(int64_t step) const {
  if (bits != 3)
    return {{0, step * bits, 0, bits}};
  if (step < 6)
    return {{step / 2, step % 2 * 3, 0, 3}};
  return {{step == 6 ? 0 : 2, 6, 1, 2}, {1, step, 0, 1}};
}

void terse::kernel::packPanel(const PackedLayout &layout, llvm::ArrayRef<uint8_t> codes,
                              llvm::MutableArrayRef<uint8_t> panel) {
  std::fill(panel.begin(), panel.end(), 0);
  int64_t unit = layout.getUnit(), unitBytes = layout.getUnitBytes();
  for (int64_t group = 0, e = layout.getNumGroups(); group < e; ++group) {
    int64_t begin = group * layout.group, size = layout.getGroupSize(group);
    uint8_t *base = panel.data() + layout.getUnitsBefore(group) * unitBytes;
    for (int64_t column = 0; column < kPanelColumns; ++column) {
      const uint8_t *row = codes.data() + column * layout.k + begin;
      if (layout.sparse) {
        packSparse(layout, {row, size_t(size)}, column, base);
        continue;
      }
      for (int64_t j = 0; j < size; ++j) {
        uint8_t *bytes = base + j / unit * unitBytes;
        int64_t step = j % unit / 4, byte = operandByte(column, j % 4);
        for (auto [plane, at, to, bits] : layout.getFields(step))
          bytes[64 * plane + byte] |= (row[j] >> to & ((1 << bits) - 1)) << at;
      }
    }
  }
}
