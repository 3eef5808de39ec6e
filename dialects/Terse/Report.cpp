//===- Report.cpp - what passes say of their work -------------------------===//
#include "Terse/Report.h"

#include "llvm/Support/raw_ostream.h"

using namespace terse;

void Report::add(llvm::StringRef pass, llvm::StringRef name, llvm::json::Value value) {
  std::lock_guard<std::mutex> lock(mutex);
  facts.push_back({pass.str(), name.str(), std::move(value)});
}

std::vector<Report::Fact> Report::getFacts() const {
  std::lock_guard<std::mutex> lock(mutex);
  return facts;
}

void Report::truncate(size_t count) {
  std::lock_guard<std::mutex> lock(mutex);
  if (count < facts.size())
    facts.erase(facts.begin() + count, facts.end());
}

void Report::print(llvm::raw_ostream &os) const {
  for (const Fact &fact : getFacts()) {
    os << fact.pass << ": " << fact.name << ' ';
    if (std::optional<llvm::StringRef> text = fact.value.getAsString())
      os << *text;
    else
      os << fact.value;
    os << '\n';
  }
}
