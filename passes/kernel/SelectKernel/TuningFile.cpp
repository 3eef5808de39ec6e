//===- TuningFile.cpp - tilings that were measured ------------------------===//
#include "Tilings.h"
#include "terse/Support/CPULevel.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"

#include <cmath>

using namespace mlir;
using namespace terse;
using namespace terse::select_kernel;
namespace json = llvm::json;

static constexpr int64_t kVersion = 1;
/// Far more than any machine's table.
static constexpr uint64_t kMostBytes = 16u << 20;

static const std::array<StringLiteral, std::tuple_size_v<Numbers>> numberNames = {
    "one_panels", "one_prefetch", "few_rows", "few_panels", "many_rows", "many_panels", "unpacked_rows", "unpacked_panels", "unpacked_from", "prefetch",
    "far_prefetch"};

FailureOr<TuningFile> TuningFile::read(StringRef path, MLIRContext *context, EmitError emitError) {
  auto fail = [&]() { return emitError() << "tuning '" << path << "': "; };
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/true);
  if (!buffer)
    return fail() << "cannot read it: " << buffer.getError().message();
  if ((*buffer)->getBufferSize() > kMostBytes)
    return fail() << "expected at most " << kMostBytes << " bytes; got " << (*buffer)->getBufferSize();
  llvm::Expected<json::Value> parsed = json::parse((*buffer)->getBuffer());
  if (!parsed)
    return fail() << "no JSON: " << llvm::toString(parsed.takeError());
  const json::Object *root = parsed->getAsObject();
  const json::Array *list = root ? root->getArray("entries") : nullptr;
  if (!list || root->getInteger("terse_tuning") != kVersion)
    return fail() << "expected an object with \"terse_tuning\": " << kVersion << " and \"entries\"";
  TuningFile file;
  for (auto [index, value] : llvm::enumerate(*list)) {
    auto failEntry = [&, index = index]() { return fail() << "entry " << index << ": "; };
    const json::Object *object = value.getAsObject();
    if (!object || !object->getString("level") || !object->getString("format"))
      return failEntry() << "expected an object with \"level\" and \"format\"";
    Entry entry;
    entry.level = object->getString("level")->str();
    entry.kind.format = object->getString("format")->str();
    const CPULevel *level = findCPULevel(entry.level);
    std::optional<Numbers> builtIn = findBuiltIn(entry.level, entry.kind.format);
    if (!level || !builtIn)
      return failEntry() << "expected the level " << listCPULevels() << "; got '" << entry.level << "'";
    entry.level = getKernelLevel(*level, entry.kind.format).name;
    Numbers numbers = *builtIn;
    for (const auto &[key, given] : *object) {
      StringRef name = key;
      if (name == "level" || name == "format")
        continue;
      auto found = llvm::find(numberNames, name);
      int64_t *place = found != numberNames.end() ? &numbers[found - numberNames.begin()]
                       : name == "group_size"     ? &entry.kind.groupSize
                       : name == "n"              ? &entry.kind.n
                       : name == "k"              ? &entry.kind.k
                                                  : nullptr;
      std::optional<int64_t> number = given.getAsInteger();
      if (!place)
        return failEntry() << "unknown key '" << name << "'";
      if (!number || *number < 0)
        return failEntry() << "expected a whole number from 0 on for '" << name << "'";
      *place = *number;
    }
    entry.tiling = makeTiling(numbers, context, failEntry);
    if (!entry.tiling)
      return failure();
    file.entries.push_back(std::move(entry));
  }
  return file;
}

/// How far sizes are apart; what an entry leaves open fits all.
static double getDistance(int64_t entry, int64_t layer) {
  return entry ? std::abs(std::log2(double(entry) / double(layer))) : 0;
}

kernel::TilingAttr TuningFile::find(StringRef level, const LayerKind &kind) const {
  auto groupOf = [](const LayerKind &kind) { return kind.groupSize ? kind.groupSize : kind.k; };
  const Entry *best = nullptr;
  std::pair<double, double> least;
  for (const Entry &entry : entries) {
    if (entry.level != level || entry.kind.format != kind.format)
      continue;
    std::pair<double, double> distance = {getDistance(groupOf(entry.kind), groupOf(kind)),
                                          getDistance(entry.kind.n, kind.n) + getDistance(entry.kind.k, kind.k)};
    if (!best || distance < least)
      best = &entry, least = distance;
  }
  return best ? best->tiling : nullptr;
}
