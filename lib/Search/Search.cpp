//===- Search.cpp - a compile that keeps a promised loss ------------------===//
#include "terse/Search/Search.h"

#include "Strategies.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"

using namespace terse;
using llvm::Error;
using llvm::Expected;

std::string terse::describeFormats(const Formats &layers) {
  std::map<WeightFormat, size_t> counts;
  for (const auto &entry : layers)
    ++counts[entry.second];
  std::string text;
  for (const auto &[format, count] : counts)
    text += (text.empty() ? "" : ", ") + llvm::formatv("{0} layer{1} {2}", count, count == 1 ? "" : "s", format.str()).str();
  return text;
}

/// The recipe of the options, where bits of its layers can be chosen under a promise; else none.
static Expected<std::optional<Recipe>> findRecipe(const CompileOptions &options) {
  bool canSearch = !options.promises.empty() && !options.evalText.empty() && !options.passPipeline && options.recipe &&
                   options.emit == EmitKind::SharedObject && !options.stopAfter && !options.preflight && options.policyRules.empty();
  if (!canSearch)
    return std::nullopt;
  Expected<Recipe> recipe = parseRecipe(getRecipe(options));
  if (!recipe)
    return recipe.takeError();
  if (recipe->bits == 0 || !llvm::sys::fs::is_regular_file(options.evalText))
    return std::nullopt;
  return std::optional<Recipe>(std::move(*recipe));
}

static Expected<Plan> search(const CompileOptions &options, const Recipe &recipe, CompileListener &listener) {
  Trials trials(options, listener);
  if (Error error = trials.open())
    return std::move(error);
  Expected<Plan> plan = recipe.isSearched ? chooseFormats(options, recipe, trials) : raiseBits(options, recipe, trials);
  if (plan)
    trials.close();
  return plan;
}

bool terse::compileWithinLoss(const CompileOptions &options, CompileListener &listener) {
  auto fail = [&](const std::string &text) {
    listener.onMessage({Message::Kind::Error, "", text});
    return false;
  };
  auto finish = [&](const Outcome &outcome) {
    return outcome.brokenPromise.empty() ? outcome.isCompiled : fail(outcome.brokenPromise);
  };
  Expected<std::optional<Recipe>> recipe = findRecipe(options);
  if (recipe && options.objective && !(*recipe && (*recipe)->isSearched))
    return fail("expected the recipe 'auto', a promise (--max-loss) and a text (--eval) with --objective");
  if (recipe && options.objective == Objective::Cost && !options.queryTokens)
    return fail("expected --query=PROMPT:COMPLETION with --objective=cost: what a query is");
  if (!recipe)
    return fail(llvm::toString(recipe.takeError()));
  if (!*recipe)
    return finish(compileAndMeasure(options, listener));
  if (!(*recipe)->isSearched) {
    Outcome plain = compileAndMeasure(options, listener);
    if (!plain.isCompiled || plain.brokenPromise.empty())
      return plain.isCompiled;
  }

  bool isSaid = false;
  auto onMessage = listener.onMessage;
  // A trial's own error is said by the trial.
  listener.onMessage = [&](const Message &message) {
    isSaid |= message.kind == Message::Kind::Error;
    onMessage(message);
  };
  Expected<Plan> plan = search(options, **recipe, listener);
  listener.onMessage = onMessage;
  if (!plan) {
    std::string text = llvm::toString(plan.takeError());
    return !isSaid && fail(text);
  }
  if (!plan->described.empty())
    listener.onMessage({Message::Kind::Report, "", "search: " + plan->described});
  for (const std::string &cliff : plan->findings.cliffs)
    listener.onMessage({Message::Kind::Warning, "", "cliff: " + cliff});
  CompileOptions chosen = options;
  chosen.policyRules = plan->rules;
  if (!plan->recipe.empty()) {
    chosen.recipe = plan->recipe;
    chosen.groupSize.reset();
  }
  return finish(compileAndMeasure(chosen, listener, &plan->findings));
}
