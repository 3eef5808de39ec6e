//===- Notebook.cpp - what a search has found so far ----------------------===//
#include "Notebook.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

using namespace terse;
using llvm::Error;
using llvm::Expected;
namespace fs = llvm::sys::fs;
namespace json = llvm::json;

static constexpr llvm::StringLiteral kFile = "trials.jsonl";

std::string Notebook::getPath(llvm::StringRef name) const {
  llvm::SmallString<128> path(folder);
  llvm::sys::path::append(path, name);
  return path.str().str();
}

/// A line that was not written whole, the last one, is left aside; what follows begins a new one.
Error Notebook::read(const std::string &key) {
  auto file = llvm::MemoryBuffer::getFile(getPath(kFile), /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!file)
    return llvm::createStringError("cannot read '" + getPath(kFile) + "': " + file.getError().message());
  auto [first, rest] = (*file)->getBuffer().split('\n');
  const bool isWhole = (*file)->getBuffer().ends_with("\n");
  if (!isWhole && rest.empty() && llvm::StringRef(key).starts_with(first))
    return writeLine(key.substr(first.size()));
  if (first != key)
    return llvm::createStringError("the folder '" + folder + "' is of another search: remove it, or name another one with --search-dir");
  while (!rest.empty()) {
    auto [line, after] = rest.split('\n');
    Expected<json::Value> value = json::parse(line);
    if (!value)
      llvm::consumeError(value.takeError());
    else if (json::Object *object = value->getAsObject())
      if (auto name = object->getString("name"))
        known[name->str()] = std::move(*object);
    rest = after;
  }
  return isWhole ? Error::success() : writeLine("");
}

Error Notebook::writeLine(const std::string &line) const {
  std::error_code error;
  llvm::raw_fd_ostream stream(getPath(kFile), error, fs::CD_OpenAlways, fs::FA_Write, fs::OF_Append);
  if (!error) {
    stream << line << "\n";
    stream.close();
    error = stream.error();
    stream.clear_error();
  }
  return error ? llvm::createStringError("cannot write '" + getPath(kFile) + "': " + error.message()) : Error::success();
}

Error Notebook::open(const std::string &where, const std::string &key) {
  folder = where;
  if (std::error_code error = fs::create_directories(folder))
    return llvm::createStringError("cannot make the folder '" + folder + "': " + error.message());
  if (fs::exists(getPath(kFile)))
    return read(key);
  std::error_code error;
  if (fs::directory_iterator(folder, error) != fs::directory_iterator())
    return llvm::createStringError("expected the folder '" + folder + "' to be empty or of a search");
  return writeLine(key);
}

Expected<const json::Object *> Notebook::find(const std::string &name, llvm::function_ref<Expected<json::Object>()> measure) {
  auto found = known.find(name);
  if (found == known.end()) {
    Expected<json::Object> measured = measure();
    if (!measured)
      return measured.takeError();
    (*measured)["name"] = name;
    // What is read back is what is used: the two print alike.
    std::string line = llvm::formatv("{0}", json::Value(json::Object(*measured))).str();
    if (Error error = writeLine(line))
      return std::move(error);
    Expected<json::Value> value = json::parse(line);
    if (!value)
      return value.takeError();
    found = known.insert({name, std::move(*value->getAsObject())}).first;
  }
  return &found->second;
}
