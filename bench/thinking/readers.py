"""What a running trace is scored by: a probe of its cache, or the model's confidence in its own tokens."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from rlvr_bench.generate.decoder_weights import DecoderWeights, read_weights
from rlvr_bench.generate.monitor import CacheView
from rlvr_bench.thinking.cached_decoder import TransformersCacheView
from rlvr_bench.thinking.confidence import group_score, token_confidence
from rlvr_bench.thinking.probe import Probe


class Reader(Protocol):
    """Scores running rows. `places` are tokens of the cache that one reading takes, and that count as generated.

    `fast`: it reads the fast decoder's cache too, and not transformers' alone.
    """

    places: int
    fast: bool

    def follow(self, view: CacheView, logits: Tensor) -> None:
        """Told of every distribution that a token is drawn from."""
        ...

    def read(self, view: CacheView) -> list[float]:
        """The score of each row of `view`."""
        ...


class ProbeReader:
    """Reads the cache of either decoder; on the fast one through `weights` with the LoRA merged in."""

    def __init__(self, probe: Probe, weights: DecoderWeights | None) -> None:
        self.places, self.fast = probe.probe_tokens, weights is not None
        self._probe = probe
        self._weights = weights

    def follow(self, view: CacheView, logits: Tensor) -> None:
        """Nothing: the cache holds all that is read."""

    def read(self, view: CacheView) -> list[float]:
        """Probabilities of a correct end."""
        with torch.inference_mode():
            if self._weights is not None:
                hidden = view.read(self._weights, self._probe.embedding.detach(), self.places)
                logits = self._probe.scored(hidden)
            else:
                assert isinstance(view, TransformersCacheView)
                logits = self._probe.read(view.cache, view.tokens_read.unsqueeze(1), view.pads).squeeze(1)
            return torch.sigmoid(logits).tolist()


def fast_weights(probe: Probe) -> DecoderWeights:
    """What probe tokens run through on the fast decoder: as large as the model, so made once for many readers."""
    return read_weights(probe.merged(), torch.float32)


class ConfidenceReader:
    """Group confidence of the tokens so far (see `confidence`); costs no token."""

    places, fast = 0, True

    def __init__(self, kind: str, window: int) -> None:
        self._kind, self._window = kind, window
        self._confidences: dict[int, list[float]] = {}

    def follow(self, view: CacheView, logits: Tensor) -> None:
        """Note how peaked each row's next token is."""
        for row, value in zip(view.rows.tolist(), token_confidence(logits).tolist(), strict=True):
            self._confidences.setdefault(row, []).append(value)

    def read(self, view: CacheView) -> list[float]:
        """Confidence of each row, not in any fixed range."""
        rows: Sequence[int] = view.rows.tolist()
        return [group_score(self._confidences[row], self._kind, self._window) for row in rows]


class NoReader:
    """Scores nothing: every trace weighs the same."""

    places, fast = 0, True

    def follow(self, view: CacheView, logits: Tensor) -> None:
        """Nothing."""

    def read(self, view: CacheView) -> list[float]:
        """1 for every row."""
        return [1.0] * len(view.rows)
