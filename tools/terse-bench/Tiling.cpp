//===- Tiling.cpp - blocks that layers are computed in ----------*- C++ -*-===//
#include "Tiling.h"

#include <nlohmann/json.hpp>

#include <fstream>

namespace terse::bench {

using rt::CpuLevel;

static std::string text(const Block &block) {
  return std::to_string(block.rows) + "x" + std::to_string(block.panels);
}

std::string Tiling::str() const {
  return "1x" + std::to_string(onePanels) + " ahead " +
         std::to_string(onePrefetch) + ", " + text(few) + " ahead " +
         std::to_string(prefetch) + ", " + text(many) + ", unpacked " +
         text(unpacked);
}

std::vector<Tiling> candidates(CpuLevel level) {
  // Sums of 16 columns take one register of 16, or two: larger blocks spill.
  if (level >= CpuLevel::Avx512Vnni)
    return {{1, 5120, {8, 1}, {12, 1}, {6, 2}, 4096},
            {1, 0, {4, 4}, {8, 2}, {4, 4}, 1536},
            {1, 8192, {4, 3}, {4, 3}, {4, 3}, 4096},
            {2, 0, {4, 2}, {6, 2}, {8, 2}, 4096},
            {4, 0, {4, 4}, {8, 3}, {6, 4}, 0},
            {4, 1536, {6, 1}, {8, 1}, {12, 1}, 8192},
            {1, 2048, {2, 2}, {10, 1}, {5, 4}, 2048}};
  return {{1, 1536, {4, 1}, {4, 1}, {2, 2}, 1536},
          {2, 1536, {2, 2}, {2, 2}, {4, 1}, 1536},
          {4, 1536, {2, 1}, {6, 1}, {6, 1}, 1536},
          {1, 0, {4, 2}, {8, 1}, {3, 2}, 0},
          {1, 768, {6, 1}, {3, 1}, {3, 1}, 768},
          {1, 3072, {3, 1}, {4, 2}, {4, 2}, 3072},
          {2, 3072, {4, 1}, {2, 1}, {2, 3}, 3072}};
}

static std::string processorName() {
  std::ifstream stream("/proc/cpuinfo");
  for (std::string line; std::getline(stream, line);)
    if (line.rfind("model name", 0) == 0 && line.find(": ") != line.npos)
      return line.substr(line.find(": ") + 2);
  return "unknown";
}

std::string tuningText(CpuLevel level, int threads,
                       const std::vector<TunedTiling> &tilings) {
  nlohmann::ordered_json root;
  root["terse_tuning"] = 1;
  root["cpu"] = processorName();
  root["threads"] = threads;
  root["entries"] = nlohmann::ordered_json::array();
  for (const TunedTiling &tuned : tilings) {
    nlohmann::ordered_json entry;
    entry["level"] = rt::nameOf(level);
    entry["format"] = tuned.format.name;
    if (!tuned.format.isFloat())
      entry["group_size"] = tuned.format.group;
    if (tuned.n)
      entry["n"] = tuned.n, entry["k"] = tuned.k;
    auto add = [&](const std::string &part, const std::optional<Block> &block) {
      if (block)
        entry[part + "_rows"] = block->rows,
                     entry[part + "_panels"] = block->panels;
    };
    if (tuned.one)
      entry["one_panels"] = tuned.one->panels,
      entry["one_prefetch"] = tuned.one->prefetch;
    if (tuned.few) {
      add("few", tuned.few->block);
      entry["prefetch"] = tuned.few->prefetch;
    }
    add("many", tuned.many);
    add("unpacked", tuned.unpacked);
    if (tuned.unpackedFrom)
      entry["unpacked_from"] = *tuned.unpackedFrom;
    root["entries"].push_back(std::move(entry));
  }
  return root.dump(1) + "\n";
}

} // namespace terse::bench
