//===- Input.cpp - what a compile reads -----------------------------------===//
#include "Compiler.h"

#include "terse/Import/OnnxImport.h"
#include "terse/Pipeline/Recipe.h"
#include "terse/Support/IRText.h"

#include "llvm/Support/Errno.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

#include <unistd.h>

using namespace mlir;
using namespace terse;

namespace path = llvm::sys::path;
namespace fs = llvm::sys::fs;

/// The folder that a file lies in; "." for a bare name.
static std::string getFolder(llvm::StringRef file) {
  llvm::StringRef parent = path::parent_path(file);
  return parent.empty() ? "." : parent.str();
}

/// Finds out that the output cannot be written before anything is computed.
llvm::Error Compiler::checkPaths() {
  if (!fs::exists(options.input))
    return llvm::createStringError("cannot open '" + options.input +
                                   "': no such file or folder");
  bool isText = options.emit == EmitKind::LLVM ||
                options.emit == EmitKind::MLIR || options.stopAfter;
  if (options.output == "-") {
    if (!isText)
      return llvm::createStringError(
          "expected a file for -o; only text goes to standard output");
  } else {
    std::string folder = getFolder(options.output);
    if (!fs::is_directory(folder))
      return llvm::createStringError("cannot write '" + options.output +
                                     "': no folder '" + folder + "'");
    if (fs::is_directory(options.output))
      return llvm::createStringError("cannot write '" + options.output +
                                     "': it is a folder");
    if (fs::equivalent(options.input, options.output))
      return llvm::createStringError(
          "expected an output other than the input '" + options.input + "'");
    if (::access(folder.c_str(), W_OK | X_OK) != 0)
      return llvm::createStringError("cannot write '" + options.output +
                                     "': " + llvm::sys::StrError());
  }
  if (!options.dumpIRFolder.empty())
    if (std::error_code error = fs::create_directories(options.dumpIRFolder))
      return llvm::createStringError("cannot create the folder '" +
                                     options.dumpIRFolder +
                                     "': " + error.message());

  // Beside the output, where there should be room.
  std::string parent = options.output == "-" ? "" : getFolder(options.output);
  if (parent.empty()) {
    llvm::SmallString<64> system;
    path::system_temp_directory(/*erasedOnReboot=*/true, system);
    parent = system.str().str();
  }
  llvm::Expected<TemporaryFile> file =
      TemporaryFile::create(parent, TemporaryFile::Kind::Document);
  if (!file)
    return file.takeError();
  spill.emplace(std::move(*file));
  return context.getOrLoadDialect<TerseDialect>()
      ->getWeightStore()
      .setSpillFile(spill->getPath());
}

llvm::Error Compiler::loadTokenizer() {
  if (options.tokenizer.empty())
    return llvm::Error::success();
  if (options.tokenizer == "bytes") {
    contents.tokenizerKind = "bytes";
    return llvm::Error::success();
  }
  // A device or a pipe may never end.
  if (fs::exists(options.tokenizer) && !fs::is_regular_file(options.tokenizer))
    return llvm::createStringError("cannot read the tokenizer '" +
                                   options.tokenizer +
                                   "': not a regular file");
  auto buffer = llvm::MemoryBuffer::getFile(options.tokenizer, /*IsText=*/false,
                                            /*RequiresNullTerminator=*/false);
  if (!buffer)
    return llvm::createStringError("cannot read the tokenizer '" +
                                   options.tokenizer +
                                   "': " + buffer.getError().message());
  contents.tokenizer = (*buffer)->getBuffer().str();
  // SentencePiece's model is a protocol buffer whose first field is a piece;
  // the file of llama2.c begins with the length of its longest piece, a small
  // number.
  llvm::StringRef bytes = contents.tokenizer;
  if (bytes.size() > 8 && bytes[0] == '\n')
    contents.tokenizerKind = "sentencepiece";
  else if (bytes.size() > 16 && bytes[0] != 0 && bytes[1] == 0 && bytes[2] == 0 && bytes[3] == 0)
    contents.tokenizerKind = "llama2c";
  else
    return llvm::createStringError("'" + options.tokenizer +
                                   "': expected a tokenizer of SentencePiece "
                                   "or llama2.c, or the word 'bytes'");
  return llvm::Error::success();
}

llvm::Error Compiler::recordSource(llvm::StringRef file) {
  llvm::Expected<std::string> hash = hashFile(file);
  if (!hash)
    return hash.takeError();
  Builder builder(&context);
  (*module)->setAttr("terse.source",
                     builder.getStringAttr(path::filename(file)));
  (*module)->setAttr("terse.source_sha256", builder.getStringAttr(*hash));
  return llvm::Error::success();
}

llvm::Error Compiler::loadInput() {
  std::string input = options.input;
  if (fs::is_directory(input)) {
    llvm::SmallString<128> file(input);
    path::append(file, "model.onnx");
    if (!fs::exists(file))
      return llvm::createStringError(
          "expected a file model.onnx in the folder '" + input + "'");
    input = file.str().str();
  }
  llvm::StringRef extension = path::extension(input);
  auto *dialect = context.getOrLoadDialect<TerseDialect>();
  llvm::SmallString<128> folder(getFolder(input));
  fs::make_absolute(folder);
  dialect->getWeightStore().setBaseDirectory(folder);

  if (extension == ".onnx") {
    if (options.startFrom && *options.startFrom != Stage::Import)
      return llvm::createStringError(
          "expected IR (.mlir) with --start-from; got '" + input + "'");
    say("import");
    module = importOnnx(input, &context);
    if (!module)
      return llvm::createStringError("");
    return recordSource(input);
  }
  if (extension != ".mlir" && extension != ".mlirbc")
    return llvm::createStringError("expected a model as .onnx or .mlir; got '" +
                                   input + "'");
  module = parseIRFile(input, &context);
  if (!module)
    return llvm::createStringError("");
  // IR that came from a model keeps saying from which.
  if (!(*module)->hasAttr("terse.source"))
    if (llvm::Error error = recordSource(input))
      return error;
  // What --stop-after wrote says where it stopped.
  std::optional<Stage> written;
  if (auto stage = (*module)->getAttrOfType<StringAttr>("terse.stage"))
    written = parseStage(stage.getValue());
  if (options.startFrom && written && *options.startFrom != *written)
    return llvm::createStringError(
        "expected --start-from=" + getStageName(*written) +
        ", where the IR was written; got " + getStageName(*options.startFrom));
  done =
      options.startFrom ? *options.startFrom : written.value_or(Stage::Import);
  return llvm::Error::success();
}
