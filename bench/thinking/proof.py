"""A probe proves on the model at hand that it reads a cache as the model reads the trace itself.

What a config does not announce (an attention that looks at more than the mask, positions that are counted otherwise)
would make scores that are wrong without a word. A few tokens are read both ways before any trace is sampled.
"""

import torch
from transformers import PreTrainedModel

from rlvr_bench.thinking.batch import TraceBatch
from rlvr_bench.thinking.errors import ThinkingError
from rlvr_bench.thinking.probe import Probe

TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.1, torch.float16: 0.1}
"""Difference of a log odds that rounding explains, over max(1, |log odds|); float32 was seen up to 3e-7."""

_ROWS, _LENGTH = 2, 6
_SEEN = (3, 6)
"""How much of a row is read: a part, so that the mask has something to hide, and all of it."""


def refuse_unproved(model: PreTrainedModel) -> None:
    """Raise ThinkingError where a probe of `model` cannot read its cache, or reads something else than the trace."""
    probe = Probe(model, probe_tokens=1, rank=1, seed=0)
    embeddings = model.get_input_embeddings()
    size = _ROWS * _LENGTH
    tokens = torch.arange(3, 3 + size, device=model.device).remainder(embeddings.weight.shape[0]).view(_ROWS, _LENGTH)
    seen = torch.tensor([_SEEN] * _ROWS, device=model.device)
    with torch.no_grad():
        cached = probe.logits(TraceBatch(tokens, seen, torch.ones_like(seen, dtype=torch.bool)))
        plain = torch.cat([_without_cache(model, probe, tokens[:, :length]) for length in _SEEN], dim=1)
    off = float(((cached - plain).abs() / plain.abs().clamp(min=1)).max())
    if not off <= TOLERANCE[model.dtype]:  # also when it is NaN
        raise ThinkingError(
            f"{type(model).__name__} cannot be probed: reading its cache and reading the trace give scores that differ"
            f" by {off:.2g}; choose a decoder with plain causal attention"
        )


def _without_cache(model: PreTrainedModel, probe: Probe, tokens: torch.Tensor) -> torch.Tensor:
    """Log odds [rows, 1] of the probe token behind `tokens`, by the model's own forward pass."""
    embedded = model.get_input_embeddings()(tokens)
    last = probe.embedding.to(embedded.dtype).expand(len(tokens), 1, -1)
    hidden = model.base_model(inputs_embeds=torch.cat([embedded, last], dim=1), use_cache=False).last_hidden_state
    return probe.scored(hidden[:, -1:].float())
