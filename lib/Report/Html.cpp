//===- Html.cpp - a report as one HTML file -------------------------------===//
#include "Sections.h"

#include "Page.h"

using namespace terse;
using namespace terse::report;

static void beginSection(llvm::raw_ostream &os, llvm::StringRef id, llvm::StringRef title) {
  os << "<section id=\"" << id << "\">\n<h2>" << title << "</h2>\n";
}

void terse::writeHtml(const CompressionReport &report, llvm::raw_ostream &os) {
  std::string title = report.title.empty() ? "Compression report" : report.title;
  os << "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>"
     << escape(title) << "</title>\n<style>" << getStyleSheet() << "</style>\n</head>\n<body>\n<header>\n<h1>"
     << escape(title) << "</h1>\n";
  std::string line;
  for (const std::string &part : {report.date, report.compiler})
    if (!part.empty())
      line += (line.empty() ? "" : " · ") + escape(part);
  if (!line.empty())
    os << "<p class=\"soft\">" << line << "</p>\n";
  writeSummary(report, os);
  os << "</header>\n";
  for (const Section &section : getSections()) {
    std::string body;
    llvm::raw_string_ostream stream(body);
    section.write(report, stream);
    if (body.empty())
      continue;
    beginSection(os, section.id, section.title);
    os << body << "</section>\n";
  }
  os << "</body>\n</html>\n";
}
