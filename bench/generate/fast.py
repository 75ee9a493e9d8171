"""Generation for Llama-like decoders on a CPU, with as little as possible done per token.

For small models the general generate loop costs more than its arithmetic. Here: fused weights, a static cache, one
prefill per distinct prompt, attention as two batched products, rows dropped from the batch as they finish, no autograd.
The samples are those of the reference backend for the same seed, up to floating-point noise.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel

from rlvr_bench.generate.backend import Completions, batches, check_model, check_prompts
from rlvr_bench.generate.decoder import Decoder
from rlvr_bench.generate.decoder_weights import DecoderWeights, read_weights, refusal, rotations
from rlvr_bench.generate.matmul import whole_blocks
from rlvr_bench.generate.monitor import Monitor
from rlvr_bench.generate.sampling import Keys, row_keys, sample_tokens, uniforms
from rlvr_bench.generate.sampling_params import SamplingParams
from rlvr_bench.generate.static_cache import StaticCache, compact
from rlvr_bench.generate.stopping import StopTexts


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
        params: SamplingParams,
        monitor: Monitor | None = None,
        keys: Keys | None = None,
    ) -> Completions:
        """See `Backend.generate`; here also under a monitor, and with the rows' own `keys` of noise.

        A monitor may stop rows before they end: a stopped row frees its place in the batch at once, and counts as
        truncated. Rows of equal prompts stand side by side, so the batch size should be a multiple of a group for a
        monitor that compares the rows of a group.
        """
        check_prompts(prompts)
        check_model(self, model)
        keys = row_keys(prompts, params.seed) if keys is None else keys
        # Read at every call: training has moved the weights since the last one.
        weights = read_weights(model, self.compute_dtype)
        probe_places = monitor.places if monitor else 0
        longest = max((len(prompt) for prompt in prompts), default=0) + params.max_new_tokens + probe_places
        decoder = Decoder(weights, rotations(weights, longest))
        entropies: list[list[float]] = [[] for _ in prompts]
        result = Completions([[] for _ in prompts], [[] for _ in prompts], entropies, [True for _ in prompts])
        with torch.inference_mode():
            for numbers in batches(prompts, params.batch_size):
                noise = uniforms(keys[numbers], params.max_new_tokens)
                batch = _Batch(decoder, [prompts[number] for number in numbers], numbers, params, monitor)
                batch.decode(noise)
                batch.store(result, entropies)
        return result


class _Batch:
    """One batch: what was drawn for each of its rows so far, and which rows are still decoded.

    What is drawn is kept by step and row, [steps, rows], so that a step writes to contiguous memory. `lengths` counts
    a row's tokens, `finished` says: by EOS or a stop text. `rows` are those that are decoded, in the order of the
    cache; `alive` says which of them go on, [decoded rows]: others stay where they fill up a block, and nobody reads
    what they give.
    """

    def __init__(
        self,
        decoder: Decoder,
        prompts: list[list[int]],
        numbers: list[int],
        params: SamplingParams,
        monitor: Monitor | None,
    ) -> None:
        count, steps = len(prompts), params.max_new_tokens
        self.decoder, self.prompts, self.params, self.monitor = decoder, prompts, params, monitor
        self.numbers = torch.tensor(numbers)  # places in the whole call, by which the monitor knows the rows
        self.prompt_lengths = torch.tensor([len(prompt) for prompt in prompts])
        self.cache = StaticCache(decoder.weights, prompts, steps + (monitor.places if monitor else 0))
        self.tokens = torch.zeros(steps, count, dtype=torch.long)
        self.probabilities, self.entropies = torch.ones(steps, count), torch.zeros(steps, count)
        self.lengths, self.finished = torch.full((count,), steps), torch.zeros(count, dtype=torch.bool)
        self.rows, self.alive = torch.arange(count), torch.ones(count, dtype=torch.bool)
        # A look-up by token, so that a step needs no loop over rows; ids beyond the vocabulary are never drawn.
        self.is_eos = torch.zeros(decoder.weights.embedding.shape[0], dtype=torch.bool)
        self.is_eos[[token for token in params.eos_token_ids if token < len(self.is_eos)]] = True

    def decode(self, noise: Tensor) -> None:
        """Decode until every row has ended or `noise`, shape [rows, max_new_tokens], is used up."""
        steps = self.params.max_new_tokens
        noise = noise.t().contiguous()  # by step, as everything that a step reads or writes
        logits = self.decoder.prefill(self.prompts, self.cache)
        for step in range(steps):
            if self.monitor is not None:
                logits = self._without_stopped(self.monitor, step, logits)
                if not len(self.rows):
                    return
            ended = self._draw(step, logits, noise[step])
            if self.params.stop is not None:
                ended |= self._stopped(self.params.stop, step)
            # Before ended rows leave: the monitor reads their part of the cache a last time.
            if self.monitor is not None:
                self._show_ended(self.monitor, step, ended | (step + 1 == steps))
            if bool(ended.any()):
                self._retire(step, ended)
            if not len(self.rows) or step + 1 == steps:
                return
            tokens, position = self.tokens[step].index_select(0, self.rows), self._positions(self.rows) + step
            logits = self.decoder.step(tokens, position, self.cache, self.cache.prompt_length + step)

    def _without_stopped(self, monitor: Monitor, step: int, logits: Tensor) -> Tensor:
        """Let go of the rows that the monitor stops before their next token; returns the logits of the others."""
        stopped = ~monitor.running(self._view(step, self.rows, self.cache), logits)
        if not bool(stopped.any()):
            return logits
        self.lengths[self.rows[stopped]] = step
        return logits[self._keep(stopped, len(self.rows) - int(stopped.sum()))]

    def _draw(self, step: int, logits: Tensor, noise: Tensor) -> Tensor:
        """Draw a token for every decoded row; returns which of those that were alive ended with it."""
        drawn = sample_tokens(logits, self.params.temperature, noise.index_select(0, self.rows))
        self.tokens[step].index_copy_(0, self.rows, drawn.tokens)
        self.probabilities[step].index_copy_(0, self.rows, drawn.probabilities)
        self.entropies[step].index_copy_(0, self.rows, drawn.entropies)
        return self.is_eos.index_select(0, drawn.tokens).logical_and_(self.alive)

    def _stopped(self, stop: StopTexts, step: int) -> Tensor:
        """Which of the decoded rows that are alive have a stop text in them by now."""
        tail = self.tokens[max(0, step + 1 - stop.window) : step + 1].index_select(1, self.rows)
        stopped = torch.tensor(stop.stand_in(tail.t().tolist())).logical_and_(self.alive)
        if bool(stopped.any()):  # the end of a text may read differently from the same place inside of it
            places = stopped.nonzero().squeeze(1)
            whole = self.tokens[: step + 1].index_select(1, self.rows[places])
            stopped[places] = torch.tensor(stop.stand_in(whole.t().tolist()))
        return stopped

    def _show_ended(self, monitor: Monitor, step: int, ended: Tensor) -> None:
        if bool(ended.any()):
            places = ended.nonzero().squeeze(1)
            monitor.ended(self._view(step, self.rows[places], self.cache.take(places)))

    def _retire(self, step: int, ended: Tensor) -> None:
        """Note where rows have ended, and drop as many from the batch as makes the next products faster."""
        self.lengths[self.rows[ended]], self.finished[self.rows[ended]] = step + 1, True
        self.alive[ended] = False
        left = int(self.alive.sum())
        if not left:
            self.rows = self.rows[:0]
            return
        # A monitor sees every row that is decoded, so under one no row outlives its end.
        count = left
        if self.monitor is None:
            count = min(whole_blocks(left, self.decoder.weights.layers[0].gate), len(self.rows))
        if count < len(self.rows):
            self._keep(~self.alive, count)

    def _keep(self, gone: Tensor, count: int) -> Tensor:
        """Keep `count` of the decoded rows, all but `gone` ones among them; returns the places where they stood."""
        places = compact(gone, count, self.cache)
        self.rows, self.alive = self.rows[places], self.alive[places]
        return places

    def _positions(self, rows: Tensor) -> Tensor:
        return self.prompt_lengths.index_select(0, rows)

    def _view(self, step: int, rows: Tensor, cache: StaticCache) -> "_StaticCacheView":
        return _StaticCacheView(self.numbers[rows], step, self._positions(rows), cache, self.decoder.rotary)

    def store(self, result: Completions, entropies: list[list[float]]) -> None:
        """Write this batch into the result of the whole call and its `entropies`."""
        logprobs, entropy_rows = self.probabilities.t().log().tolist(), self.entropies.t().tolist()
        token_rows, lengths, finished = self.tokens.t().tolist(), self.lengths.tolist(), self.finished.tolist()
        for row, number in enumerate(self.numbers.tolist()):
            end = lengths[row]
            result.token_ids[number] = token_rows[row][:end]
            result.logprobs[number], entropies[number] = logprobs[row][:end], entropy_rows[row][:end]
            result.truncated[number] = not finished[row]


@dataclass(frozen=True, slots=True)
class _StaticCacheView:
    """Implements `generate.monitor.CacheView` on the static cache."""

    rows: Tensor
    fed: int
    prompt_lengths: Tensor
    cache: StaticCache
    rotary: Tensor

    def read(self, probe: DecoderWeights, embedding: Tensor, count: int) -> Tensor:
        """See `CacheView.read`: written where the next token will be, which overwrites it."""
        reader = Decoder(probe, self.rotary)
        x = embedding
        for number in range(count):
            place = self.fed + number
            x = embedding.expand(len(self.rows), -1).clone()
            x = reader.forward(x, self.prompt_lengths + place, self.cache, self.cache.prompt_length + place)
        return reader.normalised(x)

    def joined(self, others: Sequence["_StaticCacheView"]) -> "_StaticCacheView":
        """See `CacheView.joined`; what each row has read counts as its prompt."""
        own, *rest = ((each.cache, each.cache.prompt_length + each.fed) for each in (self, *others))
        cache = self.cache.joined(own[1], rest, self.cache.length - self.cache.prompt_length)
        rows = torch.cat([each.rows for each in (self, *others)])
        lengths = torch.cat([each.prompt_lengths + each.fed for each in (self, *others)])
        return _StaticCacheView(rows, 0, lengths, cache, self.rotary)
