//===- Json.cpp - a report as JSON ----------------------------------------===//
#include "Fields.h"

#include <cmath>

using namespace terse;
using llvm::json::Array;
using llvm::json::Object;
using llvm::json::Value;

namespace {

/// Makes an object of those fields that are known.
class Writer {
public:
  Object object;

  void operator()(llvm::StringRef name, const std::string &text) {
    if (!text.empty())
      object[name] = llvm::json::fixUTF8(text);
  }
  void operator()(llvm::StringRef name, bool value) {
    if (value)
      object[name] = value;
  }
  template <typename T> void operator()(llvm::StringRef name, std::optional<T> &value) {
    if (value)
      if (std::optional<Value> made = make(*value))
        object[name] = std::move(*made);
  }
  template <typename T> void operator()(llvm::StringRef name, std::vector<T> &values) {
    if (values.empty())
      return;
    Array array;
    for (T &value : values)
      array.push_back(*make(value));
    object[name] = std::move(array);
  }

private:
  std::optional<Value> make(std::string &text) { return Value(llvm::json::fixUTF8(text)); }
  std::optional<Value> make(int64_t value) { return Value(value); }
  std::optional<Value> make(uint64_t value) { return Value(value); }
  /// JSON has no infinity.
  std::optional<Value> make(double value) {
    return std::isfinite(value) ? std::optional<Value>(value) : std::nullopt;
  }
  template <typename T> std::optional<Value> make(T &structure) {
    Writer inner;
    visitFields(inner, structure);
    return Value(std::move(inner.object));
  }
};

/// Reads the fields of an object; the first error stays.
class Reader {
public:
  Reader(const Object &object, std::string place) : object(object), place(std::move(place)) {}
  std::string error;

  template <typename T> void operator()(llvm::StringRef name, T &field) {
    known.push_back(name.str());
    const Value *value = object.get(name);
    if (value && value->kind() != Value::Null)
      read(*value, field, place + name.str());
  }
  /// Complains of keys that no field has.
  void finish(llvm::StringRef ignored = "") {
    for (const auto &entry : object)
      if (llvm::StringRef(entry.first) != ignored && !llvm::is_contained(known, entry.first.str()))
        complain("unknown key '" + place + entry.first.str() + "'");
  }

private:
  void complain(const std::string &text) {
    if (error.empty())
      error = text;
  }
  void expected(const char *what, const std::string &at) {
    complain("expected '" + at + "' to be " + what);
  }
  void read(const Value &value, std::string &field, const std::string &at) {
    if (auto text = value.getAsString())
      field = text->str();
    else
      expected("a text", at);
  }
  void read(const Value &value, bool &field, const std::string &at) {
    if (auto flag = value.getAsBoolean())
      field = *flag;
    else
      expected("true or false", at);
  }
  void read(const Value &value, double &field, const std::string &at) {
    if (auto number = value.getAsNumber())
      field = *number;
    else
      expected("a number", at);
  }
  void read(const Value &value, int64_t &field, const std::string &at) {
    if (auto number = value.getAsInteger())
      field = *number;
    else
      expected("a whole number", at);
  }
  void read(const Value &value, uint64_t &field, const std::string &at) {
    if (auto number = value.getAsUINT64())
      field = *number;
    else
      expected("a whole number of at least 0", at);
  }
  template <typename T> void read(const Value &value, std::optional<T> &field, const std::string &at) {
    read(value, field.emplace(), at);
  }
  template <typename T> void read(const Value &value, std::vector<T> &field, const std::string &at) {
    const Array *array = value.getAsArray();
    if (!array)
      return expected("a list", at);
    for (size_t i = 0; i < array->size(); ++i)
      read((*array)[i], field.emplace_back(), at + "[" + std::to_string(i) + "]");
  }
  template <typename T> void read(const Value &value, T &structure, const std::string &at) {
    const Object *inner = value.getAsObject();
    if (!inner)
      return expected("an object", at);
    Reader reader(*inner, at + ".");
    visitFields(reader, structure);
    reader.finish();
    if (!reader.error.empty())
      complain(reader.error);
  }

  const Object &object;
  std::string place;
  std::vector<std::string> known;
};

} // namespace

static Object makeCost(const ServingCost &cost) {
  Writer writer;
  std::optional<double> values[] = {cost.millionPromptTokens, cost.millionCompletionTokens, cost.secondsPerQuery,
                                    cost.thousandQueries};
  writer("million_prompt_tokens", values[0]);
  writer("million_completion_tokens", values[1]);
  writer("seconds_per_query", values[2]);
  writer("thousand_queries", values[3]);
  return std::move(writer.object);
}

Value terse::toJson(const CompressionReport &report) {
  Writer writer;
  // A visitor that writes changes nothing.
  visitFields(writer, const_cast<CompressionReport &>(report));
  Object computed;
  if (report.cost) {
    if (report.before)
      computed["cost_before"] = makeCost(computeCost(*report.cost, *report.before));
    if (report.after)
      computed["cost_after"] = makeCost(computeCost(*report.cost, *report.after));
  }
  if (std::optional<BreakEven> even = computeBreakEven(report)) {
    Object object{{"compression_cost", even->compressionCost},
                  {"saved_per_thousand_queries", even->savedPerThousandQueries}};
    if (even->isReached()) {
      object["queries"] = even->queries;
      object["hours"] = even->hours;
    }
    computed["break_even"] = std::move(object);
  }
  Array front;
  for (const CompressionReport::Point &point : computeFront(report.pareto, report.objective.empty() || report.objective == "size" ? ParetoMeasure::Bytes : ParetoMeasure::Price))
    front.push_back(point.name);
  if (!front.empty())
    computed["front"] = std::move(front);
  if (!computed.empty())
    writer.object["computed"] = std::move(computed);
  return Value(std::move(writer.object));
}

llvm::Expected<CompressionReport> terse::readReport(llvm::StringRef json) {
  llvm::Expected<Value> value = llvm::json::parse(json);
  if (!value)
    return value.takeError();
  const Object *object = value->getAsObject();
  if (!object)
    return llvm::createStringError("expected a JSON object");
  CompressionReport report;
  Reader reader(*object, "");
  visitFields(reader, report);
  reader.finish("computed");
  if (!reader.error.empty())
    return llvm::createStringError(reader.error);
  return report;
}
