//===- Blocks.cpp - blocks of results and who computes them ---------------===//
#include "Kernels.h"

#include "Kernel/Shares.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace terse;
using namespace terse::linear;

std::string linear::getTilingName(kernel::TilingAttr tiling) {
  std::string name = llvm::formatv("_{0}_{1}x{2}_{3}x{4}", tiling.getOnePanels(), tiling.getFewRows(), tiling.getFewPanels(), tiling.getManyRows(),
                                   tiling.getManyPanels());
  if (tiling.getOnePrefetch() || tiling.getPrefetch() || tiling.getFarPrefetch())
    name += llvm::formatv("_ahead{0}_{1}_{2}", tiling.getOnePrefetch(), tiling.getPrefetch(), tiling.getFarPrefetch());
  return name;
}

void BlockWriter::writePanels(int64_t panelsPerBlock, llvm::function_ref<void(int64_t)> body) {
  int64_t panels = kernel::getNumPanels(n), whole = panels / panelsPerBlock, rest = panels % panelsPerBlock;
  source.set("blocks", whole + (rest ? 1 : 0)).set("whole", whole).set("each", panelsPerBlock);
  source.add(R"(    %whole_blocks = arith.constant $whole : index
    %each = arith.constant $each : index)");
  if (tickets)
    return writeTakenPanels(panelsPerBlock, whole, rest, body);
  source.add(R"(    %blocks = arith.constant $blocks : index
    %before = arith.muli %blocks, %thread : index
    %first_block = arith.divui %before, %threads : index
    %after = arith.addi %before, %blocks : index
    %end_block = arith.divui %after, %threads : index
    %end_whole = arith.minui %end_block, %whole_blocks : index
    scf.for %block = %first_block to %end_whole step %c1 {
      %panel = arith.muli %block, %each : index)");
  body(panelsPerBlock);
  source.add("    }");
  if (!rest)
    return;
  // The last, smaller block belongs to the thread whose share ends with it.
  source.add(R"(    %last_is_mine = arith.cmpi ugt, %end_block, %whole_blocks : index
    %some = arith.cmpi ult, %first_block, %end_block : index
    %mine = arith.andi %last_is_mine, %some : i1
    scf.if %mine {
      %panel = arith.muli %whole_blocks, %each : index)");
  body(rest);
  source.add("    }");
}

void BlockWriter::writeTakenPanels(int64_t panelsPerBlock, int64_t whole, int64_t rest, llvm::function_ref<void(int64_t)> body) {
  source.set("taken", kernel::getTakenBlocks(whole));
  source.add(R"(    %parts_each = arith.constant 3 : index
    %alone = arith.cmpi ule, %threads, %c1 : index
    %taken_blocks = arith.constant $taken : index
    %for_any = arith.select %alone, %c0, %taken_blocks : index
    %for_one = arith.subi %whole_blocks, %for_any : index
    %before = arith.muli %for_one, %thread : index
    %first_block = arith.divui %before, %threads : index
    %after = arith.addi %before, %for_one : index
    %end_block = arith.divui %after, %threads : index
    %parts = arith.muli %threads, %parts_each : index
    %least_part = arith.ceildivui %for_any, %parts : index
    %part = arith.maxui %least_part, %c1 : index
    scf.while (%begin = %first_block, %end = %end_block) : (index, index) -> (index, index) {
      %more = arith.cmpi ult, %begin, %whole_blocks : index
      scf.condition(%more) %begin, %end : index, index
    } do {
    ^bb0(%begin: index, %end: index):
      scf.for %block = %begin to %end step %c1 {
        %panel = arith.muli %block, %each : index)");
  body(panelsPerBlock);
  source.add(R"(      }
      %one_more = arith.constant 1 : i64
      %ticket = memref.atomic_rmw addi %one_more, %tickets[%c0] : (i64, memref<1xi64>) -> i64
      %taken = arith.index_cast %ticket : i64 to index
      %parts_before = arith.muli %taken, %part : index
      %next = arith.addi %for_one, %parts_before : index
      %behind = arith.addi %next, %part : index
      %next_end = arith.minui %behind, %whole_blocks : index
      scf.yield %next, %next_end : index, index
    })");
  if (!rest)
    return;
  source.add(R"(    %behind_me = arith.addi %thread, %c1 : index
    %am_last = arith.cmpi eq, %behind_me, %threads : index
    scf.if %am_last {
      %panel = arith.muli %whole_blocks, %each : index)");
  body(rest);
  source.add("    }");
}

void BlockWriter::writeRows(int64_t rows) {
  for (int64_t r = 0; r < rows; ++r) {
    source.set("r", r);
    source.add("        %ahead_$r = arith.constant $r : index\n        %row_$r = arith.addi %row0, %ahead_$r : index");
  }
}

void BlockWriter::writeFew(int64_t least, int64_t most, int64_t panels, Tile tile) {
  source.add("        scf.index_switch %count");
  for (int64_t rows = least; rows <= most; ++rows) {
    source.set("case", rows);
    source.add("        case $case {");
    writeRows(rows);
    tile(rows, panels);
    source.add("          scf.yield\n        }");
  }
  source.add("        default {\n        }");
}

void BlockWriter::write(Tile tile) {
  int64_t panels = kernel::getNumPanels(n);
  source.add(R"(  %one_row = arith.cmpi eq, %rows, %c1 : index
  scf.if %one_row {)");
  writePanels(std::min(tiling.getOnePanels(), panels), [&](int64_t count) {
    source.add("        %row_0 = arith.constant 0 : index");
    tile(1, count);
  });
  source.add("  } else {");
  source.set("few", tiling.getFewRows()).set("many", tiling.getManyRows());
  source.add("  %few = arith.constant $few : index");
  // Else what blocks of many leave over serves.
  bool fewOfTheirOwn = tiling.getFewPanels() != tiling.getManyPanels() || tiling.getFewRows() > tiling.getManyRows();
  if (fewOfTheirOwn) {
    source.add(R"(  %is_few = arith.cmpi ule, %rows, %few : index
  scf.if %is_few {)");
    writePanels(std::min(tiling.getFewPanels(), panels), [&](int64_t count) {
      source.add("        %row0 = arith.constant 0 : index\n        %count = arith.addi %rows, %c0 : index");
      writeFew(2, tiling.getFewRows(), count, tile);
    });
    source.add("  } else {");
  }
  source.add(R"(  %many = arith.constant $many : index
  %left_over = arith.remui %rows, %many : index
  %in_blocks = arith.subi %rows, %left_over : index)");
  writePanels(std::min(tiling.getManyPanels(), panels), [&](int64_t count) {
    source.add("      scf.for %row0 = %c0 to %in_blocks step %many {");
    writeRows(tiling.getManyRows());
    tile(tiling.getManyRows(), count);
    source.add(R"(      }
      scf.for %row0 = %in_blocks to %rows step %few {
        %rest = arith.subi %rows, %row0 : index
        %count = arith.minui %rest, %few : index)");
    writeFew(1, std::min(tiling.getFewRows(), tiling.getManyRows() - 1), count, tile);
    source.add("      }");
  });
  if (fewOfTheirOwn)
    source.add("  }");
  source.add("  }");
}

void linear::setStreamed(KernelSource &source, const Epilogue &epilogue) {
  source.set("streamed", epilogue.tickets ? (" {" + kernel::KernelDialect::kStreamedAttrName + "}").str() : "");
}

void linear::addEpilogue(KernelSource &source, const Epilogue &epilogue) {
  source.set("E", typeText(epilogue.element));
  if (epilogue.zero)
    source.add("    %zeros: memref<?xf32>, %column_sums: memref<${P}x16xf32>,");
  if (epilogue.bias)
    source.add("    %bias: memref<${P}x16xf32>,");
  if (epilogue.residual)
    source.add("    %residual: memref<?x${N}x${E}>,");
}

void linear::addOutputs(KernelSource &source, const Epilogue &epilogue) {
  source.add("    %out: memref<?x${N}x${E}>,");
  if (epilogue.tickets)
    source.add("    %tickets: memref<1xi64>,");
  source.add("    %thread: index, %threads: index) {");
}

void linear::writeResults(KernelSource &source, int64_t n, int64_t rows, int64_t panels, const Epilogue &epilogue) {
  int64_t tail = n % kernel::kPanelColumns, whole = n / kernel::kPanelColumns;
  source.set("N", n).set("P", kernel::getNumPanels(n)).set("E", typeText(epilogue.element)).set("tail", tail).set("wholePanels", whole);
  for (int64_t p = 0; p < panels; ++p) {
    source.set("p", p);
    source.add(R"(        %ahead_panel_$p = arith.constant $p : index
        %panel_$p = arith.addi %panel, %ahead_panel_$p : index
        %column_$p = arith.muli %panel_$p, %sixteen : index)");
    if (epilogue.bias)
      source.add("        %bias_$p = vector.load %bias[%panel_$p, %c0] : memref<${P}x16xf32>, vector<16xf32>");
    if (tail)
      source.add(R"(        %last_panel_$p = arith.constant $wholePanels : index
        %is_whole_$p = arith.cmpi ult, %panel_$p, %last_panel_$p : index)");
  }
  auto store = [&](StringRef width) {
    source.set("n", width);
    StringRef vector = "%biased_${r}_$p";
    if (width != "16") {
      source.add("          %part_${r}_$p = vector.extract_strided_slice %biased_${r}_$p {offsets = [0], sizes = [$n], strides = [1]} : vector<16xf32> to vector<${n}xf32>");
      vector = "%part_${r}_$p";
    }
    if (!epilogue.element.isF32()) {
      source.add(("          %narrow_${r}_$p = arith.truncf " + vector + " : vector<${n}xf32> to vector<${n}x${E}>").str());
      vector = "%narrow_${r}_$p";
    }
    if (epilogue.residual) {
      source.add("          %more_${r}_$p = vector.load %residual[%row_$r, %column_$p] : memref<?x${N}x${E}>, vector<${n}x${E}>");
      source.add(("          %sum_${r}_$p = arith.addf " + vector + ", %more_${r}_$p : vector<${n}x${E}>").str());
      vector = "%sum_${r}_$p";
    }
    source.add(("          vector.store " + vector + ", %out[%row_$r, %column_$p] : memref<?x${N}x${E}>, vector<${n}x${E}>").str());
  };
  for (int64_t r = 0; r < rows; ++r) {
    source.set("r", r);
    for (int64_t p = 0; p < panels; ++p) {
      source.set("p", p);
      if (epilogue.bias)
        source.add("          %biased_${r}_$p = arith.addf %total_${r}_$p, %bias_$p : vector<16xf32>");
      else
        source.add("          %biased_${r}_$p = arith.bitcast %total_${r}_$p : vector<16xf32> to vector<16xf32>");
      if (!tail) {
        store("16");
        continue;
      }
      source.add("          scf.if %is_whole_$p {");
      store("16");
      source.add("          } else {");
      store(std::to_string(tail));
      source.add("          }");
    }
  }
}
