//===- Linear.cpp - layers with float weights -----------------------------===//
#include "QLinearTile.h"

#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace terse;
using namespace terse::linear;

namespace {
/// Values of k that one iteration takes: by multiply-adds, and by an instruction for pairs.
constexpr int64_t kUnroll = 4, kUnrollPairs = 8;
constexpr int64_t kLineBytes = 64;

/// A sum has one order whatever the number of rows: steps of one token and of
/// several give the same bits.
struct FloatWriter : Tile {
  FloatWriter(KernelSource &source, kernel::TilingAttr tiling, int64_t k, Type element, StringRef instruction)
      : Tile(source), tiling(tiling), k(k), element(element), instruction(instruction) {}

  kernel::TilingAttr tiling;
  int64_t k;
  Type element;
  StringRef instruction; ///< for pairs of bf16; empty: multiply-adds in f32
  int64_t rows = 0, panels = 0;

  /// Values of k that lie in one packed row of weights.
  int64_t depth() const { return kernel::isPaired(element) ? 2 : 1; }
  int64_t getRowBytes() const { return depth() * kernel::kPanelColumns * element.getIntOrFloatBitWidth() / 8; }
  /// Asks for what lies as far behind the packed row `at` of each panel as the tiling says.
  void prefetch(StringRef at);
  /// A packed row of panel `p`, as it lies.
  std::string load(StringRef at, int64_t p, StringRef type);
  /// The weights of panel `p` in f32, of a pair the second or the first.
  std::string loadFloats(StringRef at, int64_t p, int64_t second);
  /// sums[row][panel] + the products with the packed row `at`, of which `count` values of k are there.
  void step(StringRef at, int64_t count, Names &sums);
  void write(int64_t rows, int64_t panels);

private:
  /// Adds product(x, weight, sum): each row's x is made by `input`, a weight by `weight` just before its first use, for
  /// registers hold the sums of all panels.
  void multiply(Names &sums, llvm::function_ref<std::string(int64_t)> input, llvm::function_ref<std::string(int64_t)> weight,
                llvm::function_ref<std::string(StringRef, StringRef, StringRef)> product);
};
} // namespace

void FloatWriter::prefetch(StringRef at) {
  double instructions = static_cast<double>(kLineBytes) / getRowBytes() * (instruction.empty() ? depth() : 1);
  for (auto [ahead, locality] : tiling.getPrefetches(rows, instructions)) {
    std::string later = binary("arith.addi", at, index(ahead / getRowBytes()));
    for (int64_t p = 0; p < panels; ++p) {
      std::string panel = source.define("p", "arith.addi %panel, " + Twine(index(p)) + " : index");
      source.add("memref.prefetch %w[" + panel + ", " + later + ", %c0], read, locality<" + std::to_string(locality) + ">, data : memref<${P}x${D}x${L}x${T}>");
    }
  }
}

std::string FloatWriter::load(StringRef at, int64_t p, StringRef type) {
  std::string panel = source.define("p", "arith.addi %panel, " + Twine(index(p)) + " : index");
  return source.define("w", "vector.load %w[" + Twine(panel) + ", " + at + ", %c0] : memref<${P}x${D}x${L}x${T}>, " + type);
}

std::string FloatWriter::loadFloats(StringRef at, int64_t p, int64_t second) {
  if (kernel::isPaired(element)) {
    std::string words = source.define("w", "vector.bitcast " + load(at, p, "vector<32xbf16>") + " : vector<32xbf16> to vector<16xi32>");
    words = second ? binary("arith.andi", words, splat("-65536", "vector<16xi32>"), "vector<16xi32>")
                   : binary("arith.shli", words, splat("16", "vector<16xi32>"), "vector<16xi32>");
    return source.define("w", "arith.bitcast " + Twine(words) + " : vector<16xi32> to vector<16xf32>");
  }
  std::string type = ("vector<16x" + typeText(element) + ">"), weight = load(at, p, type);
  return element.isF32() ? weight : source.define("w", "arith.extf " + Twine(weight) + " : " + type + " to vector<16xf32>");
}

void FloatWriter::multiply(Names &sums, llvm::function_ref<std::string(int64_t)> input, llvm::function_ref<std::string(int64_t)> weight,
                           llvm::function_ref<std::string(StringRef, StringRef, StringRef)> product) {
  Names weights;
  for (int64_t r = 0; r < rows; ++r) {
    std::string x = input(r);
    for (int64_t p = 0; p < panels; ++p) {
      if (r == 0)
        weights.push_back(weight(p));
      std::string &sum = sums[r * panels + p];
      sum = product(x, weights[p], sum);
    }
  }
}

void FloatWriter::step(StringRef at, int64_t count, Names &sums) {
  std::string first = depth() == 1 ? at.str() : binary("arith.muli", at, index(depth()));
  if (!instruction.empty()) {
    return multiply(
        sums,
        [&](int64_t r) {
          return source.define("x", "vector.load %input[%row_" + Twine(r) + ", " + first + "] : memref<?x${C}x${I}>, vector<2xbf16>");
        },
        [&](int64_t p) { return load(at, p, "vector<32xbf16>"); },
        [&](StringRef x, StringRef weight, StringRef sum) {
          return source.define("s", "kernel.mma #kernel." + instruction + " " + weight + ", " + x + ", " + sum +
                                        " : vector<32xbf16>, vector<2xbf16>, vector<16xf32>");
        });
  }
  auto input = [&](int64_t r, int64_t i) {
    std::string column = i ? binary("arith.addi", first, index(i)) : first;
    std::string x = source.define("x", "memref.load %input[%row_" + Twine(r) + ", " + column + "] : memref<?x${C}x${I}>");
    return source.define("x", "vector.broadcast " + Twine(x) + " : f32 to vector<16xf32>");
  };
  auto product = [&](StringRef x, StringRef weight, StringRef sum) {
    return source.multiplyAdd("s", x, weight, sum, "vector<16xf32>");
  };
  // One row has registers for its pair of values, and none for the pairs of all panels.
  if (rows == 1) {
    Names x;
    for (int64_t i = 0; i < count; ++i)
      x.push_back(input(0, i));
    for (int64_t p = 0; p < panels; ++p)
      for (int64_t i = 0; i < count; ++i)
        sums[p] = product(x[i], loadFloats(at, p, i), sums[p]);
    return;
  }
  for (int64_t i = 0; i < count; ++i)
    multiply(
        sums, [&](int64_t r) { return input(r, i); }, [&](int64_t p) { return loadFloats(at, p, i); }, product);
}

void FloatWriter::write(int64_t rowCount, int64_t panelCount) {
  rows = rowCount;
  panels = panelCount;
  int64_t together = instruction.empty() ? kUnroll : kUnrollPairs;
  int64_t unroll = together / depth(), whole = k / together * unroll;
  std::string zero = splat("0.0", "vector<16xf32>");
  Names sums(rows * panels, zero);
  if (whole)
    sums = loop(whole / unroll, sums, "vector<16xf32>", [&](StringRef j, const Names &now) {
      std::string first = binary("arith.muli", j, index(unroll));
      Names next = now;
      for (int64_t i = 0; i < unroll; ++i) {
        std::string at = binary("arith.addi", first, index(i));
        if (i * getRowBytes() % kLineBytes == 0)
          prefetch(at);
        step(at, depth(), next);
      }
      return next;
    });
  for (int64_t i = whole; i * depth() < k; ++i)
    step(index(i), std::min(depth(), k - i * depth()), sums);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t p = 0; p < panels; ++p)
      source.add(
          ("%total_" + Twine(r) + "_" + Twine(p) + " = arith.addf " + sums[r * panels + p] + ", " + zero + " : vector<16xf32>").str());
}

func::FuncOp linear::getLinearKernel(ModuleOp module, kernel::TilingAttr tiling, int64_t n, int64_t k, Type element,
                                     StringRef instruction, const Epilogue &epilogue) {
  bool rounds = !instruction.empty();
  std::string name = llvm::formatv("linear_n{0}k{1}_{2}{3}{4}{5}{6}{7}", n, k, typeText(element), rounds ? "_rounded" : "",
                                   epilogue.bias ? "_bias" : "", epilogue.residual ? "_residual" : "", epilogue.getSuffix(), getTilingName(tiling));
  auto [numPanels, depth, lanes] = kernel::getFloatShape(n, k, element);
  KernelSource source;
  source.set("name", name).set("N", n).set("P", numPanels).set("D", depth).set("L", lanes).set("T", typeText(element));
  setStreamed(source, epilogue);
  source.set("C", rounds ? getRoundedDepth(k) : k).set("I", rounds ? "bf16" : "f32");
  source.add("func.func @$name(%input: memref<?x${C}x${I}>, %w: memref<${P}x${D}x${L}x${T}>${streamed},");
  addEpilogue(source, epilogue);
  addOutputs(source, epilogue);
  source.add(R"(  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %sixteen = arith.constant 16 : index
  %rows = memref.dim %input, %c0 : memref<?x${C}x${I}>)");
  FloatWriter tile(source, tiling, k, element, instruction);
  BlockWriter(source, tiling, n, epilogue.tickets).write([&](int64_t rows, int64_t panels) {
    tile.write(rows, panels);
    writeResults(source, n, rows, panels, epilogue);
  });
  source.add("  return\n}");
  return getOrAddKernel(module, name, source);
}
