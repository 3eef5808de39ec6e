//===- Generate.cpp - text from a prompt ------------------------*- C++ -*-===//
#include "Run.h"

#include "terse/Runtime/Generator.h"

#include <algorithm>
#include <cstdio>
#include <unistd.h>

namespace terse::run {

using namespace rt;

namespace {

/// Prints what is generated as it comes: text if there is a tokenizer,
/// otherwise token numbers.
class Stream {
public:
  Stream(const Tokenizer *tokenizer, bool print, bool first)
      : tokenizer_(tokenizer), print_(print), first_(first) {}

  void push(int32_t token) {
    if (!tokenizer_)
      return write((first_ ? "" : " ") + std::to_string(token));
    write(utf8_.push(tokenizer_->piece(token, first_)));
  }
  void finish() {
    if (tokenizer_)
      write(utf8_.finish());
    if (print_)
      std::fputc('\n', stdout);
  }
  const std::string &text() const { return text_; }

private:
  void write(const std::string &text) {
    first_ = false;
    text_ += text;
    if (print_ && !text.empty()) {
      std::fwrite(text.data(), 1, text.size(), stdout);
      std::fflush(stdout);
    }
  }

  const Tokenizer *tokenizer_;
  bool print_, first_;
  Utf8Stream utf8_;
  std::string text_;
};

/// How drafts fared, `decoded` tokens after the prompt's step having come.
void reportDrafts(Session &session, const LanguageModel &model,
                  const Generator::Counts &counts, double decoded) {
  session.report.add("drafted_tokens", counts.drafted);
  session.report.add("accepted_tokens", counts.accepted);
  session.timing("drafted", double(counts.drafted), "tokens");
  session.timing("accepted", double(counts.accepted), "tokens");
  if (counts.steps && decoded > 0) {
    session.report.add("tokens_per_step", decoded / double(counts.steps));
    session.timing("step", decoded / double(counts.steps), "tokens");
  }
  if (const std::string &why = model.obstacleToDrafts(); !why.empty()) {
    session.report.add("no_drafts_because", why);
    if (session.options.timing)
      std::fprintf(stderr, "no drafts for this model: %s\n", why.c_str());
  }
}

} // namespace

Status generate(Session &session) {
  const Options &options = session.options;
  std::unique_ptr<Tokenizer> tokenizer;
  bool hasText = !options.tokenizer.empty() ||
                 !session.model->manifest().tokenizerKind.empty() ||
                 !session.model->tokenizer().empty();
  if (options.prompt || hasText) {
    Result<std::unique_ptr<Tokenizer>> opened = session.tokenizer();
    if (opened.ok())
      tokenizer = std::move(*opened);
    else if (options.prompt || !options.tokenizer.empty())
      return opened.status(); // token ids work without
  }

  std::vector<int32_t> prompt;
  if (options.promptIds)
    prompt = *options.promptIds;
  bool bos = options.bos || (options.prompt && !options.noBos && tokenizer &&
                             tokenizer->promptsBeginWithBos());
  if (bos) {
    if (!tokenizer || tokenizer->bos() < 0)
      return fail(Code::InvalidArgument,
                  "--bos: the tokenizer has no token for a new text");
    prompt.insert(prompt.begin(), tokenizer->bos());
  }
  if (options.prompt) {
    Result<std::vector<int32_t>> ids = tokenizer->encode(*options.prompt);
    if (!ids.ok())
      return ids.status();
    prompt.insert(prompt.end(), ids->begin(), ids->end());
  }
  if (prompt.empty())
    return fail(Code::InvalidArgument,
                "the prompt is empty; expected at least one token (or --bos)");

  // The last token generated is not run through the model.
  int64_t needed =
      int64_t(prompt.size()) + std::max<int64_t>(options.maxTokens - 1, 0);
  if (needed < int64_t(prompt.size()) || needed > (int64_t(1) << 31))
    return fail(Code::InvalidArgument, "--max-tokens is too large");
  Result<std::unique_ptr<LanguageModel>> created =
      LanguageModel::create(session.model, session.contextOptions(needed));
  if (!created.ok())
    return created.status();
  LanguageModel &model = **created;

  bool print = !options.json;
  if (print && options.prompt && ::isatty(STDOUT_FILENO)) {
    std::fwrite(options.prompt->data(), 1, options.prompt->size(), stdout);
    std::fflush(stdout);
  }
  Stream stream(tokenizer.get(), print,
                options.prompt && options.prompt->empty());
  GeneratorOptions how;
  how.sampler = options.sampler;
  how.maxTokens = options.maxTokens;
  how.promptLookup = options.promptLookup;
  Generator generator(model, prompt, how);

  std::vector<int32_t> generated;
  std::string reason = "length";
  Clock clock;
  double prefill = 0;
  Status status;
  // The prompt is run also where no token is wanted.
  do {
    int32_t token;
    status = generator.next(token);
    if (status.code() == Code::ContextFull && !generated.empty()) {
      status = Status(); // --context, or as many tokens as the model takes
      reason = "context";
      break;
    }
    if (!status.ok() || options.maxTokens == 0)
      break;
    if (generated.empty())
      prefill = clock.seconds();
    if (tokenizer && !options.ignoreEos && tokenizer->ends(token)) {
      reason = "eos";
      break;
    }
    generated.push_back(token);
    stream.push(token);
  } while (int64_t(generated.size()) < options.maxTokens);
  double total = clock.seconds();
  stream.finish();
  if (!status.ok())
    return status;
  if (reason == "context" && !options.json)
    std::fprintf(stderr,
                 "terse-run: the text ends here: the context of %lld tokens "
                 "is full\n",
                 (long long)(prompt.size() + generated.size() - 1));

  if (prefill == 0)
    prefill = total;
  double decoded = double(generated.size()) - 1;
  session.report.add("text", tokenizer ? stream.text() : std::string());
  session.report.add("token_ids", generated);
  session.report.add("prompt_token_ids", prompt);
  session.report.add("finish_reason", reason);
  session.report.add("first_token_s", prefill);
  session.report.add("prefill_tokens_per_s", double(prompt.size()) / prefill);
  session.timing("first token", prefill * 1e3, "ms");
  session.timing("prefill", double(prompt.size()) / prefill, "tokens/s");
  if (decoded > 0) {
    session.report.add("decode_tokens_per_s", decoded / (total - prefill));
    session.timing("decode", decoded / (total - prefill), "tokens/s");
  }
  if (options.promptLookup)
    reportDrafts(session, model, generator.counts(), decoded);
  return Status();
}

} // namespace terse::run
