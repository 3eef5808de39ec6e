//===- Toy.h - the artifacts of test/Runtime/Inputs/toy.py ------*- C++ -*-===//
#ifndef TERSE_TEST_UNIT_RUNTIME_TOY_H
#define TERSE_TEST_UNIT_RUNTIME_TOY_H

#include "terse/Runtime/LanguageModel.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

namespace terse::rt {

inline std::string toyPath(const std::string &name) {
  return std::string(TOYS) + "/toy_" + name + ".so";
}

inline std::shared_ptr<const Model>
openToy(const std::string &name, std::optional<CpuLevel> level = {}) {
  auto model = Model::open(toyPath(name), level);
  EXPECT_TRUE(model.ok()) << model.status().message();
  return model.ok() ? *model : nullptr;
}

inline std::unique_ptr<LanguageModel>
toyLanguage(const std::string &name, int threads = 1, int64_t capacity = 1024) {
  ContextOptions options;
  options.threads = threads;
  options.capacity = capacity;
  auto made = LanguageModel::create(openToy(name), options);
  EXPECT_TRUE(made.ok()) << made.status().message();
  return made.ok() ? std::move(*made) : nullptr;
}

inline std::string readFile(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// All rows of logits for `tokens`, given in pieces of `step`.
inline std::vector<std::vector<float>>
rowsOf(LanguageModel &model, const std::vector<int32_t> &tokens, int64_t step) {
  std::vector<std::vector<float>> rows(tokens.size());
  for (size_t at = 0; at < tokens.size(); at += step) {
    Status status = model.eval(
        tokens.data() + at, std::min<int64_t>(step, tokens.size() - at), false,
        [&](int64_t i, const float *row) {
          rows[at + i].assign(row, row + model.vocabulary());
        });
    EXPECT_TRUE(status.ok()) << status.message();
  }
  return rows;
}

#define EXPECT_ERROR(result, text)                                             \
  do {                                                                         \
    const Status failed = (result);                                            \
    EXPECT_FALSE(failed.ok());                                                 \
    EXPECT_NE(failed.message().find(text), std::string::npos)                  \
        << failed.message();                                                   \
  } while (0)

} // namespace terse::rt

#endif // TERSE_TEST_UNIT_RUNTIME_TOY_H
