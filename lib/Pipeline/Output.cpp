//===- Output.cpp - what a compile writes ---------------------------------===//
#include "Compiler.h"

#include "terse/Target/Linker.h"

#include "mlir/IR/AttrTypeSubElements.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"

#include <unistd.h>

using namespace mlir;
using namespace terse;

namespace path = llvm::sys::path;
namespace fs = llvm::sys::fs;

llvm::Error Compiler::writeText(llvm::StringRef text) {
  std::string file = options.output == "-" ? "-" : temporary->getFile("text");
  std::error_code error;
  {
    llvm::raw_fd_ostream stream(file, error);
    if (!error) {
      stream << text;
      stream.flush();
      error = stream.error();
      stream.clear_error();
    }
  }
  if (error)
    return llvm::createStringError("cannot write '" + options.output +
                                   "': " + error.message());
  return file == "-" ? llvm::Error::success()
                     : commitFile(file, options.output);
}

/// Writes the IR. Files of weights are named relative to it where they lie
/// beside or below it; new weights come to lie in OUT.weights.
llvm::Error Compiler::writeIR(ModuleOp target, Stage stage) {
  uint64_t spilled = 0;
  fs::file_size(spillPath, spilled);
  if (options.output == "-" && spilled)
    return llvm::createStringError(
        "expected a file for -o: the IR refers to weights that passes made");
  llvm::SmallString<128> folder(
      options.output == "-" ? "." : path::parent_path(options.output));
  fs::make_absolute(folder);
  path::remove_dots(folder, /*remove_dot_dot=*/true);
  std::string weightsFile = options.output + ".weights";
  auto *dialect = context.getOrLoadDialect<TerseDialect>();
  std::string base = dialect->getWeightStore().getBaseDirectory().str();
  AttrTypeReplacer replacer;
  replacer.addReplacement([&](FileAttr file) -> Attribute {
    llvm::SmallString<128> absolute(file.getPath());
    if (absolute == spillPath)
      return FileAttr::get(&context, path::filename(weightsFile),
                           file.getOffset(), file.getBytes());
    if (path::is_relative(absolute)) {
      absolute = base;
      path::append(absolute, file.getPath());
    }
    path::remove_dots(absolute, /*remove_dot_dot=*/true);
    llvm::StringRef relative = absolute;
    if (relative.consume_front(folder) && relative.consume_front("/"))
      absolute = relative.str();
    return FileAttr::get(&context, absolute, file.getOffset(), file.getBytes());
  });
  replacer.recursivelyReplaceElementsIn(target, /*replaceAttrs=*/true);
  target->setAttr("terse.stage",
                  StringAttr::get(&context, getStageName(stage)));
  std::string text;
  llvm::raw_string_ostream stream(text);
  target.print(stream);
  stream << '\n';
  if (spilled)
    if (llvm::Error error = commitFile(spillPath, weightsFile))
      return error;
  llvm::Error error = writeText(text);
  if (error && spilled)
    fs::remove(weightsFile);
  return error;
}

/// The runtime's archives: beside this program's folder, in the build tree and
/// installed.
static llvm::Expected<std::vector<std::string>> findRuntime() {
  llvm::SmallString<128> program;
  program.resize(4096);
  ssize_t length = ::readlink("/proc/self/exe", program.data(), program.size());
  program.resize(std::max<ssize_t>(length, 0));
  llvm::StringRef prefix = path::parent_path(path::parent_path(program));
  std::vector<std::string> files;
  for (llvm::StringRef name : {"libterse_run_main.a", "libterse_rt.a"}) {
    std::string found;
    for (llvm::StringRef folder : {"lib", "lib64", "lib/x86_64-linux-gnu"}) {
      llvm::SmallString<128> file(prefix);
      path::append(file, folder, name);
      if (found.empty() && fs::exists(file))
        found = file.str().str();
    }
    if (found.empty())
      return llvm::createStringError("cannot find " + name + " in '" + prefix +
                                     "/lib', which --emit=exe needs");
    files.push_back(found);
  }
  return files;
}

llvm::Error Compiler::writeArtifact(llvm::ArrayRef<const CPULevel *> levels,
                                    std::vector<ObjectCode> objects) {
  auto getString = [&](llvm::StringRef name) {
    auto attr = (*module)->getAttrOfType<StringAttr>(name);
    return attr ? attr.getValue().str() : std::string();
  };
  contents.interface =
      (*module)->getAttrOfType<DictionaryAttr>("terse.interface");
  contents.weights = (*module)->getAttrOfType<ArrayAttr>("terse.weights");
  if (!contents.interface || !contents.weights)
    return llvm::createStringError("expected the attributes 'terse.interface' "
                                   "and 'terse.weights', which the stage "
                                   "'layout' makes");
  contents.sourceName = getString("terse.source");
  contents.sourceHash = getString("terse.source_sha256");
  contents.recipe = getString("terse.recipe");
  contents.store = &context.getOrLoadDialect<TerseDialect>()->getWeightStore();
  for (const CPULevel *level : levels)
    contents.levels.push_back(level->name.str());
  if (options.context)
    contents.extra["context"] = options.context;

  std::string manifest = makeManifest(contents);
  llvm::Expected<ObjectCode> manifestObject = emitManifestObject(manifest);
  if (!manifestObject)
    return manifestObject.takeError();
  objects.push_back(std::move(*manifestObject));
  std::string linked = temporary->getFile("linked");
  switch (options.emit) {
  case EmitKind::Executable: {
    llvm::Expected<std::vector<std::string>> libraries = findRuntime();
    if (!libraries)
      return libraries.takeError();
    if (llvm::Error error =
            linkProgram(objects, *libraries, *temporary, linked))
      return error;
    break;
  }
  case EmitKind::Object:
    if (llvm::Error error = linkRelocatable(objects, *temporary, linked))
      return error;
    break;
  default:
    if (llvm::Error error = linkSharedObject(objects, *temporary, linked))
      return error;
    break;
  }
  if (llvm::Error error = appendSections(linked, manifest, contents))
    return error;
  uint64_t bytes = 0;
  fs::file_size(linked, bytes);
  if (llvm::Error error = commitFile(linked, options.output))
    return error;
  say("wrote " + options.output + ", " +
      llvm::Twine((bytes + 50000) / 100000 / 10) + "." +
      llvm::Twine((bytes + 50000) / 100000 % 10) + " MB");
  return llvm::Error::success();
}
