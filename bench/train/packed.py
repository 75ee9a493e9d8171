"""Scoring completions in one row without padding, with every prompt read once.

Groups share their prompt and most completions end long before the longest, so that in a padded batch most tokens are
copies or padding. Here each distinct prompt and each completion stands once in a single row; only attention is
computed on small padded blocks. It is the model's own forward pass, adapters and masks included, with gradients: the
layout reaches attention through transformers' attention interface, sliding windows too.

A model may attend in ways that its config does not announce (chunks, ALiBi, convolutions between tokens). So `refusal`
only spares the attempt: whoever packs proves it first, by `difference` from the model's own padded forward pass.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor, nn
from torch.nn import functional
from transformers import AttentionInterface, PreTrainedModel

from rlvr_bench.generate.matmul import BLOCK, fast_linear, library

ATTENTION = "rlvr_bench_packed"
LAYER_TYPES = {"full_attention", "sliding_attention"}
"""What transformers calls layers that are nothing but causal attention, maybe within a window."""

_FEW_KEYS = 128
"""Up to so many keys (measured to 112) two plain products are faster on a CPU than the fused kernel."""
_SHORT = 16
"""Completions up to this length are never split into more blocks: a block costs more than their padding."""


class UnsupportedAttention(ValueError):
    """A layer's attention is more than a packed row computes; the message says what."""


@dataclass(frozen=True, slots=True)
class Block:
    """Rows whose attention is computed together; `queries` and `keys` are places in the packed row.

    `queries` is (rows, query length), `keys` (rows, key length); padded places repeat a place and are not read again.
    `lengths` (rows,) counts the queries that are not padding. `bias` is (rows, 1, query length, key length), 0 where a
    query sees a key and minus infinity where it does not. `last_seen` (rows, 1, query length, 1) is the newest key that
    a query sees: keys stand in the order of their positions.
    """

    queries: Tensor
    lengths: Tensor
    keys: Tensor
    bias: Tensor
    last_seen: Tensor

    def within(self, window: int | None) -> Tensor:
        """Return the bias of a layer whose queries see no more than their newest `window` keys, themselves included."""
        length = self.bias.shape[-1]
        if window is None or window >= length:
            return self.bias
        # Padded queries share the bound of a real one, so that none of them sees nothing: that would be NaN.
        too_old = torch.arange(length, device=self.bias.device) <= self.last_seen - window
        return self.bias.masked_fill(too_old, -torch.inf)

    def attend(self, queries: Tensor, keys: Tensor, values: Tensor, scale: float, window: int | None) -> Tensor:
        """Return the attention of this block, (rows * query length, heads, dim), of (rows * length, heads, dim)."""
        rows = len(self.queries)
        q, k, v = (tensor.unflatten(0, (rows, -1)).transpose(1, 2) for tensor in (queries, keys, values))
        bias = self.within(window)
        if q.device.type == "cpu" and k.shape[2] <= _FEW_KEYS:
            attended = _attention(q, k, v, bias, scale)
        else:
            attended = functional.scaled_dot_product_attention(
                q, k, v, attn_mask=bias.to(q.dtype), scale=scale, enable_gqa=q.shape[1] != k.shape[1]
            )
        return attended.transpose(1, 2).flatten(0, 1)


@dataclass(frozen=True, slots=True)
class Packing:
    """Where the tokens of prompts and completions stand in one row.

    `token_ids` and `position_ids` are (1, tokens): the distinct prompts, then every completion without its last token,
    then as many tokens that nobody reads as make the row a length for which products are fast.
    `blocks` cover all tokens; `queries` and `keys` are those of all blocks, one after the other, and `place` (tokens,)
    says where a token stands in the blocks' output.
    `predictors` (scored,) are the places whose logits predict the completions' tokens, `targets` (scored,) those
    tokens, completion after completion.
    """

    token_ids: Tensor
    position_ids: Tensor
    blocks: list[Block]
    queries: Tensor
    keys: Tensor
    place: Tensor
    predictors: Tensor
    targets: Tensor

    @classmethod
    def of(cls, prompts: list[list[int]], completions: list[list[int]], device: torch.device) -> "Packing":
        """Lay out completions (none of them empty), each behind its prompt."""
        layout = _Layout.of(prompts, completions)
        # Prompts attend among themselves, all in one block; completions see their prompt, in blocks of similar lengths.
        blocks = [_block([[] for _ in layout.prompt_places], layout.prompt_places)]
        for rows in _rows_of_blocks([len(places) for places in layout.own_places]):
            blocks.append(_block([layout.before(row) for row in rows], [layout.own_places[row] for row in rows]))
        return cls(
            token_ids=_filled(_flat(layout.tokens)).unsqueeze(0).to(device),
            position_ids=_filled(_flat(layout.positions)).unsqueeze(0).to(device),
            blocks=[_to(block, device) for block in blocks],
            queries=torch.cat([block.queries.flatten() for block in blocks]).to(device),
            keys=torch.cat([block.keys.flatten() for block in blocks]).to(device),
            place=_filled(_places(blocks, layout.length)).to(device),
            predictors=_flat(layout.predictors()).to(device),
            targets=_flat(completions).to(device),
        )


@dataclass(frozen=True, slots=True)
class _Layout:
    """Places in the packed row, by prompt and by completion; `tokens` and `positions` are those of its parts, in order.

    `prompt_places` are those of each distinct prompt, `owner` says which of them a completion has, and `own_places`
    are those of a completion's tokens but the last.
    """

    owner: list[int]
    prompt_places: list[list[int]]
    own_places: list[list[int]]
    tokens: list[list[int]]
    positions: list[list[int]]
    length: int

    @classmethod
    def of(cls, prompts: list[list[int]], completions: list[list[int]]) -> "_Layout":
        # Rows of a group share their prompt, which stands in the row once.
        numbers: dict[tuple[int, ...], int] = {}
        owner = [numbers.setdefault(tuple(prompt), len(numbers)) for prompt in prompts]
        distinct = [list(prompt) for prompt in numbers]
        # Nothing follows a completion's last token, so that the model need not read it.
        fed = [completion[:-1] for completion in completions]
        starts = _starts([len(tokens) for tokens in distinct + fed])
        places = [list(range(start, end)) for start, end in pairwise(starts)]
        # A completion goes on counting where its own prompt ended, wherever it stands in the row.
        positions = [list(range(len(prompt))) for prompt in distinct]
        positions += [
            list(range(len(prompt), len(prompt) + len(tokens))) for prompt, tokens in zip(prompts, fed, strict=True)
        ]
        count = len(distinct)
        return cls(owner, places[:count], places[count:], distinct + fed, positions, starts[-1])

    def before(self, row: int) -> list[int]:
        """The places of a completion's prompt."""
        return self.prompt_places[self.owner[row]]

    def predictors(self) -> list[list[int]]:
        """By completion, the places whose logits predict its tokens: the prompt's last one predicts the first."""
        return [self.before(row)[-1:] + places for row, places in enumerate(self.own_places)]


def refusal(model: nn.Module) -> str | None:
    """Why `model` (with its adapters) is not scored in a packed row, in one sentence; None when it may be tried."""
    if isinstance(model, PeftModel) and model.active_peft_config.is_prompt_learning:
        return "virtual tokens stand before the prompt"
    plain: Any = model.get_base_model() if isinstance(model, PeftModel) else model
    if not isinstance(plain, PreTrainedModel) or not plain._supports_attention_backend:
        return f"{type(plain).__name__} does not take its attention from transformers' attention interface"
    other = set(getattr(plain.config, "layer_types", None) or ()) - LAYER_TYPES
    if other:
        return f"{type(plain).__name__} has layers of type {', '.join(sorted(other))}"
    attentions = [module for name, module in plain.named_modules() if name.endswith("self_attn")]
    foreign = [each for each in attentions if not type(each).__module__.startswith("transformers.")]
    return f"its attention is a {type(foreign[0]).__name__}" if foreign else None


def log_probs(model: nn.Module, packing: Packing, temperature: float) -> tuple[Tensor, Tensor]:
    """Return the log-probability and, without gradient, the entropy (nats) of every completion token.

    Both are float32, (scored,), of the distribution softmax(logits / temperature).
    """
    # The packing reaches `_attend` as a keyword, which transformers hands on to the attention of every layer.
    with _packed_attention(model), fast_linear():
        logits = model(
            input_ids=packing.token_ids,
            position_ids=packing.position_ids,
            logits_to_keep=packing.predictors,
            use_cache=False,
            packing=packing,
        ).logits[0]
    distribution = torch.log_softmax(logits.float() / temperature, dim=-1)
    token_log_probs = distribution.gather(-1, packing.targets.unsqueeze(-1)).squeeze(-1)
    with torch.no_grad():
        entropies = -(distribution.exp() * distribution).sum(dim=-1)
    return token_log_probs, entropies


def _attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: None,
    *,
    scaling: float,
    packing: Packing | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    s_aux: Tensor | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attention of a packed row; `query` is (1, heads, tokens, dim), the result (1, tokens, heads, dim).

    Raises:
        UnsupportedAttention: the layer caps its scores, has attention sinks, or was not handed the packing.
    """
    if packing is None:
        raise UnsupportedAttention(f"the layers around {type(module).__name__} keep keywords from it")
    if softcap is not None or s_aux is not None:
        feature = "capped scores" if softcap is not None else "sinks"
        raise UnsupportedAttention(f"the attention of {type(module).__name__} has {feature}")
    blocks = packing.blocks
    queries = _gathered(query, packing.queries, [block.queries.numel() for block in blocks])
    keys, values = (_gathered(t, packing.keys, [block.keys.numel() for block in blocks]) for t in (key, value))
    attended = [
        block.attend(q, k, v, scaling, sliding_window)
        for block, q, k, v in zip(blocks, queries, keys, values, strict=True)
    ]
    return torch.cat(attended).index_select(0, packing.place).unsqueeze(0), None


def _gathered(tensor: Tensor, places: Tensor, sizes: list[int]) -> tuple[Tensor, ...]:
    """Return `tensor` (1, heads, tokens, dim) at `places`, cut into parts of these sizes: (size, heads, dim) each."""
    parts: tuple[Tensor, ...] = tensor[0].transpose(0, 1).index_select(0, places).split(sizes)
    return parts


def _attention(queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor, scale: float) -> Tensor:
    """Attention as two batched products; all are (rows, heads, length, dim), keys and values maybe with fewer heads.

    The queries that share a key head stand one after the other in one product.
    """
    rows, heads, length, dim = queries.shape
    key_heads, key_length = keys.shape[1:3]
    group = heads // key_heads
    scores = torch.baddbmm(
        bias.unsqueeze(1)
        .expand(rows, key_heads, group, length, key_length)
        .reshape(rows * key_heads, group * length, key_length),
        queries.reshape(rows * key_heads, group * length, dim),
        keys.reshape(rows * key_heads, key_length, dim).transpose(1, 2),
        alpha=scale,
    )
    attended = torch.bmm(torch.softmax(scores, dim=-1), values.reshape(rows * key_heads, key_length, dim))
    return attended.view(rows, heads, length, dim)


AttentionInterface.register(ATTENTION, _attend)


@contextmanager
def _packed_attention(model: nn.Module) -> Iterator[None]:
    # Of several processes, accelerate wraps the model, and the wrapper has no configuration.
    config: Any = getattr(model, "module", model).config
    before = config._attn_implementation
    config._attn_implementation = ATTENTION
    try:
        yield
    finally:
        config._attn_implementation = before


def _starts(lengths: list[int]) -> list[int]:
    """Return where each part starts when they stand one after the other, and the end."""
    starts = [0]
    for length in lengths:
        starts.append(starts[-1] + length)
    return starts


def _rows_of_blocks(lengths: list[int]) -> list[list[int]]:
    """Return row numbers by block: rows of a block are at most twice as long as its shortest, or short."""
    # A completion of one token is predicted by its prompt alone: nothing of it stands in the row.
    order = sorted((row for row, length in enumerate(lengths) if length), key=lambda row: lengths[row])
    blocks: list[list[int]] = []
    limit = 0
    for row in order:
        if lengths[row] > limit:
            blocks.append([])
            limit = max(_SHORT, 2 * lengths[row])
        blocks[-1].append(row)
    return blocks


def _block(before: list[list[int]], own: list[list[int]]) -> Block:
    """Rows of tokens `own`, which see the tokens `before` them and, up to themselves, each other."""
    queries, own_lengths = _padded(own)
    keys, lengths = _padded([first + after for first, after in zip(before, own, strict=True)])
    first = (lengths - own_lengths).view(-1, 1, 1, 1)
    last_seen = torch.minimum(first + torch.arange(queries.shape[1]).view(-1, 1), lengths.view(-1, 1, 1, 1) - 1)
    # A padded query, which nobody reads, sees the real keys: a softmax over nothing is NaN, in the gradient too.
    hidden = torch.arange(keys.shape[1]) > last_seen
    bias = torch.zeros(hidden.shape).masked_fill_(hidden, -torch.inf)
    return Block(queries, own_lengths, keys, bias, last_seen)


def _padded(rows: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Return (rows, longest) with the first place of a row repeated behind its end, and the rows' lengths."""
    longest = max(map(len, rows))
    padded = torch.tensor([row + row[:1] * (longest - len(row)) for row in rows])
    return padded, torch.tensor([len(row) for row in rows])


def _places(blocks: list[Block], tokens: int) -> Tensor:
    """Return for each token of the row where the blocks' outputs, one after the other, hold it."""
    written = torch.cat([block.queries.flatten() for block in blocks])
    # Padding repeats a place that a real query has too; only the real one's output may be read.
    is_real = [(torch.arange(b.queries.shape[1]) < b.lengths.unsqueeze(1)).flatten() for b in blocks]
    real = torch.cat(is_real).nonzero().squeeze(1)
    place = torch.empty(tokens, dtype=torch.long)
    place[written[real]] = real
    return place


def _filled(row: Tensor) -> Tensor:
    """`row` (tokens,) with zeros up to a whole number of blocks of a fast product, where there are such products."""
    short = -len(row) % BLOCK if len(row) > BLOCK and row.device.type == "cpu" and library() == "onednn" else 0
    return functional.pad(row, (0, short))


def _flat(rows: list[list[int]]) -> Tensor:
    return torch.tensor([value for row in rows for value in row])


def _to(block: Block, device: torch.device) -> Block:
    parts = (block.queries, block.lengths, block.keys, block.bias, block.last_seen)
    return Block(*(part.to(device) for part in parts))
