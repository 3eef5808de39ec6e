//===- Output.cpp - what a compile writes ---------------------------------===//
#include "Compiler.h"

#include "terse/Target/Linker.h"

#include "mlir/IR/AttrTypeSubElements.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"

#include <dlfcn.h>

using namespace mlir;
using namespace terse;

namespace path = llvm::sys::path;
namespace fs = llvm::sys::fs;

llvm::Error Compiler::writeText(llvm::StringRef text) {
  if (options.output != "-") {
    llvm::Expected<TemporaryFile> file =
        TemporaryFile::create(path::parent_path(options.output),
                              TemporaryFile::Kind::Document);
    if (!file)
      return file.takeError();
    if (llvm::Error error = file->write(text, options.output))
      return error;
    return file->commit(options.output);
  }
  llvm::outs() << text;
  llvm::outs().flush();
  std::error_code error = llvm::outs().error();
  llvm::outs().clear_error();
  return error ? llvm::createStringError("cannot write the output: " +
                                         error.message())
               : llvm::Error::success();
}

/// Writes the IR. Files of weights are named relative to it where they lie
/// beside or below it; new weights come to lie in OUT.weights.
llvm::Error Compiler::writeIR(ModuleOp target, Stage stage) {
  uint64_t spilled = 0;
  fs::file_size(spill->getPath(), spilled);
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
    if (absolute == spill->getPath())
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
    if (llvm::Error error = spill->commit(weightsFile))
      return error;
  llvm::Error error = writeText(text);
  if (error && spilled)
    fs::remove(weightsFile);
  return error;
}

/// The runtime's archives: beside the library that this code lies in.
static llvm::Expected<std::vector<std::string>> findRuntime() {
  Dl_info info = {};
  llvm::SmallString<128> library;
  if (::dladdr(reinterpret_cast<const void *>(&findRuntime), &info) &&
      info.dli_fname)
    fs::real_path(info.dli_fname, library);
  llvm::StringRef folder = path::parent_path(library);
  std::vector<std::string> files;
  for (llvm::StringRef name : {"libterse_run_main.a", "libterse_rt.a"}) {
    llvm::SmallString<128> file(folder);
    path::append(file, name);
    if (!fs::exists(file))
      return llvm::createStringError("cannot find " + name + " in '" + folder +
                                     "', which an output of kind exe needs");
    files.push_back(file.str().str());
  }
  return files;
}

llvm::Expected<std::string>
Compiler::link(llvm::ArrayRef<ObjectCode> objects) const {
  if (options.emit == EmitKind::Object)
    return linkRelocatable(objects);
  if (options.emit != EmitKind::Executable)
    return linkSharedObject(objects);
  llvm::Expected<std::vector<std::string>> libraries = findRuntime();
  if (!libraries)
    return libraries.takeError();
  return linkProgram(objects, *libraries);
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
  llvm::Expected<std::string> linked = link(objects);
  if (!linked)
    return linked.takeError();
  llvm::Expected<TemporaryFile> file =
      TemporaryFile::create(path::parent_path(options.output),
                            options.emit == EmitKind::Object
                                ? TemporaryFile::Kind::Document
                                : TemporaryFile::Kind::Program);
  if (!file)
    return file.takeError();
  if (llvm::Error error = file->write(*linked, options.output))
    return error;
  if (llvm::Error error = appendSections(file->getPath(), options.output,
                                         manifest, contents))
    return error;
  uint64_t bytes = 0;
  fs::file_size(file->getPath(), bytes);
  if (llvm::Error error = file->commit(options.output))
    return error;
  say("wrote " + options.output + ", " +
      llvm::Twine((bytes + 50000) / 100000 / 10) + "." +
      llvm::Twine((bytes + 50000) / 100000 % 10) + " MB");
  return llvm::Error::success();
}
