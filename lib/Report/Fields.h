//===- Fields.h - the names that a report's fields have in JSON -*- C++ -*-===//
#ifndef TERSE_LIB_REPORT_FIELDS_H
#define TERSE_LIB_REPORT_FIELDS_H

#include "terse/Report/CompressionReport.h"

namespace terse {

// visitor(name, field) for each field: reading and writing are both made from
// these lists.

template <typename V> void visitFields(V &v, CompressionReport::File &x) {
  v("name", x.name);
  v("sha256", x.sha256);
  v("bytes", x.bytes);
}
template <typename V> void visitFields(V &v, CompressionReport::Measured &x) {
  v("name", x.name);
  v("artifact_bytes", x.artifactBytes);
  v("weight_bytes", x.weightBytes);
  v("bits_per_weight", x.bitsPerWeight);
  v("perplexity", x.perplexity);
  v("accuracy", x.accuracy);
  v("prefill_tokens_per_s", x.prefillTokensPerSecond);
  v("decode_tokens_per_s", x.decodeTokensPerSecond);
  v("load_s", x.loadSeconds);
  v("peak_memory_bytes", x.peakMemoryBytes);
}
template <typename V> void visitFields(V &v, CompressionReport::Quality &x) {
  v("tokens", x.tokens);
  v("windows", x.windows);
  v("window", x.window);
  v("loss", x.loss);
  v("kl", x.kl);
  v("top1_agreement", x.top1Agreement);
  v("max_over_range", x.maxOverRange);
  v("relative_l2", x.relativeL2);
  v("argmax_agreement", x.argmaxAgreement);
  v("promised_loss", x.promisedLoss);
}
template <typename V> void visitFields(V &v, CompressionReport::Band &x) {
  v("name", x.name);
  v("mass", x.mass);
  v("tokens", x.tokens);
  v("perplexity_before", x.perplexityBefore);
  v("perplexity_after", x.perplexityAfter);
  v("loss", x.loss);
  v("kl", x.kl);
  v("top1_agreement", x.top1Agreement);
  v("promised_loss", x.promisedLoss);
}
template <typename V> void visitFields(V &v, CompressionReport::Pass &x) {
  v("name", x.name);
  v("loss", x.loss);
  v("added", x.added);
  v("bytes", x.bytes);
  v("keeps_function", x.keepsFunction);
}
template <typename V> void visitFields(V &v, CompressionReport::Layer &x) {
  v("name", x.name);
  v("kind", x.kind);
  v("format", x.format);
  v("shape", x.shape);
  v("bits", x.bits);
  v("bits_per_weight", x.bitsPerWeight);
  v("bytes_before", x.bytesBefore);
  v("bytes_after", x.bytesAfter);
  v("relative_error", x.relativeError);
  v("loss", x.loss);
}
template <typename V> void visitFields(V &v, CompressionReport::Point &x) {
  v("name", x.name);
  v("bytes", x.bytes);
  v("loss", x.loss);
  v("price", x.price);
  v("chosen", x.chosen);
}
template <typename V> void visitFields(V &v, CompressionReport::Outlier &x) {
  v("tap", x.tap);
  v("abs_max", x.absMax);
  v("abs_mean", x.absMean);
  v("ratio", x.ratio);
}
template <typename V> void visitFields(V &v, CompressionReport::Text &x) {
  v("name", x.name);
  v("role", x.role);
  v("sha256", x.sha256);
  v("tokens", x.tokens);
  v("perplexity_before", x.perplexityBefore);
  v("perplexity_after", x.perplexityAfter);
}
template <typename V> void visitFields(V &v, CompressionReport::Distance &x) {
  v("from", x.from);
  v("to", x.to);
  v("jensen_shannon", x.jensenShannon);
  v("by_sampling", x.bySampling);
  v("unseen", x.unseen);
}
template <typename V> void visitFields(V &v, CompressionReport::Range &x) {
  v("tap", x.tap);
  v("calibration_max", x.calibrationMax);
  v("traffic_max", x.trafficMax);
  v("overlap", x.overlap);
  v("beyond", x.beyond);
}
template <typename V> void visitFields(V &v, CompressionReport::Refusal &x) {
  v("what", x.what);
  v("why", x.why);
}
template <typename V> void visitFields(V &v, CompressionReport::Fact &x) {
  v("pass", x.pass);
  v("name", x.name);
  v("value", x.value);
}
template <typename V> void visitFields(V &v, CompressionReport::Cost &x) {
  v("price_per_hour", x.pricePerHour);
  v("currency", x.currency);
  v("prompt_tokens", x.promptTokens);
  v("completion_tokens", x.completionTokens);
  v("batch", x.batch);
  v("compression_s", x.compressionSeconds);
  v("compression_price_per_hour", x.compressionPricePerHour);
}
template <typename V> void visitFields(V &v, CompressionReport &x) {
  v("title", x.title);
  v("date", x.date);
  v("compiler", x.compiler);
  v("recipe", x.recipe);
  v("recipe_sha256", x.recipeSha256);
  v("pipeline", x.pipeline);
  v("objective", x.objective);
  v("loss_name", x.lossName);
  v("source", x.source);
  v("artifact", x.artifact);
  v("original", x.original);
  v("before", x.before);
  v("after", x.after);
  v("quality", x.quality);
  v("bands", x.bands);
  v("passes", x.passes);
  v("layers", x.layers);
  v("pareto", x.pareto);
  v("outliers", x.outliers);
  v("texts", x.texts);
  v("distances", x.distances);
  v("ranges", x.ranges);
  v("fit_warnings", x.fitWarnings);
  v("refused", x.refused);
  v("facts", x.facts);
  v("cost", x.cost);
}

} // namespace terse

#endif // TERSE_LIB_REPORT_FIELDS_H
