//===- Report.cpp - what --json prints --------------------------*- C++ -*-===//
#include "Run.h"

#include <nlohmann/json.hpp>

#include <cmath>

namespace terse::run {

using nlohmann::ordered_json;

struct Report::Data {
  ordered_json root = ordered_json::object();
};

Report::Report() : data_(new Data) {}
Report::~Report() = default;

/// JSON has no infinity.
static ordered_json number(double value) {
  return std::isfinite(value) ? ordered_json(value) : ordered_json(nullptr);
}

void Report::add(const char *key, double value) {
  data_->root[key] = number(value);
}
void Report::add(const char *key, int64_t value) { data_->root[key] = value; }
void Report::add(const char *key, const std::string &value) {
  data_->root[key] = value;
}
void Report::add(const char *key, const std::vector<int32_t> &values) {
  data_->root[key] = values;
}

void Report::addOutput(const std::string &name, const rt::TensorView &view) {
  data_->root["outputs"][name] = {{"dtype", rt::nameOf(view.dtype)},
                                  {"shape", view.shape}};
}

void Report::addError(const std::string &name, const rt::OutputError &error) {
  ordered_json &output = data_->root["outputs"][name];
  output["max_abs"] = number(error.maxAbsolute);
  output["range"] = number(error.range);
  output["max_over_range"] = number(error.maxOverRange());
  output["relative_l2"] = number(error.relativeL2);
  output["unequal_non_finite"] = error.unequalNonFinite;
  if (error.rows) {
    output["rows"] = error.rows;
    output["argmax_agreement"] = number(error.argmaxAgreement);
  }
}

void Report::addAccuracy(const std::string &name, const char *key,
                         double value) {
  data_->root["outputs"][name][key] = number(value);
}

void Report::addBands(const rt::PerplexityResult &result, bool compared) {
  ordered_json bands = ordered_json::array();
  for (int i = 0; i < rt::FrequencyBands::kCount; ++i) {
    const rt::PerplexityResult::Band &band = result.bands[i];
    ordered_json item = {{"name", rt::FrequencyBands::nameOf(i)},
                         {"mass", band.band.mass},
                         {"most_count", band.band.mostCount},
                         {"tokens", band.tokens},
                         {"nll", number(band.nll)},
                         {"perplexity", number(band.perplexity())}};
    if (compared) {
      item["perplexity_ratio"] = number(band.perplexityRatio());
      item["kl"] = number(band.kl);
      item["top1_agreement"] = number(band.top1Agreement);
    }
    bands.push_back(std::move(item));
  }
  data_->root["bands"] = std::move(bands);
}

std::string Report::text() const {
  return data_->root.dump(-1, ' ', false,
                          ordered_json::error_handler_t::replace);
}

} // namespace terse::run
