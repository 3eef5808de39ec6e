# RUN: rm -rf %t && mkdir -p %t && %python %s %t %models library
# RUN: %python %s %t %models alone
# UNSUPPORTED: asan
"""Tokens and text equal those of the sentencepiece package: through the library,
where the library cannot be found, and from the same vocabulary in llama2.c's
format."""

import ctypes
import os
import pathlib
import random
import shutil
import struct
import sys

import sentencepiece

tmp, models = map(pathlib.Path, sys.argv[1:3])
rt_path = os.path.join(os.environ["TERSE_BUILD"], "lib", "libterse_rt.so")
alone = sys.argv[3] == "alone"
if alone:  # carried away from libterse_sentencepiece.so
    rt_path = shutil.copy(rt_path, tmp / "alone.so")
rt = ctypes.CDLL(rt_path)
rt.terse_last_error.restype = ctypes.c_char_p


class Tokenizer:
    def __init__(self, path):
        self.handle = ctypes.c_void_p()
        status = rt.terse_tokenizer_open(str(path).encode(), ctypes.byref(self.handle))
        assert status == 0, rt.terse_last_error()

    def encode(self, text):
        data, count = text.encode(), ctypes.c_size_t()
        tokens = (ctypes.c_int32 * (len(data) + 8))()
        status = rt.terse_tokenizer_encode(self.handle, data, ctypes.c_size_t(len(data)), tokens,
                                                ctypes.c_size_t(len(tokens)), ctypes.byref(count))
        assert status == 0, rt.terse_last_error()
        return tokens[:count.value]

    def pieces(self, tokens, first):
        for token in tokens:
            text, size = ctypes.create_string_buffer(256), ctypes.c_size_t()
            assert rt.terse_tokenizer_piece(self.handle, token, int(first), text, ctypes.c_size_t(256),
                                            ctypes.byref(size)) == 0
            first = False
            yield text.raw[:size.value]


def as_llama2c(processor, path):
    """The conversion that llama2.c's tokenizer.py makes."""
    pieces = []
    for i in range(processor.get_piece_size()):
        piece = processor.id_to_piece(i)
        piece = {processor.bos_id(): "\n<s>\n", processor.eos_id(): "\n</s>\n"}.get(i, piece)
        pieces.append((piece.replace("\u2581", " ").encode(), processor.get_score(i)))
    with open(path, "wb") as file:
        file.write(struct.pack("<i", max(len(p) for p, _ in pieces)))
        for piece, score in pieces:
            file.write(struct.pack("<fi", score, len(piece)) + piece)


model = next(models.rglob("tokenizer.model"))
texts = sorted(models.rglob("*.txt"))
reference = sentencepiece.SentencePieceProcessor(model_file=str(model))
as_llama2c(reference, tmp / "tok.bin")
mine, llama = Tokenizer(model), Tokenizer(tmp / "tok.bin")

plain = ["Once upon a time", "a", "It's \"quoted\", isn't it?", "two\nlines\n\nand more", "x" * 500,
         "naïve café", "漢字 and 😀!", "1234567890 +-*/"]
plain += [t.read_text()[:20000] for t in texts]
assert len(plain) > 8, "no text beside the models"
odd = ["", " ", "  two  spaces  ", "\ttab", "trailing ", "\n", "\n\n ", " \n", "ﬁ ligature", "e\u0301", "\u2581", "\0zero",
       "<s></s><unk>", "<0x41>"]
draw = random.Random(1)
odd += ["".join(draw.choice("ab  \n\u2581eé😀.") for _ in range(draw.randrange(40))) for _ in range(300)]
for text in plain + odd:
    want = reference.encode(text)
    assert mine.encode(text) == want, (text[:50], mine.encode(text)[:20], want[:20])
    # Token by token, the text of the whole.
    decoded = b"".join(mine.pieces(want, first=True)).decode()
    assert decoded == reference.decode(want), (text[:50], decoded[:50])
for text in plain:
    assert llama.encode(text) == reference.encode(text), text[:50]
    assert b"".join(llama.pieces(llama.encode(text), first=True)).decode() == text
for token in range(reference.get_piece_size()):
    want = reference.id_to_piece(token).replace("\u2581", " ").encode()
    if reference.is_byte(token):
        want = bytes([int(want[3:5], 16)])
    elif reference.is_control(token):
        want = b""
    elif reference.is_unknown(token):
        want = reference.decode([token]).encode()
    assert list(mine.pieces([token], False)) == [want], token
    # A made-up space is one of a piece that is text, not a byte of the text.
    made_up = want[:1] == b" " and not reference.is_unknown(token) and not reference.is_byte(token)
    assert list(mine.pieces([token], True)) == [want[made_up:]], token

# Other settings than the shipped model's, and a form that needs the library.
corpus = "\n".join(plain + texts[0].read_text().splitlines())
(tmp / "corpus.txt").write_text(corpus)
for name, settings in {
        "defaults": dict(normalization_rule_name="identity"),
        "fallback": dict(normalization_rule_name="identity", byte_fallback=True, add_dummy_prefix=False),
        "extra": dict(normalization_rule_name="identity", remove_extra_whitespaces=False, user_defined_symbols=["ab", "abc", "é"]),
        "library": dict(normalization_rule_name="nmt_nfkc")}.items():
    sentencepiece.SentencePieceTrainer.train(
        input=str(tmp / "corpus.txt"), model_prefix=str(tmp / name), vocab_size=600, model_type="bpe",
        character_coverage=0.99, minloglevel=2, hard_vocab_limit=False, **settings)
    reference2 = sentencepiece.SentencePieceProcessor(model_file=str(tmp / f"{name}.model"))
    if alone and name == "library":
        handle = ctypes.c_void_p()
        assert rt.terse_tokenizer_open(str(tmp / f"{name}.model").encode(), ctypes.byref(handle)) != 0
        assert b"libterse_sentencepiece.so, which cannot be loaded" in rt.terse_last_error()
        continue
    tokenizer = Tokenizer(tmp / f"{name}.model")
    for text in plain + odd:
        want = reference2.encode(text)
        assert tokenizer.encode(text) == want, (name, text[:50], tokenizer.encode(text)[:20], want[:20])

# After a prompt, a continuation keeps its space.
tokens = reference.encode("Once upon a time")
assert b"".join(mine.pieces(tokens[1:], first=False)).decode() == " upon a time"
assert list(mine.pieces([reference.bos_id(), reference.eos_id(), -1, 1 << 20], first=True)) == [b""] * 4
assert rt.terse_tokenizer_bos(mine.handle) == reference.bos_id()
assert rt.terse_tokenizer_eos(mine.handle) == reference.eos_id()
