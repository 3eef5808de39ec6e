//===- Samples.cpp - inputs of a model that are no tokens -----------------===//
#include "Samples.h"

#include "terse/Runtime/Suggest.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

#include <numeric>
#include <random>

using namespace terse;
using llvm::StringRef;
using llvm::Twine;

/// Values of an input that a block runs on at once, as of tokens: its outputs stay a few megabytes.
static constexpr int64_t kValuesAtOnce = 2048;

static std::string formatShape(llvm::ArrayRef<std::string> dims) { return "[" + llvm::join(dims, ", ") + "]"; }

static std::string formatShape(llvm::ArrayRef<int64_t> sizes) {
  std::vector<std::string> dims;
  for (int64_t size : sizes)
    dims.push_back(std::to_string(size));
  return formatShape(dims);
}

static std::optional<int64_t> getFixed(StringRef dim) {
  int64_t size;
  return dim.getAsInteger(10, size) ? std::nullopt : std::optional<int64_t>(size);
}

static bool isSymbol(StringRef dim) {
  return !dim.empty() && !llvm::isDigit(dim.front()) &&
         llvm::all_of(dim, [](char c) { return llvm::isAlnum(c) || c == '_' || c == '.'; });
}

/// By name: what follows does not depend on the order in the file.
template <typename T> static std::vector<const T *> sort(const std::vector<T> &arrays) {
  std::vector<const T *> sorted;
  for (const T &array : arrays)
    sorted.push_back(&array);
  llvm::sort(sorted, [](const T *a, const T *b) { return a->name < b->name; });
  return sorted;
}

/// Whether the runs themselves know what it holds where only token ids are given.
static bool followsFromTokens(StringRef input) {
  return input == "attention_mask" || input == "position_ids" || input.starts_with("past");
}

llvm::Expected<bool> Samples::check(File &file, const npy::ArrayHead &head, NamedSizes &sizes) const {
  StringRef name = head.name;
  llvm::ArrayRef<int64_t> shape = head.shape;
  auto refuse = [&](const Twine &why) { return llvm::createStringError(file.label + ": array '" + name + "': " + why); };
  auto input = llvm::find_if(inputs, [&](const ModelInput &input) { return input.name == name; });
  if (input == inputs.end()) {
    std::vector<std::string> names;
    for (const ModelInput &input : inputs)
      names.push_back(input.name);
    std::string near = rt::suggestion(name.str(), names);
    return refuse("the model has no such input" + (near.empty() ? " (it has " + llvm::join(names, ", ") + ")" : near));
  }
  if (StringRef dtype = rt::nameOf(head.dtype); dtype != input->dtype)
    return refuse("expected elements of type " + input->dtype + "; got " + dtype);
  llvm::ArrayRef<std::string> dims = input->dims;
  bool isWhole = shape.size() == dims.size() + 1;
  std::vector<std::string> expected(dims.begin(), dims.end());
  if (isWhole)
    expected.insert(expected.begin(), "samples");
  else if (!expected.empty())
    expected.front() = "samples";
  bool fits = !expected.empty() && shape.size() == expected.size();
  for (size_t d = 1; fits && d < shape.size(); ++d) {
    if (std::optional<int64_t> fixed = getFixed(expected[d]))
      fits = *fixed == shape[d];
    else if (isSymbol(expected[d])) {
      auto [known, isNew] = sizes.try_emplace(expected[d], shape[d], name.str());
      if (!isNew && known->second.first != shape[d])
        return refuse("expected " + expected[d] + " = " + Twine(known->second.first) + ", as in '" + known->second.second + "'; got " +
                      formatShape(shape));
    }
  }
  if (!fits)
    return refuse("expected the shape " +
                  (dims.empty() ? "[samples]" : formatShape(expected) + (isWhole ? "" : ", or [samples, " + formatShape(dims).substr(1))) +
                  "; got " + formatShape(shape));
  if (shape[0] == 0)
    return refuse("expected samples; got the shape " + formatShape(shape));
  if (file.count && shape[0] != file.count)
    return refuse("expected " + Twine(file.count) + " samples, as of the arrays before it; got " + Twine(shape[0]));
  file.count = shape[0];
  if (std::optional<int64_t> fixed = isWhole ? std::optional<int64_t>(1) : getFixed(dims.front())) {
    if (*fixed < 1 || (file.isFixed && file.atOnce != *fixed))
      return refuse("expected " + Twine(file.atOnce) + " samples to be run at once, as of the arrays before it; got " + Twine(*fixed));
    file.isFixed = true;
    file.atOnce = *fixed;
  }
  return isWhole;
}

llvm::Error Samples::checkMissing(const File &file, llvm::ArrayRef<const npy::ArrayHead *> heads) const {
  auto has = [&](StringRef name) { return llvm::any_of(heads, [&](const npy::ArrayHead *head) { return head->name == name; }); };
  std::vector<std::string> missing;
  for (const ModelInput &input : inputs)
    if (!has(input.name) && !input.hasDefault && !(has("input_ids") && followsFromTokens(input.name)))
      missing.push_back("'" + input.name + "' " + input.dtype + " " + formatShape(input.dims));
  if (missing.empty())
    return llvm::Error::success();
  return llvm::createStringError(file.label + ": expected an array for each input of the model; there is none for " +
                                 llvm::join(missing, ", "));
}

llvm::Expected<std::vector<bool>> Samples::check(File &file, llvm::ArrayRef<const npy::ArrayHead *> heads, NamedSizes &sizes) const {
  std::vector<bool> areWhole;
  int64_t largest = 1;
  for (const npy::ArrayHead *head : heads) {
    llvm::Expected<bool> isWhole = check(file, *head, sizes);
    if (!isWhole)
      return isWhole.takeError();
    areWhole.push_back(*isWhole);
    int64_t values = 1;
    for (int64_t size : llvm::ArrayRef(head->shape).drop_front())
      values *= size;
    largest = std::max(largest, values);
  }
  if (llvm::Error error = checkMissing(file, heads))
    return std::move(error);
  if (file.count == 0)
    return llvm::createStringError(file.label + ": expected arrays; there are none");
  if (!file.isFixed)
    file.atOnce = std::max<int64_t>(1, kValuesAtOnce / largest);
  return areWhole;
}

llvm::Expected<int64_t> Samples::findSizes(StringRef label, const std::string &path, llvm::ArrayRef<ModelInput> inputs,
                                           llvm::StringMap<int64_t> &symbols) {
  rt::Result<std::vector<npy::ArrayHead>> heads = npy::readNpzHeads(path);
  if (!heads.ok())
    return llvm::createStringError(label + ": " + heads.status().message());
  Samples samples(inputs);
  File file;
  file.label = label.str();
  NamedSizes sizes;
  std::vector<const npy::ArrayHead *> sorted = sort(*heads);
  llvm::Expected<std::vector<bool>> areWhole = samples.check(file, sorted, sizes);
  if (!areWhole)
    return areWhole.takeError();
  for (auto [head, isWhole] : llvm::zip(sorted, *areWhole))
    for (const ModelInput &input : inputs)
      if (input.name == head->name && !isWhole)
        symbols[input.dims.front()] = file.atOnce;
  for (auto &size : sizes)
    symbols[size.first()] = size.second.first;
  return file.atOnce;
}

llvm::Error Samples::choose(const File &file, const SampleChoice &choice, std::vector<int64_t> &rows) const {
  int64_t wanted = choice.isSpread ? std::min(choice.wanted, file.count) : choice.wanted;
  // As many as the model takes at once, or several times that.
  if (choice.isSpread && file.isFixed)
    wanted = wanted / file.atOnce * file.atOnce;
  if (file.count < wanted)
    return llvm::createStringError(file.label + ": expected " + Twine(wanted) + " samples; it has " + Twine(file.count) +
                                   " (fewer --calib-windows)");
  if (file.isFixed && (wanted % file.atOnce != 0 || (wanted == 0 && choice.isSpread)))
    return llvm::createStringError(file.label + ": expected a multiple of " + Twine(file.atOnce) +
                                   " samples, which the model takes at once; got " + Twine(wanted) + " (--calib-windows)");
  rows.resize(wanted);
  if (!choice.seed) {
    for (int64_t i = 0; i < wanted; ++i)
      rows[i] = choice.isSpread ? i * file.count / wanted : i;
    return llvm::Error::success();
  }
  // The first of a permutation (Fisher and Yates), in the file's order.
  std::vector<int64_t> all(file.count);
  std::iota(all.begin(), all.end(), 0);
  std::mt19937_64 random(*choice.seed);
  for (int64_t i = 0; i < wanted; ++i)
    std::swap(all[i], all[i + random() % (file.count - i)]);
  std::copy_n(all.begin(), wanted, rows.begin());
  llvm::sort(rows);
  return llvm::Error::success();
}

llvm::Error Samples::add(StringRef label, const std::string &path, StringRef folder, const SampleChoice &choice, llvm::SHA256 &hash) {
  File file;
  file.label = label.str();
  rt::Result<std::vector<npy::ArrayFile>> arrays = npy::openNpz(path, folder.str());
  if (!arrays.ok())
    return llvm::createStringError(label + ": " + arrays.status().message());
  std::vector<const npy::ArrayFile *> sorted = sort(*arrays);
  NamedSizes sizes;
  llvm::Expected<std::vector<bool>> areWhole = check(file, std::vector<const npy::ArrayHead *>(sorted.begin(), sorted.end()), sizes);
  if (!areWhole)
    return areWhole.takeError();
  for (auto [array, isWhole] : llvm::zip(sorted, *areWhole))
    file.arrays.try_emplace(array->name, Array{*array, isWhole});
  std::vector<int64_t> rows;
  if (llvm::Error error = choose(file, choice, rows))
    return error;

  files.push_back(std::move(file));
  numSamples += rows.size();
  size_t firstPart = parts.size();
  for (size_t i = 0; i < rows.size(); i += files.back().atOnce) {
    size_t end = std::min<size_t>(rows.size(), i + files.back().atOnce);
    parts.push_back({files.size() - 1, {rows.begin() + i, rows.begin() + end}});
  }
  std::vector<int64_t> shape;
  std::vector<uint64_t> storage;
  for (const npy::ArrayFile *array : sorted)
    for (const Part &part : llvm::ArrayRef(parts).drop_front(firstPart)) {
      llvm::Expected<bool> there = read(part, array->name, shape, storage);
      if (!there)
        return there.takeError();
      hash.update(array->name + formatShape(shape) + rt::nameOf(array->dtype));
      uint64_t bytes = rt::sizeOf(array->dtype);
      for (int64_t size : shape)
        bytes *= size;
      hash.update(llvm::ArrayRef<uint8_t>(reinterpret_cast<const uint8_t *>(storage.data()), bytes));
    }
  return llvm::Error::success();
}

llvm::Expected<bool> Samples::read(const Part &part, StringRef input, std::vector<int64_t> &shape, std::vector<uint64_t> &storage) const {
  const File &file = files[part.file];
  auto found = file.arrays.find(input);
  if (found == file.arrays.end())
    return false;
  const Array &array = found->second;
  shape = array.file.shape;
  if (array.isWhole)
    shape.erase(shape.begin());
  else
    shape.front() = part.rows.size();
  uint64_t rowBytes = array.file.rowBytes();
  storage.resize(part.rows.size() * rowBytes / 8 + 1);
  char *to = reinterpret_cast<char *>(storage.data());
  for (size_t i = 0; i < part.rows.size();) {
    // Neighbours are read together.
    size_t end = i + 1;
    while (end < part.rows.size() && part.rows[end] == part.rows[end - 1] + 1)
      ++end;
    if (rt::Status status = array.file.read(part.rows[i], end - i, to); !status.ok())
      return llvm::createStringError(file.label + ": " + status.message());
    to += (end - i) * rowBytes;
    i = end;
  }
  return true;
}
