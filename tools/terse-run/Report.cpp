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

void Report::add(const char *key, double value) {
  // JSON has no infinity.
  if (std::isfinite(value))
    data_->root[key] = value;
  else
    data_->root[key] = nullptr;
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

std::string Report::text() const {
  return data_->root.dump(-1, ' ', false,
                          ordered_json::error_handler_t::replace);
}

} // namespace terse::run
