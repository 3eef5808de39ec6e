//===- Statistics.cpp - what lies in a file of statistics -------*- C++ -*-===//
#include "CompilerLibrary.h"
#include "Layers.h"

#include <algorithm>
#include <cstdio>

namespace terse::inspect {

using namespace rt;
using nlohmann::ordered_json;

namespace {

std::string number(const ordered_json &row, const char *key) {
  if (!row.contains(key))
    return "-";
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", row[key].get<double>());
  return text;
}

void printSimilarity(const ordered_json &kinds) {
  std::printf("\nsimilarity of what blocks take and give (mean cosine), by their first layers\n");
  for (const auto &[kind, spans] : kinds.items())
    for (const auto &[name, cosine] : spans.items())
      std::printf("%-10s %8.4f  %s\n", kind.c_str(), cosine.get<double>(),
                  shown(name).c_str());
}

void printText(const ordered_json &root) {
  std::printf("%-10s %s, %s bytes\n%-10s sha256 %s\n", "statistics",
              shown(root["file"].get<std::string>()).c_str(),
              grouped(root["bytes"].get<uint64_t>()).c_str(), "",
              root["sha256"].get<std::string>().c_str());
  if (root.contains("source_sha256"))
    std::printf("%-10s sha256 %s\n", "source",
                shown(root["source_sha256"].get<std::string>()).c_str());
  if (root.contains("data"))
    std::printf("%-10s %s\n", "data", shown(root["data"].dump()).c_str());
  if (root.contains("similarity"))
    printSimilarity(root["similarity"]);
  if (root["taps"].empty())
    return;
  size_t width = 3;
  for (const ordered_json &row : root["taps"])
    width = std::max(width, std::min<size_t>(row["name"].get<std::string>().size(), 60));
  std::printf("\n%-*s %10s %8s %10s %10s %8s %8s %4s %7s  %s\n", int(width),
              "tap", "tokens", "channels", "abs max", "abs mean", "ratio",
              "outliers", "hist", "moments", "layers");
  for (const ordered_json &row : root["taps"]) {
    std::string layers, outliers = "-";
    for (const ordered_json &layer : row["layers"])
      layers += (layers.empty() ? "" : ", ") + shown(layer.get<std::string>());
    if (row.contains("outlier_channels"))
      outliers = std::to_string(row["outlier_channels"].size());
    std::printf("%-*s %10s %8s %10s %10s %8s %8s %4s %7s  %s\n", int(width),
                shown(row["name"].get<std::string>()).c_str(),
                grouped(row["tokens"].get<uint64_t>()).c_str(),
                grouped(row["channels"].get<uint64_t>()).c_str(),
                number(row, "abs_max").c_str(), number(row, "abs_mean").c_str(),
                number(row, "ratio").c_str(), outliers.c_str(),
                row["histogram"].get<bool>() ? "yes" : "no",
                row["second_moment"].get<bool>() ? "yes" : "no",
                layers.c_str());
  }
  std::printf("\nratio: largest channel over the median one, by their largest "
              "magnitudes; outliers: channels above 10\n");
}

} // namespace

bool looksLikeStatistics(const std::string &path) {
  const std::string suffix = ".tstats";
  return path.size() > suffix.size() &&
         path.compare(path.size() - suffix.size(), suffix.size(), suffix) == 0;
}

Status inspectStatistics(const Options &options) {
  if (options.verify)
    return fail(Code::InvalidArgument, "--verify: statistics have no hashes; "
                                       "expected a compiled model");
  Result<ordered_json> described = describeByCompiler(
      "terse_describe_statistics", "statistics", options.path);
  if (!described.ok())
    return described.status();
  if (options.json)
    std::printf("%s\n", described->dump(-1, ' ', false,
                                       ordered_json::error_handler_t::replace)
                            .c_str());
  else
    printText(*described);
  return Status();
}

} // namespace terse::inspect
