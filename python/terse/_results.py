"""What models are described by and give: tensors, tokens, perplexities."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class TensorSpec:
    """An input or output of a model."""

    name: str
    dtype: np.dtype[Any]
    #: Sizes; those that are not fixed are expressions over symbols, such as "past + sequence".
    shape: tuple[int | str, ...]
    #: "input_ids", "attention_mask", "position_ids", "past", "logits", "present", or "".
    role: str
    #: It may be left out: the model has a value for it.
    optional: bool = False

    def __str__(self) -> str:
        return f"{self.name}: {self.dtype} [{', '.join(map(str, self.shape))}]"


@dataclass(frozen=True)
class Token:
    """A step of a generated text; as a string it is the text that it adds."""

    #: The token; -1 for text held back until the end.
    id: int
    #: Whole characters only: a token may add none, and the next one several.
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class FrequencyBand:
    """How well a model predicts those tokens of a text that occur about equally often.

    With n(t) the number of times that token t occurs in the text that is counted, and c(s) the least count such that
    tokens that occur c(s) times or less make up a share s of that text or more, the bands are "rarest_1":
    n(t) <= c(1 %), "rarest_10": c(1 %) < n(t) <= c(10 %), "rest": all others.
    """

    name: str
    #: Share that its tokens have of the text counted in, and how often the most frequent of them occurs there.
    mass: float
    most_count: int
    #: Tokens predicted; without any, the figures below are None.
    tokens: int
    nll: float | None
    perplexity: float | None
    #: Compared with another model.
    perplexity_ratio: float | None = None
    kl: float | None = None
    top1_agreement: float | None = None


BANDS = "rarest_1", "rarest_10", "rest"


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def make_band(name: str, band: Any) -> FrequencyBand:
    nll = _known(band.nll)
    return FrequencyBand(name, band.mass, band.most_count, band.tokens, nll,
                         None if nll is None else math.exp(min(nll, 700)), _known(band.perplexity_ratio),
                         _known(band.kl), _known(band.top1_agreement))


@dataclass(frozen=True)
class Perplexity:
    """How well a model predicts a text."""

    perplexity: float
    #: Mean negative log-likelihood of a token, in nats.
    nll: float
    #: Tokens predicted, and the windows that they lie in.
    tokens: int
    windows: int
    #: Compared with another model: mean KL divergence of this one from it in nats, and the share of tokens for
    #: which both have the same likeliest one.
    kl: float | None = None
    top1_agreement: float | None = None
    #: Its perplexity over that of the other model: 1.01 is a loss of 1 %.
    perplexity_ratio: float | None = None
    #: By how often the predicted token occurs, rarest first.
    bands: tuple[FrequencyBand, ...] = ()

    def __float__(self) -> float:
        return self.perplexity
