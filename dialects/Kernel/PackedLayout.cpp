//===- PackedLayout.cpp - how weights lie for kernels ---------------------===//
#include "Kernel/PackedLayout.h"

using namespace terse::kernel;

/// Byte of the operand at columns c, k = 4 step + i.
static int64_t operandByte(int64_t column, int64_t i) { return 4 * column + i; }

void terse::kernel::packPanel(const PackedLayout &layout, llvm::ArrayRef<uint8_t> codes,
                              llvm::MutableArrayRef<uint8_t> panel) {
  std::fill(panel.begin(), panel.end(), 0);
  int64_t unit = layout.getUnit(), unitBytes = layout.getUnitBytes();
  for (int64_t group = 0, e = layout.getNumGroups(); group < e; ++group) {
    int64_t begin = group * layout.group, size = layout.getGroupSize(group);
    uint8_t *base = panel.data() + layout.getUnitsBefore(group) * unitBytes;
    for (int64_t column = 0; column < kPanelColumns; ++column) {
      const uint8_t *row = codes.data() + column * layout.k + begin;
      for (int64_t j = 0; j < size; ++j) {
        uint8_t *bytes = base + j / unit * unitBytes;
        int64_t step = j % unit / 4, byte = operandByte(column, j % 4);
        switch (layout.bits) {
        case 3: // planes of bit pairs for steps 0-3 and 4-7, then of high bits
          bytes[64 * (step / 4) + byte] |= (row[j] & 3) << (2 * (step % 4));
          bytes[128 + byte] |= (row[j] >> 2) << step;
          break;
        default:
          bytes[byte] |= row[j] << (layout.bits * step);
        }
      }
    }
  }
}
