"""Generation for Llama-like decoders on a CPU, with as little as possible done per token.

For small models the general generate loop costs more than its arithmetic. Here: fused weights, a static cache, one
prefill per distinct prompt, attention as two batched products, rows dropped from the batch as they finish, no autograd.
The samples are those of the reference backend for the same seed, up to floating-point noise.
"""

import copy
from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel

from rlvr_bench.generate.backend import Completions, GenerationError, batches, check_request
from rlvr_bench.generate.decoder_weights import DecoderWeights, LayerWeights, read_weights, refusal, rotations
from rlvr_bench.generate.matmul import add_product, product, whole_blocks
from rlvr_bench.generate.monitor import Monitor
from rlvr_bench.generate.sampling import Keys, draw, row_keys, uniforms

_SHORTEST = 400
"""Below so many multiplications a matrix of a batched product takes torch's slow loop: short prompts are padded."""


class FastBackend:
    """Static-cache decoding of Llama, Qwen2 and Qwen3 models; `compute_dtype` is that of weights and activations."""

    name = "fast"

    def __init__(self, compute_dtype: torch.dtype = torch.float32) -> None:
        self.compute_dtype = compute_dtype

    def refusal(self, model: PreTrainedModel) -> str | None:
        """Why the fast path cannot run `model`: another architecture, adapters not merged, weights off the CPU."""
        return refusal(model)

    def generate(
        self,
        model: PreTrainedModel,
        prompts: list[list[int]],
        *,
        max_new_tokens: int,
        temperature: float,
        seed: int,
        eos_ids: Collection[int],
        pad_id: int,
        batch_size: int,
    ) -> Completions:
        """See `Backend.generate`."""
        return self.watched(
            model,
            prompts,
            row_keys(prompts, seed),
            None,
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            eos_ids=eos_ids,
            batch_size=batch_size,
        )

    def watched(
        self,
        model: PreTrainedModel,
        prompts: list[list[int]],
        keys: Keys,
        monitor: Monitor | None,
        *,
        max_new_tokens: int,
        temperature: float,
        eos_ids: Collection[int],
        batch_size: int,
    ) -> Completions:
        """`generate` with the rows' own `keys` of noise, under a monitor that may stop rows before they end.

        A stopped row frees its place in the batch at once; it counts as truncated. Rows of equal prompts stand side by
        side, so `batch_size` should be a multiple of a group for a monitor that compares the rows of a group.
        """
        check_request(prompts, max_new_tokens, temperature, batch_size)
        if (reason := refusal(model)) is not None:
            raise GenerationError(reason)
        weights = read_weights(model, self.compute_dtype)
        spare = monitor.places if monitor else 0
        length = max((len(prompt) for prompt in prompts), default=0) + max_new_tokens + spare
        decoder = _Decoder(weights, rotations(weights, length), eos_ids)
        entropies: list[list[float]] = [[] for _ in prompts]
        result = Completions([[] for _ in prompts], [[] for _ in prompts], entropies, [True for _ in prompts])
        with torch.inference_mode():
            for rows in batches(prompts, batch_size):
                noise = uniforms(keys[rows], max_new_tokens)
                batch = decoder.complete([prompts[row] for row in rows], temperature, noise, rows, monitor)
                batch.store(rows, result, entropies)
        return result


@dataclass(frozen=True, slots=True)
class _Batch:
    """Tokens, probabilities and entropies, [rows, steps]; `lengths` counts a row's tokens, `finished` says: by EOS."""

    tokens: Tensor
    probabilities: Tensor
    entropies: Tensor
    lengths: Tensor
    finished: Tensor

    def store(self, rows: list[int], result: Completions, entropies: list[list[float]]) -> None:
        """Write this batch into the result of the whole call and its `entropies`; `rows` are its places there."""
        logprobs, uncertain = self.probabilities.log().tolist(), self.entropies.tolist()
        ends = zip(rows, self.tokens.tolist(), self.lengths.tolist(), self.finished.tolist(), strict=True)
        for place, (row, tokens, end, finished) in enumerate(ends):
            result.token_ids[row] = tokens[:end]
            result.logprobs[row], entropies[row] = logprobs[place][:end], uncertain[place][:end]
            result.truncated[row] = not finished


class _Place(NamedTuple):
    """The cache of one layer as one step sees it, rows and key heads in one dimension."""

    key: Tensor
    value: Tensor
    keys: Tensor
    values: Tensor
    padding: Tensor | None

    def attend(self, qkv: Tensor) -> Tensor:
        """Add a token per row and let it look back; `qkv` [rows, kv_heads, group + 2, head_dim], out [rows, width]."""
        rows = qkv.shape[0]
        qkv = qkv.flatten(0, 1)
        group = qkv.shape[1] - 2
        queries, key, value = qkv.split_with_sizes((group, 1, 1), dim=1)
        self.key.copy_(key.squeeze(1))
        self.value.copy_(value.squeeze(1))
        if self.padding is None:
            scores = torch.bmm(queries, self.keys)
        else:
            scores = torch.baddbmm(self.padding, queries, self.keys)
        return torch.bmm(torch.softmax(scores, dim=-1), self.values).view(rows, -1)


class _Cache:
    """Keys and values of one batch, every row writing to the same place.

    Keys are [layers, rows * kv_heads, head_dim, length], transposed because the product with single queries is several
    times faster so; values [layers, rows * kv_heads, length, head_dim]. Prompts stand flush right in the first
    `prompt_length` places. `padding` is 0 where a row may look and the lowest number where it may not, shape
    [rows * kv_heads, 1, length]; None when all prompts are equally long.
    """

    def __init__(self, weights: DecoderWeights, prompts: list[list[int]], new_places: int) -> None:
        self.rows, self.kv_heads = len(prompts), weights.kv_heads
        self.prompt_length = max(_SHORTEST // weights.head_dim, *(len(prompt) for prompt in prompts))
        self.length = self.prompt_length + new_places
        shape = (len(weights.layers), self.rows * self.kv_heads)
        self.keys = torch.empty(*shape, weights.head_dim, self.length, dtype=weights.dtype)
        self.values = torch.empty(*shape, self.length, weights.head_dim, dtype=weights.dtype)
        self.padding = _padding(prompts, self.prompt_length, self.length, weights)

    def fill(self, layer: int, owner: Tensor, keys: Tensor, values: Tensor) -> None:
        """Write the keys and values of each row's prompt, `owner`; shape [prompts, length, kv_heads, head_dim]."""
        heads = (self.rows, self.kv_heads)
        keys, values = keys.permute(0, 2, 3, 1).contiguous(), values.transpose(1, 2).contiguous()
        self.keys[layer].unflatten(0, heads)[..., : self.prompt_length] = keys.index_select(0, owner)
        self.values[layer].unflatten(0, heads)[:, :, : self.prompt_length] = values.index_select(0, owner)

    def move(self, targets: Tensor, sources: Tensor) -> None:
        """Copy whole rows onto others."""
        heads = (self.rows, self.kv_heads)
        for cached in (self.keys.unflatten(1, heads), self.values.unflatten(1, heads)):
            cached.index_copy_(1, targets, cached.index_select(1, sources))
        if self.padding is not None:
            padding = self.padding.unflatten(0, heads)
            padding.index_copy_(0, targets, padding.index_select(0, sources))

    def take(self, rows: Tensor) -> "_Cache":
        """A copy of some rows."""
        heads, part = (self.rows, self.kv_heads), copy.copy(self)
        part.rows = len(rows)
        part.keys, part.values = (
            cached.unflatten(1, heads).index_select(1, rows).flatten(1, 2) for cached in (self.keys, self.values)
        )
        if self.padding is not None:
            part.padding = self.padding.unflatten(0, heads).index_select(0, rows).flatten(0, 1)
        return part

    def window(self, rows: int, place: int) -> list[_Place]:
        """Where the next token of the first `rows` rows is written and what it may look at, layer by layer."""
        flat, seen = rows * self.kv_heads, place + 1
        padding = None if self.padding is None else self.padding[:flat, :, :seen]
        keys, values = self.keys[:, :flat], self.values[:, :flat]
        # One unbind for all layers costs less than indexing layer by layer.
        here = zip(keys[..., place].unbind(), values[:, :, place].unbind(), strict=True)
        before = zip(keys[..., :seen].unbind(), values[:, :, :seen].unbind(), strict=True)
        return [_Place(*new, *seen_by_new, padding) for new, seen_by_new in zip(here, before, strict=True)]


def _padding(prompts: list[list[int]], prompt_length: int, length: int, weights: DecoderWeights) -> Tensor | None:
    pads = torch.tensor([prompt_length - len(prompt) for prompt in prompts])
    if not bool(pads.any()):
        return None
    hidden = (torch.arange(length) < pads.unsqueeze(1)).repeat_interleave(weights.kv_heads, dim=0)
    lowest = torch.finfo(weights.dtype).min
    return torch.zeros(hidden.shape, dtype=weights.dtype).masked_fill_(hidden, lowest).unsqueeze(1)


class _Decoder:
    """The forward pass and the loop over new tokens, for one set of weights."""

    def __init__(self, weights: DecoderWeights, rotary: Tensor, eos_ids: Collection[int]) -> None:
        self.weights = weights
        self.rotary = rotary
        self.is_eos = torch.zeros(weights.embedding.shape[0], dtype=torch.bool)
        self.is_eos[[token for token in eos_ids if token < len(self.is_eos)]] = True
        # sqrt(sum x^2 + size * epsilon) is the hypotenuse of the length of x and this constant.
        self.norm_floor = torch.tensor((weights.width * weights.epsilon) ** 0.5)
        self.head_norm_floor = torch.tensor((weights.head_dim * weights.epsilon) ** 0.5)

    def complete(
        self,
        prompts: list[list[int]],
        temperature: float,
        noise: Tensor,
        numbers: list[int],
        monitor: Monitor | None,
    ) -> _Batch:
        """Decode until every row has ended or `noise`, shape [rows, max_new_tokens], is used up.

        `numbers` are the rows' places in the whole call, by which the monitor knows them.
        """
        steps = noise.shape[1]
        noise = noise.t().contiguous()
        cache = _Cache(self.weights, prompts, steps + (monitor.places if monitor else 0))
        logits = self._prefill(prompts, cache)
        tokens = torch.zeros(steps, len(prompts), dtype=torch.long)
        probabilities, entropies = torch.ones(steps, len(prompts)), torch.zeros(steps, len(prompts))
        lengths = torch.full((len(prompts),), steps)
        finished = torch.zeros(len(prompts), dtype=torch.bool)
        first, names = torch.tensor([len(prompt) for prompt in prompts]), torch.tensor(numbers)
        # The rows that are decoded; those that have ended stay where they fill up a block, and nobody reads them.
        rows, alive = torch.arange(len(prompts)), torch.ones(len(prompts), dtype=torch.bool)
        for step in range(steps):
            if monitor is not None:
                stops = ~monitor.running(_Sight(names[rows], step, first[rows], cache, self.rotary), logits)
                if bool(stops.any()):
                    lengths[rows[stops]] = step
                    places = _keep(stops, len(rows) - int(stops.sum()), cache)
                    rows, alive, logits = rows[places], alive[places], logits[places]
                if not len(rows):
                    break
            drawn = draw(logits, temperature, noise[step].index_select(0, rows))
            chosen = drawn.tokens
            tokens[step].index_copy_(0, rows, chosen)
            probabilities[step].index_copy_(0, rows, drawn.probabilities)
            entropies[step].index_copy_(0, rows, drawn.entropies)
            ended = self.is_eos.index_select(0, chosen).logical_and_(alive)
            if monitor is not None and (step + 1 == steps or bool(ended.any())):
                last = (ended | (step + 1 == steps)).nonzero().squeeze(1)
                whose = rows[last]
                monitor.ended(_Sight(names[whose], step, first[whose], cache.take(last), self.rotary))
            if bool(ended.any()):
                lengths[rows[ended]], finished[rows[ended]] = step + 1, True
                alive[ended] = False
                left = int(alive.sum())
                if not left:
                    break
                # A monitor sees every row that is decoded, so under one no row outlives its end.
                count = left if monitor is not None else min(whole_blocks(left, self.weights.layers[0].gate), len(rows))
                if count < len(rows):
                    places = _keep(~alive, count, cache)
                    rows, alive = rows[places], alive[places]
                    chosen = tokens[step].index_select(0, rows)
            if step + 1 == steps:
                break
            logits = self._step(chosen, first.index_select(0, rows) + step, cache, cache.prompt_length + step)
        return _Batch(tokens.t(), probabilities.t(), entropies.t(), lengths, finished)

    def _step(self, tokens: Tensor, position: Tensor, cache: _Cache, place: int) -> Tensor:
        """Logits after one more token per row, shape [rows, vocabulary]."""
        return self._logits(self.forward(self.weights.embedding.index_select(0, tokens), position, cache, place))

    def forward(self, x: Tensor, position: Tensor, cache: _Cache, place: int) -> Tensor:
        """Turn embeddings of one more token per row, [rows, width], into the last layer's output, in place."""
        rotary = self.rotary.index_select(0, position)[:, None, None]
        for layer, here in zip(self.weights.layers, cache.window(len(x), place), strict=True):
            add_product(x, here.attend(self._project(layer, x, rotary)), layer.out)
            self._finish(layer, x)
        return x

    def _prefill(self, prompts: list[list[int]], cache: _Cache) -> Tensor:
        """Read each distinct prompt once and hand its keys and values to all of its rows; logits of the last token."""
        numbers: dict[tuple[int, ...], int] = {}
        owner = torch.tensor([numbers.setdefault(tuple(prompt), len(numbers)) for prompt in prompts])
        count, length = len(numbers), cache.prompt_length
        pads = torch.tensor([length - len(prompt) for prompt in numbers])
        tokens = torch.tensor([[0] * (length - len(prompt)) + list(prompt) for prompt in numbers])
        places = torch.arange(length)
        rotary = self.rotary[(places - pads.unsqueeze(1)).clamp_(min=0)].view(count * length, 1, 1, -1)
        mask = None
        if bool(pads.any()):
            # A padded place looks at itself, so that no row of scores is empty.
            visible = (places >= pads.view(-1, 1, 1)) & (places <= places.unsqueeze(1)) | torch.eye(length).bool()
            mask = visible.unsqueeze(1)
        x = self.weights.embedding[tokens.flatten()]
        for index, layer in enumerate(self.weights.layers):
            qkv = self._project(layer, x, rotary).unflatten(0, (count, length))
            group = self.weights.group
            cache.fill(index, owner, qkv[..., group, :], qkv[..., group + 1, :])
            attended = functional.scaled_dot_product_attention(
                qkv[..., :group, :].permute(0, 2, 3, 1, 4).flatten(1, 2),
                qkv[..., group, :].transpose(1, 2),
                qkv[..., group + 1, :].transpose(1, 2),
                attn_mask=mask,
                is_causal=mask is None,
                scale=1.0,
                enable_gqa=group > 1,
            )
            add_product(x, attended.transpose(1, 2).reshape(count * length, -1), layer.out)
            self._finish(layer, x)
        return self._logits(x.unflatten(0, (count, length))[:, -1])[owner]

    def _project(self, layer: LayerWeights, x: Tensor, rotary: Tensor) -> Tensor:
        """Rotated queries and keys, and values: [tokens, kv_heads, group + 2, head_dim]; `x` is [tokens, width]."""
        weights = self.weights
        qkv = product(_normalised(x, self.norm_floor), layer.qkv, layer.qkv_bias)
        qkv = qkv.view(x.shape[0], weights.kv_heads, weights.group + 2, weights.head_dim)
        turned = qkv[:, :, : weights.group + 1]
        if layer.head_norm is not None:
            turned.copy_(_normalised(turned, self.head_norm_floor) * layer.head_norm)
        if turned.dtype == torch.float32:
            turned.view(torch.complex64).mul_(rotary)
        else:
            turned.copy_((turned.float().view(torch.complex64) * rotary).view(torch.float32))
        return qkv

    def _finish(self, layer: LayerWeights, x: Tensor) -> None:
        """Output bias of the attention, then the feed-forward block, added to `x` in place."""
        if layer.out_bias is not None:
            x += layer.out_bias
        normalised = _normalised(x, self.norm_floor)
        gate = functional.silu(product(normalised, layer.gate, layer.gate_bias), inplace=True)
        add_product(x, gate.mul_(product(normalised, layer.up, layer.up_bias)), layer.down)
        if layer.down_bias is not None:
            x += layer.down_bias

    def _logits(self, x: Tensor) -> Tensor:
        return product(self.normalised(x), self.weights.head, self.weights.head_bias).float()

    def normalised(self, x: Tensor) -> Tensor:
        """The last layer's output after the final norm."""
        return _normalised(x, self.norm_floor) * self.weights.norm


@dataclass(frozen=True, slots=True)
class _Sight:
    """Implements `generate.monitor.Sight` on the static cache."""

    rows: Tensor
    fed: int
    first: Tensor
    cache: _Cache
    rotary: Tensor

    def read(self, probe: DecoderWeights, embedding: Tensor, count: int) -> Tensor:
        """See `Sight.read`: written where the next token will be, which overwrites it."""
        reader = _Decoder(probe, self.rotary, ())
        x = embedding
        for number in range(count):
            place = self.fed + number
            x = embedding.expand(len(self.rows), -1).clone()
            x = reader.forward(x, self.first + place, self.cache, self.cache.prompt_length + place)
        return reader.normalised(x)


def _keep(ended: Tensor, count: int, cache: _Cache) -> Tensor:
    """Places of `count` rows that stay, in their new order, those that go on among them.

    The last that go on take the places of ended ones, in the cache too.
    """
    places = torch.arange(count)
    movers = (~ended[count:]).nonzero().squeeze(1) + count
    if len(movers):
        holes = ended[:count].nonzero().squeeze(1)[: len(movers)]
        cache.move(holes, movers)
        places[holes] = movers
    return places


def _normalised(x: Tensor, floor: Tensor) -> Tensor:
    """`x` over sqrt(sum x^2 + floor^2) in its last dimension; sqrt(size) is in the weights that follow."""
    length = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32)
    normalised = x / torch.hypot(length, floor)
    return normalised if normalised.dtype == x.dtype else normalised.to(x.dtype)
