//===- Files.cpp - a report as a file -------------------------------------===//
#include "terse/Report/CompressionReport.h"
#include "terse/Support/TemporaryFile.h"

#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"

using namespace terse;

static bool isHtml(llvm::StringRef path) {
  llvm::StringRef extension = llvm::sys::path::extension(path);
  return extension.equals_insensitive(".html") || extension.equals_insensitive(".htm");
}

llvm::Error terse::checkReportPath(llvm::StringRef path) {
  if (isHtml(path) || llvm::sys::path::extension(path).equals_insensitive(".json"))
    return llvm::Error::success();
  return llvm::createStringError("expected a file .html or .json for the report; got '" + path + "'");
}

llvm::Error terse::writeReport(const CompressionReport &report, llvm::StringRef path) {
  if (llvm::Error error = checkReportPath(path))
    return error;
  std::string text;
  llvm::raw_string_ostream stream(text);
  if (isHtml(path))
    writeHtml(report, stream);
  else
    stream << llvm::formatv("{0:2}", toJson(report)) << '\n';
  llvm::StringRef folder = llvm::sys::path::parent_path(path);
  llvm::Expected<TemporaryFile> file =
      TemporaryFile::create(folder.empty() ? "." : folder, TemporaryFile::Kind::Document);
  if (!file)
    return file.takeError();
  if (llvm::Error error = file->write(text, path))
    return error;
  return file->commit(path);
}
