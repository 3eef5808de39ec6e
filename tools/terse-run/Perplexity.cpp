//===- Perplexity.cpp - how well a model predicts a text --------*- C++ -*-===//
#include "Run.h"

#include <cmath>
#include <cstdio>
#include <malloc.h>
#include <optional>

namespace terse::run {

using namespace rt;

namespace {

Status tokenize(Session &session, const std::string &path,
                std::vector<int32_t> &tokens) {
  Result<std::unique_ptr<Tokenizer>> tokenizer = session.tokenizer();
  if (!tokenizer.ok())
    return tokenizer.status();
  Result<File> file = File::open(path);
  if (!file.ok())
    return file.status();
  Result<Mapping> text = file->map(0, file->size());
  if (!text.ok())
    return text.status();
  Result<std::vector<int32_t>> ids = (*tokenizer)->encode(text->text());
  if (!ids.ok())
    return ids.status();
  tokens = std::move(*ids);
  tokenizer->reset();
#ifdef __GLIBC__
  ::malloc_trim(0); // a long text takes a hundred times its size for a moment
#endif
  return Status();
}

/// A row for each band of token frequency, on standard output.
void printBands(const PerplexityResult &result, bool compared) {
  std::printf("%-10s %9s %9s %12s", "band", "mass", "tokens", "perplexity");
  std::printf(compared ? " %12s %12s %12s\n" : "\n", "ratio", "kl", "top1");
  auto cell = [](double value) {
    if (value == value)
      std::printf(" %12.6g", value);
    else
      std::printf(" %12s", "-");
  };
  for (int i = 0; i < FrequencyBands::kCount; ++i) {
    const PerplexityResult::Band &band = result.bands[i];
    std::printf("%-10s %8.2f%% %9lld", FrequencyBands::nameOf(i),
                100 * band.band.mass, (long long)band.tokens);
    cell(band.perplexity());
    if (compared) {
      cell(band.perplexityRatio());
      cell(band.kl);
      cell(band.top1Agreement);
    }
    std::printf("\n");
  }
}

} // namespace

Status measurePerplexity(Session &session) {
  const Options &options = session.options;
  std::vector<int32_t> tokens;
  if (Status status = tokenize(session, options.perplexity, tokens);
      !status.ok())
    return status;
  std::optional<FrequencyBands> bands;
  if (!options.bandText.empty()) {
    std::vector<int32_t> counted;
    if (Status status = tokenize(session, options.bandText, counted);
        !status.ok())
      return status;
    if (counted.empty())
      return fail(Code::InvalidArgument, "--band-text: '%s' has no tokens",
                  options.bandText.c_str());
    bands.emplace(counted);
  }
  int64_t window = options.window;
  ContextOptions contextOptions = session.contextOptions(window);
  Result<std::unique_ptr<LanguageModel>> mine =
      LanguageModel::create(session.model, contextOptions);
  if (!mine.ok())
    return mine.status();
  std::unique_ptr<LanguageModel> other;
  if (!options.against.empty()) {
    Result<std::shared_ptr<const Model>> opened =
        Model::open(options.against, options.level);
    if (!opened.ok())
      return opened.status();
    Result<std::unique_ptr<LanguageModel>> created =
        LanguageModel::create(*opened, contextOptions);
    if (!created.ok())
      return created.status();
    other = std::move(*created);
  }

  PerplexityOptions how;
  how.window = window;
  how.maxWindows = options.maxWindows;
  how.bands = bands ? &*bands : nullptr;
  bool progress = session.progress();
  how.onWindow = [&](const PerplexityResult &so, int64_t windows) {
    if (progress)
      std::fprintf(stderr, "\rwindow %lld of %lld, perplexity %.4f ",
                   (long long)so.windows, (long long)windows, so.perplexity());
    return true;
  };
  PerplexityResult result;
  Status status = measurePerplexity(**mine, other.get(), tokens, how, result);
  if (progress && result.windows)
    std::fprintf(stderr, "\n");
  if (!status.ok())
    return fail(status.code(), "'%s': %s", options.perplexity.c_str(),
                status.message().c_str());

  double speed = double(result.tokens) / result.seconds;
  session.report.add("perplexity", result.perplexity());
  session.report.add("nll", result.nll);
  session.report.add("tokens", result.tokens);
  session.report.add("windows", result.windows);
  session.report.add("prefill_tokens_per_s", speed);
  session.timing("prefill", speed, "tokens/s");
  if (!options.json)
    std::printf("perplexity %.6g\nnll %.6g\ntokens %lld\nwindows %lld\n",
                result.perplexity(), result.nll, (long long)result.tokens,
                (long long)result.windows);
  if (other) {
    double original = std::exp(result.otherNll);
    session.report.add("kl", result.kl);
    session.report.add("top1_agreement", result.top1Agreement);
    session.report.add("against_perplexity", original);
    session.report.add("perplexity_ratio", result.perplexityRatio());
    session.report.add("against_prefill_tokens_per_s",
                       double(result.tokens) / result.otherSeconds);
    if (!options.json)
      std::printf("kl %.6g\ntop1_agreement %.6g\nagainst_perplexity %.6g\n"
                  "perplexity_ratio %.6g\n",
                  result.kl, result.top1Agreement, original,
                  result.perplexityRatio());
  }
  session.report.addBands(result, other != nullptr);
  if (!options.json)
    printBands(result, other != nullptr);
  return Status();
}

} // namespace terse::run
