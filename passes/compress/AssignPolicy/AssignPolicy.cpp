//===- AssignPolicy.cpp - what later passes are to do with each layer -------===//
#include "Terse/LayerAttributes.h"
#include "Terse/TerseDialect.h"
#include "compress/Weights/Policy.h"
#include "terse/Passes.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Regex.h"

namespace terse {
#define GEN_PASS_DEF_ASSIGNPOLICY
#include "compress/AssignPolicy/AssignPolicy.h.inc"
} // namespace terse

using namespace mlir;
using namespace terse;

namespace {
struct Rule {
  StringRef text, pattern, settings;
  bool isUsed = false;
};

struct AssignPolicy : terse::impl::AssignPolicyBase<AssignPolicy> {
  using AssignPolicyBase::AssignPolicyBase;

  void runOnOperation() override {
    SmallVector<Rule> parsed;
    if (failed(parse(parsed)))
      return signalPassFailure();
    int64_t numWith = 0, numWithout = 0;
    WalkResult walked = getOperation()->walk([&](LinearLike layer) -> WalkResult {
      FailureOr<Policy> policy = getPolicy(layer);
      if (failed(policy))
        return WalkResult::interrupt();
      std::string name = getNameOfLayer(layer);
      for (Rule &rule : parsed)
        if (llvm::Regex(rule.pattern).match(name)) {
          rule.isUsed = true;
          if (failed(apply(rule, *policy)))
            return WalkResult::interrupt();
        }
      DictionaryAttr attr = policy->toAttr(&getContext());
      if (!attr.empty())
        layer->setAttr(kPolicyAttr, attr);
      ++(attr.empty() ? numWithout : numWith);
      return WalkResult::advance();
    });
    if (walked.wasInterrupted())
      return signalPassFailure();
    for (const Rule &rule : parsed)
      if (!rule.isUsed) {
        error() << "expected the rule '" << rule.text << "' to match the name of a layer; got none";
        return signalPassFailure();
      }
    Report &report = getContext().getLoadedDialect<TerseDialect>()->getReport();
    report.add(getArgument(), "layers-with-policy", numWith);
    report.add(getArgument(), "layers-without", numWithout);
  }

private:
  InFlightDiagnostic error() { return emitError(UnknownLoc::get(&getContext())) << getArgument() << ": "; }

  /// Splits the rules; each is well-formed for some layer.
  LogicalResult parse(SmallVectorImpl<Rule> &parsed) {
    SmallVector<StringRef> texts;
    StringRef(rules).split(texts, ';', -1, /*KeepEmpty=*/false);
    if (texts.empty())
      return error() << "expected rules REGEX=KEY:VALUE,...; got '" << rules << "'";
    for (StringRef text : texts) {
      auto [pattern, settings] = text.split('=');
      std::string why;
      if (pattern.empty() || settings.empty())
        return error() << "expected a rule REGEX=KEY:VALUE,...; got '" << text << "'";
      if (!llvm::Regex(pattern).isValid(why))
        return error() << "expected a regular expression before '='; got '" << pattern << "': " << why;
      parsed.push_back({text, pattern, settings});
      Policy tried;
      if (failed(apply(parsed.back(), tried)))
        return failure();
    }
    return success();
  }

  LogicalResult apply(const Rule &rule, Policy &policy) {
    for (StringRef setting : llvm::split(rule.settings, ',')) {
      // The value of a pattern has a colon of its own.
      auto [key, value] = setting.split(':');
      if (failed(policy.set(key, value, [&]() { return error(); })))
        return failure();
    }
    return success();
  }
};
} // namespace
