//===- SentencePieceShim.cpp - SentencePiece behind C functions -*- C++ -*-===//
#include "SentencePieceShim.h"

#include <sentencepiece_processor.h>

#include <cstdio>
#include <exception>
#include <memory>
#include <string>
#include <vector>

using sentencepiece::SentencePieceProcessor;

namespace {

SentencePieceProcessor *of(void *model) {
  return static_cast<SentencePieceProcessor *>(model);
}

void *openModel(const void *bytes, size_t size, char *error, size_t errorSize) {
  std::string message;
  try {
    auto model = std::make_unique<SentencePieceProcessor>();
    auto status = model->LoadFromSerializedProto(
        {static_cast<const char *>(bytes), size});
    if (status.ok() && model->GetPieceSize() > 0)
      return model.release();
    message = status.ok() ? "no pieces in it" : status.ToString();
  } catch (const std::exception &caught) {
    message = caught.what();
  }
  std::snprintf(error, errorSize, "%s", message.c_str());
  return nullptr;
}

int encode(void *model, const char *text, size_t size,
           void (*emit)(void *, int32_t), void *user) {
  // An exception must not pass through functions that may know none.
  try {
    std::vector<int> ids;
    if (!of(model)->Encode({text, size}, &ids).ok())
      return 1;
    for (int id : ids)
      emit(user, id);
    return 0;
  } catch (const std::exception &) {
    return 1;
  }
}

void piece(void *model, int32_t token, int first,
           void (*emit)(void *, const char *, size_t), void *user) {
  SentencePieceProcessor &processor = *of(model);
  if (token < 0 || token >= processor.GetPieceSize() ||
      processor.IsControl(token))
    return;
  if (processor.IsByte(token)) { // "<0xHH>": a part of a character, maybe
    unsigned value = 0;
    std::sscanf(processor.IdToPiece(token).c_str(), "<0x%2X>", &value);
    char byte = char(value);
    return emit(user, &byte, 1);
  }
  std::string text;
  if (first || processor.IsUnknown(token)) {
    if (!processor.Decode(std::vector<int>{token}, &text).ok())
      return;
  } else {
    // In the middle of a text U+2581 is a space; Decode would drop it.
    text = processor.IdToPiece(token);
    const std::string mark = "\xe2\x96\x81";
    for (size_t at = 0; (at = text.find(mark, at)) != std::string::npos; ++at)
      text.replace(at, mark.size(), " ");
  }
  emit(user, text.data(), text.size());
}

const TerseSpm functions = {
    TERSE_SPM_VERSION,
    openModel,
    [](void *model) { delete of(model); },
    [](void *model) { return int32_t(of(model)->GetPieceSize()); },
    [](void *model) { return int32_t(of(model)->bos_id()); },
    [](void *model) { return int32_t(of(model)->eos_id()); },
    encode,
    piece,
};

} // namespace

extern "C" __attribute__((visibility("default"))) const TerseSpm *
terse_spm(void) {
  return &functions;
}
