"""terse-c/terse.h for ctypes."""

from __future__ import annotations

from ctypes import (CFUNCTYPE, POINTER, Structure, c_char_p, c_double, c_float, c_int, c_int32, c_int64, c_size_t,
                    c_uint64, c_void_p, sizeof)
from typing import Any

#: Of the header that this file follows.
API_VERSION = 0 << 16 | 6

OK, CONTEXT_FULL, CANCELLED = 0, 6, 8


class ModelOptions(Structure):
    _fields_ = [("size", c_size_t), ("cpu_level", c_char_p)]


class TensorInfo(Structure):
    _fields_ = [("name", c_char_p), ("role", c_char_p), ("dtype", c_int32), ("rank", c_size_t)]


class ContextOptions(Structure):
    _fields_ = [("size", c_size_t), ("threads", c_int32), ("capacity", c_int64), ("batch", c_int64),
                ("pin", c_int32), ("check_inputs", c_int64)]


class Tensor(Structure):
    _fields_ = [("name", c_char_p), ("dtype", c_int32), ("rank", c_size_t), ("shape", POINTER(c_int64)),
                ("data", c_void_p)]


class Buffer(Structure):
    _fields_ = [("data", c_void_p), ("bytes", c_size_t)]


class GenerateOptions(Structure):
    _fields_ = [("size", c_size_t), ("max_tokens", c_int64), ("temperature", c_float), ("top_k", c_int32),
                ("top_p", c_float), ("seed", c_uint64), ("stop_token", c_int32), ("prompt_lookup", c_int64)]


class GeneratorCounts(Structure):
    _fields_ = [("size", c_size_t), ("steps", c_int64), ("drafted", c_int64), ("accepted", c_int64)]


class FrequencyBand(Structure):
    _fields_ = [("mass", c_double), ("most_count", c_int64), ("tokens", c_int64), ("nll", c_double),
                ("perplexity_ratio", c_double), ("kl", c_double), ("top1_agreement", c_double)]


class PerplexityResult(Structure):
    _fields_ = [("size", c_size_t), ("perplexity", c_double), ("nll", c_double), ("kl", c_double),
                ("top1_agreement", c_double), ("tokens", c_int64), ("windows", c_int64),
                ("perplexity_ratio", c_double), ("seconds", c_double), ("against_seconds", c_double),
                ("bands", FrequencyBand * 3)]


class QualityOptions(Structure):
    _fields_ = [("size", c_size_t), ("threads", c_int32), ("window", c_int64), ("max_windows", c_int64),
                ("band_tokens", POINTER(c_int32)), ("band_token_count", c_size_t)]


def sized(structure: type[Structure], *values: Any) -> Any:
    """A structure whose first field is its size."""
    return structure(sizeof(structure), *values)


TEXT_FN = CFUNCTYPE(None, c_void_p, c_void_p, c_size_t)
GO_ON_FN = CFUNCTYPE(c_int, c_void_p)
WINDOW_FN = CFUNCTYPE(c_int, c_void_p, POINTER(PerplexityResult), c_int64)

_STATUS = c_int32
_OUT = POINTER(c_void_p)
_IDS = POINTER(c_int32)

_FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "terse_version": (c_char_p, []),
    "terse_last_error": (c_char_p, []),
    "terse_model_open": (_STATUS, [c_char_p, POINTER(ModelOptions), _OUT]),
    "terse_model_close": (None, [c_void_p]),
    "terse_model_manifest": (c_char_p, [c_void_p]),
    "terse_model_cpu_level": (c_char_p, [c_void_p]),
    "terse_describe": (_STATUS, [c_char_p, c_int, TEXT_FN, c_void_p]),
    "terse_model_verify": (_STATUS, [c_void_p]),
    "terse_model_input_count": (c_size_t, [c_void_p]),
    "terse_model_output_count": (c_size_t, [c_void_p]),
    "terse_model_input": (_STATUS, [c_void_p, c_size_t, POINTER(TensorInfo)]),
    "terse_model_output": (_STATUS, [c_void_p, c_size_t, POINTER(TensorInfo)]),
    "terse_model_input_dim": (c_char_p, [c_void_p, c_size_t, c_size_t]),
    "terse_model_output_dim": (c_char_p, [c_void_p, c_size_t, c_size_t]),
    "terse_context_create": (_STATUS, [c_void_p, POINTER(ContextOptions), _OUT]),
    "terse_context_destroy": (None, [c_void_p]),
    "terse_context_output_sizes": (_STATUS, [c_void_p, POINTER(Tensor), c_size_t, POINTER(c_int64)]),
    "terse_context_run_into": (_STATUS, [c_void_p, POINTER(Tensor), c_size_t, POINTER(Buffer), c_size_t]),
    "terse_eval": (_STATUS, [c_void_p, _IDS, c_size_t, c_void_p]),
    "terse_vocabulary": (c_size_t, [c_void_p]),
    "terse_past": (c_int64, [c_void_p]),
    "terse_reset": (None, [c_void_p]),
    "terse_context_on_part": (_STATUS, [c_void_p, GO_ON_FN, c_void_p]),
    "terse_generator_create": (_STATUS, [c_void_p, _IDS, c_size_t, POINTER(GenerateOptions), _OUT]),
    "terse_generator_destroy": (None, [c_void_p]),
    "terse_generator_next": (_STATUS, [c_void_p, _IDS]),
    "terse_generator_count": (_STATUS, [c_void_p, POINTER(GeneratorCounts)]),
    "terse_measure_quality": (_STATUS, [c_void_p, c_void_p, POINTER(QualityOptions), _IDS, c_size_t, WINDOW_FN,
                                        c_void_p, POINTER(PerplexityResult)]),
    "terse_tokenizer_of_model": (_STATUS, [c_void_p, _OUT]),
    "terse_tokenizer_open": (_STATUS, [c_char_p, _OUT]),
    "terse_tokenizer_close": (None, [c_void_p]),
    "terse_tokenizer_bos": (c_int32, [c_void_p]),
    "terse_tokenizer_eos": (c_int32, [c_void_p]),
    "terse_tokenizer_ends": (c_int, [c_void_p, c_int32]),
    "terse_tokenizer_prompts_begin_with_bos": (c_int, [c_void_p]),
    "terse_tokenizer_size": (c_int64, [c_void_p]),
    "terse_tokenizer_encode": (_STATUS, [c_void_p, c_char_p, c_size_t, _IDS, c_size_t, POINTER(c_size_t)]),
    "terse_tokenizer_piece": (_STATUS, [c_void_p, c_int32, c_int, c_char_p, c_size_t, POINTER(c_size_t)]),
}


def declare(library: Any) -> None:
    for name, (result, arguments) in _FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
