"""One-token verification: a trained token that reads the frozen model's cache and says how likely the trace is right.

After one-token verification (arXiv 2603.01025): an embedding, a LoRA that only probe tokens pass through, and a linear
head. The abstract has the learnable token, the low-rank adaptation and the cache; the head, the rank and the layers are
ours, since the full text was not at hand.

Probe tokens see the trace up to their position and, in their own row of up to eight, those before them (several tokens
with one embedding: STOP, arXiv 2604.16029); the trace never sees them, so generation is what it would have been.

The adapted layers are a second module tree over the base's own tensors: the base model stays plain and untouched.
"""

import copy
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from rlvr_bench.methods.base.seeding import forked_random_state
from rlvr_bench.methods.base.targets import group_paths
from rlvr_bench.models.context import context_length
from rlvr_bench.thinking.batch import TraceBatch
from rlvr_bench.thinking.errors import ThinkingError
from rlvr_bench.thinking.prefixes import Prefixes
from rlvr_bench.thinking.reach import restrict
from rlvr_bench.thinking.settings import Reach, ScorerSettings

_ADAPTER = "probe"
_KEYS_AND_VALUES = (DynamicLayer, DynamicSlidingWindowLayer)
_NEEDED = ("inputs_embeds", "position_ids", "past_key_values", "attention_mask")


class Probe(nn.Module):
    """The scorer: `logits` scores traces in one pass over all positions, `read` scores a running cache.

    Args:
        base: a plain model, which is only read; its parameters end up not requiring gradients.
        probe_tokens: tokens of one reading, 1 to 8.
        rank: of the LoRA on every linear layer of the decoder, alpha = 2 rank; 0 leaves it out.
        prefixes: what the base says of traces, shared by the probes of one base.
        reach: what of the cache the tokens see.

    Raises:
        ThinkingError: the architecture cannot be probed.
    """

    offset: Tensor

    def __init__(
        self,
        base: PreTrainedModel,
        probe_tokens: int,
        rank: int,
        seed: int,
        prefixes: Prefixes | None = None,
        reach: Reach | None = None,
    ) -> None:
        super().__init__()
        check_architecture(base)
        self.prefixes = prefixes or Prefixes(base)
        self.probe_tokens, self.rank, self.reach = probe_tokens, rank, reach or Reach()
        self._base = [base.requires_grad_(False)]  # in a list: not a part of this module
        # As deepcopy's memo: modules are copied, tensors are not, so the second tree costs no memory.
        shared = {id(tensor): tensor for tensor in chain(base.parameters(), base.buffers())}
        body = copy.deepcopy(base.base_model, shared)
        with forked_random_state(seed):
            if rank:
                paths = group_paths(base, "all-linear")
                names = [path.removeprefix(f"{base.base_model_prefix}.") for path in paths]
                config = LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules=names)
                body = inject_adapter_in_model(config, body, adapter_name=_ADAPTER)
                adapted = {path for path, layer in body.named_modules() if isinstance(layer, LoraLayer)}
                if other := sorted(adapted.difference(names)):
                    raise ThinkingError(
                        f"{type(base).__name__} cannot be probed: PEFT puts the probe's adapters on {other[0]}; choose "
                        "a decoder whose experts are not fused, or rank = 0"
                    )
            embeddings: Any = base.get_input_embeddings()
            # Through the module, since some embeddings scale what they store; the mean of all is a neutral start.
            vocabulary = torch.arange(embeddings.weight.shape[0], device=base.device)
            self.embedding = nn.Parameter(embeddings(vocabulary).mean(dim=0).detach().float().clone())
            self.head = nn.Linear(self.embedding.shape[0], 1).to(base.device)
        restrict(body, self.reach)
        self.body: nn.Module = body.eval()
        self._reading: list[nn.Module] = []
        self.register_buffer("offset", torch.zeros((), device=base.device))
        """Log odds that balancing took from the training traces."""

    @classmethod
    def of(cls, base: PreTrainedModel, settings: ScorerSettings, prefixes: Prefixes | None = None) -> "Probe":
        """The untrained probe of these settings."""
        return cls(base, settings.probe_tokens, settings.rank, settings.seed, prefixes, settings.reach)

    @property
    def base(self) -> PreTrainedModel:
        """The frozen model."""
        return self._base[0]

    def logits(self, batch: TraceBatch) -> Tensor:
        """Log odds of a correct end at all positions of a batch in one pass, shape [traces, positions].

        The base reads each trace once without gradients; then all probe tokens read its cache together. The same as
        probing a growing cache within 1e-4 in float32, and within the rounding of the cache (about 1e-2) in bfloat16.
        """
        return self.read(self.prefixes.read(batch), batch.tokens_read)

    def read(self, cache: DynamicCache, tokens_read: Tensor, pads: Tensor | None = None) -> Tensor:
        """Log odds at given positions of cached rows, shape [rows, positions]; the cache is left as it was.

        Args:
            cache: keys and values of the base.
            tokens_read: real tokens that each position has read, shape [rows, positions].
            pads: padding tokens before each row's first real one, shape [rows].
        """
        count, length = self.probe_tokens, cache.get_seq_length()
        # One row holds the probe tokens of all its positions; the mask keeps them from seeing each other.
        mask = probe_mask(tokens_read, length, count, pads, self.embedding.dtype, self.reach.newest)
        within = torch.arange(count, device=tokens_read.device).repeat(tokens_read.shape[1])
        embedded = self.embedding.expand(*within.shape, -1).expand(tokens_read.shape[0], -1, -1)
        body = self._reading[0] if self._reading else self.body
        read = body(
            inputs_embeds=embedded.to(self.base.dtype),
            past_key_values=cache,
            position_ids=tokens_read.repeat_interleave(count, dim=1) + within,
            attention_mask=mask.to(self.base.dtype),
            use_cache=True,
        ).last_hidden_state
        # The model has appended the probe tokens to the cache: taken off, or the trace would see them next.
        cache.crop(-within.numel())
        # The last probe token of each position has seen the others; it alone is scored.
        return self.scored(read[:, count - 1 :: count].float())

    def scored(self, hidden: Tensor) -> Tensor:
        """Log odds from final hidden states [..., width], balancing undone."""
        logits: Tensor = self.head(hidden).squeeze(-1) + self.offset
        return logits

    @contextmanager
    def without_training(self) -> Iterator[None]:
        """Read through merged weights: faster than through the LoRA, the same up to rounding, no gradients."""
        merged: nn.Module = self.merged().base_model
        restrict(merged, self.reach)
        self._reading.append(merged)
        try:
            with torch.no_grad():
                yield
        finally:
            self._reading.clear()

    def merged(self) -> PreTrainedModel:
        """A plain copy of the base with the LoRA merged in: the weights that probe tokens run through."""
        plain = copy.deepcopy(self.base)
        with torch.no_grad():
            for path, layer in self.body.named_modules():
                if isinstance(layer, LoraLayer):
                    weight: Any = plain.base_model.get_submodule(path).weight
                    weight += layer.get_delta_weight(_ADAPTER).to(weight.dtype)
        return plain

    def trained(self) -> dict[str, Tensor]:
        """What was learnt, by name: embedding, head, offset and the LoRA's matrices."""
        shared = {id(parameter) for parameter in self.base.parameters()}
        parameters = {name: value for name, value in self.named_parameters() if id(value) not in shared}
        return {**parameters, "offset": self.offset}


def probe_mask(
    tokens_read: Tensor,
    length: int,
    count: int,
    pads: Tensor | None,
    dtype: torch.dtype,
    newest: int | None = None,
) -> Tensor:
    """What probe tokens may look at: 0, or the lowest number where not, [rows, 1, positions * count, keys].

    Keys are `length` cached places, then the probe tokens themselves, `count` for each position, which see the
    first `tokens_read` real tokens of their row, or the `newest` of these, and those of their own position up to
    themselves.
    """
    rows, places = tokens_read.shape
    cached = torch.arange(length, device=tokens_read.device).view(1, 1, -1)
    # Left padding moves a row's first real token, and with it every position that is counted from there.
    first = torch.zeros(rows, dtype=torch.long, device=tokens_read.device) if pads is None else pads
    last = (first.unsqueeze(1) + tokens_read).repeat_interleave(count, dim=1).unsqueeze(2)
    oldest = first.view(-1, 1, 1) if newest is None else (last - newest).clamp(min=first.view(-1, 1, 1))
    trace = (cached >= oldest) & (cached < last)
    # Blocks on the diagonal: causal within a position's own probe tokens, nothing between positions.
    own = torch.kron(torch.eye(places), torch.ones(count, count).tril()).bool().to(tokens_read.device)
    visible = torch.cat([trace, own.expand(rows, -1, -1)], dim=2).unsqueeze(1)
    return torch.zeros(visible.shape, dtype=dtype, device=tokens_read.device).masked_fill_(
        ~visible, torch.finfo(dtype).min
    )


def check_architecture(base: PreTrainedModel) -> None:
    """Raise ThinkingError where probe tokens cannot read the cache of `base`. Computes nothing."""
    kind, body = type(base).__name__, base.base_model
    missing = [name for name in _NEEDED if name not in inspect.signature(body.forward).parameters]
    layers = DynamicCache(config=base.config).layers
    other = [type(layer).__name__ for layer in layers if type(layer) not in _KEYS_AND_VALUES]
    reason = None
    if body is base:
        reason = "it has no decoder of its own"
    elif missing:
        reason = f"its decoder does not take {', '.join(missing)}"
    elif other:
        # A state that every token changes: probe tokens could neither share it nor be taken off it again.
        reason = f"{len(other)} of its {len(layers)} layers keep a running state (transformers' {other[0]})"
    elif getattr(base.config, "alibi", False):
        reason = "its positions (ALiBi) follow from the mask that hides the trace's end from probe tokens"
    if reason is not None:
        raise ThinkingError(f"{kind} cannot be probed: {reason}; choose a decoder with a key-value cache and positions")
    if base.config._attn_implementation not in ("sdpa", "eager"):
        raise ThinkingError(
            f"{kind} attends by {base.config._attn_implementation!r}, which takes no mask of ours; load it with"
            " attn_implementation='sdpa'"
        )


def check_window(base: PreTrainedModel, tokens: int) -> None:
    """Raise ThinkingError when `tokens` do not fit the model's context or its sliding window."""
    config = base.config.get_text_config(decoder=True)
    kinds = getattr(config, "layer_types", None)
    slides = kinds is None or any(kind != "full_attention" for kind in kinds)
    limits = {
        "context": context_length(config),
        "sliding window": getattr(config, "sliding_window", None) if slides else None,
    }
    for name, limit in limits.items():
        if limit is not None and tokens > limit:
            raise ThinkingError(
                f"a prompt, its trace and the probe take {tokens} tokens, the model's {name} is {limit}; lower"
                " max_new_tokens"
            )
