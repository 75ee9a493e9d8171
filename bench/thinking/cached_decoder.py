"""Decoding under a monitor for every model that transformers can run with a cache: the fast decoder's plain sibling.

The same noise gives the same samples as the backends do, up to rounding; stopped and ended rows leave the batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import DynamicCache, PreTrainedModel

from rlvr_bench.generate.backend import Completions, batches, check_prompts
from rlvr_bench.generate.decoder_weights import DecoderWeights
from rlvr_bench.generate.monitor import Monitor
from rlvr_bench.generate.sampling import Keys, sample_tokens, uniforms
from rlvr_bench.generate.sampling_params import SamplingParams
from rlvr_bench.generate.stopping import StopTexts


@dataclass(frozen=True, slots=True)
class TransformersCacheView:
    """Implements `generate.monitor.CacheView` on transformers' cache, which a probe reads itself.

    `tokens_read` counts the real tokens that are cached of each row, `pads` the padding before them; both [rows].
    """

    rows: Tensor
    fed: int
    cache: DynamicCache
    tokens_read: Tensor
    pads: Tensor

    def read(self, probe: DecoderWeights, embedding: Tensor, count: int) -> Tensor:
        """Not for this cache: raises TypeError; use `Probe.read`."""
        raise TypeError("transformers' cache is read by Probe.read")

    def joined(self, others: Sequence["TransformersCacheView"]) -> "TransformersCacheView":
        """See `CacheView.joined`: padded on the left to one length, `fed` tokens of each row or fewer."""
        views = (self, *others)
        longest = max(view.cache.get_seq_length() for view in views)
        shifts = [longest - view.cache.get_seq_length() for view in views]
        cache = DynamicCache()
        for number in range(len(self.cache)):
            layers = [(view.cache.layers[number], shift) for view, shift in zip(views, shifts, strict=True)]
            keys, values = (
                torch.cat([pad(getattr(layer, name), (0, 0, shift, 0)) for layer, shift in layers])
                for name in ("keys", "values")
            )
            cache.update(keys, values, number)
        pads = torch.cat([view.pads + shift for view, shift in zip(views, shifts, strict=True)])
        rows, read = (torch.cat([getattr(view, name) for view in views]) for name in ("rows", "tokens_read"))
        return TransformersCacheView(rows, max(view.fed for view in views), cache, read, pads)


def generate(
    model: PreTrainedModel, prompts: list[list[int]], params: SamplingParams, monitor: Monitor, keys: Keys
) -> Completions:
    """As `FastBackend.generate` under a monitor."""
    check_prompts(prompts)
    entropies: list[list[float]] = [[] for _ in prompts]
    result = Completions([[] for _ in prompts], [[] for _ in prompts], entropies, [True for _ in prompts])
    with torch.no_grad():
        for numbers in batches(prompts, params.batch_size):
            _Batch(model, prompts, numbers, keys, monitor, result).run(params)
    return result


class _Batch:
    """The running rows of one batch."""

    def __init__(
        self,
        model: PreTrainedModel,
        prompts: list[list[int]],
        numbers: list[int],
        keys: Keys,
        monitor: Monitor,
        result: Completions,
    ) -> None:
        own = [prompts[number] for number in numbers]
        # Padded on the left: the last token of every row is the one that goes on.
        longest = max(map(len, own))
        self.model, self.monitor, self.result, self.keys = model, monitor, result, keys[numbers]
        self.rows = torch.tensor(numbers)
        self.places = torch.arange(len(own))
        self.lengths = torch.tensor([len(prompt) for prompt in own], device=model.device)
        self.pads = longest - self.lengths
        # Each distinct prompt is read once; its traces get copies of what the cache holds of it.
        distinct: dict[tuple[int, ...], int] = {}
        self.owner = torch.tensor([distinct.setdefault(tuple(prompt), len(distinct)) for prompt in own])
        padded = [[0] * (longest - len(prompt)) + list(prompt) for prompt in distinct]
        self.next = torch.tensor(padded, device=model.device)
        self.cache = DynamicCache()

    def run(self, params: SamplingParams) -> None:
        """Decode until all rows are gone."""
        steps = params.max_new_tokens
        # Drawn for the whole batch at once, by row and step: stopping one row does not change another's samples.
        noise = uniforms(self.keys, steps).to(self.model.device)
        for step in range(steps):
            logits = self._forward() if step else self._read_prompts()
            # Stopped before the draw: a dropped row takes no more noise and no more time.
            goes = self.monitor.running(self._view(step), logits).to(logits.device)
            self._keep(goes)
            if not len(self.rows):
                return
            drawn = sample_tokens(logits[goes], params.temperature, noise[self.places, step])
            self._store(drawn.tokens, drawn.probabilities, drawn.entropies)
            ended = torch.tensor(
                [token in params.eos_token_ids for token in drawn.tokens.tolist()], device=self.model.device
            )
            if params.stop is not None:
                ended |= self._stopped(params.stop)
            # At the limit a trace ends without EOS, and stays marked as truncated.
            last = ended | (step + 1 == steps)
            if bool(last.any()):
                self.monitor.ended(self._view(step, last))
            for row in self.rows[ended.cpu()].tolist():
                self.result.truncated[row] = False
            self.next = drawn.tokens.unsqueeze(1)
            self._keep(~last)
            if not len(self.rows):
                return

    def _stopped(self, stop: StopTexts) -> Tensor:
        """Which of the running rows have a stop text in them by now."""
        texts = [self.result.token_ids[row] for row in self.rows.tolist()]
        likely = stop.stand_in([tokens[-stop.window :] for tokens in texts])
        stopped = [hit and stop.stand_in([tokens])[0] for hit, tokens in zip(likely, texts, strict=True)]
        return torch.tensor(stopped, device=self.next.device)

    def _read_prompts(self) -> Tensor:
        """The first forward pass: logits of every row, from its prompt."""
        pads, owner = self.pads, self.owner.to(self.next.device)
        self.pads = torch.stack([pads[owner == number][0] for number in range(len(self.next))])
        logits = self._forward()
        self.pads, self.next = pads, self.next[owner]
        self.cache.batch_select_indices(owner)
        return logits[owner]

    def _forward(self) -> Tensor:
        past, new = self.cache.get_seq_length(), self.next.shape[1]
        places = torch.arange(past + new, device=self.next.device)
        # Positions count from the first real token, as in a batch of one.
        attended = (places >= self.pads.unsqueeze(1)).long()
        positions = (places[past:] - self.pads.unsqueeze(1)).clamp(min=0)
        logits: Tensor = self.model(
            input_ids=self.next, attention_mask=attended, position_ids=positions, past_key_values=self.cache
        ).logits
        return logits[:, -1].float()

    def _view(self, fed: int, selected: Tensor | None = None) -> TransformersCacheView:
        if selected is None:
            return TransformersCacheView(self.rows, fed, self.cache, self.lengths + fed, self.pads)
        rows, part = selected.nonzero().squeeze(1), DynamicCache()
        for number, (keys, values, *_) in enumerate(self.cache):
            part.update(keys[rows], values[rows], number)
        return TransformersCacheView(self.rows[rows.cpu()], fed, part, self.lengths[rows] + fed, self.pads[rows])

    def _keep(self, goes: Tensor) -> None:
        # Selecting copies the cache: not while all rows go on, which is most steps.
        if bool(goes.all()):
            return
        rows = goes.nonzero().squeeze(1)
        kept_rows = rows.cpu()
        self.rows, self.places = self.rows[kept_rows], self.places[kept_rows]
        self.lengths, self.pads, self.next = self.lengths[rows], self.pads[rows], self.next[rows]
        self.cache.batch_select_indices(rows)

    def _store(self, tokens: Tensor, probabilities: Tensor, entropies: Tensor) -> None:
        decoded = zip(
            self.rows.tolist(), tokens.tolist(), probabilities.log().tolist(), entropies.tolist(), strict=True
        )
        for row, token, logprob, entropy in decoded:
            self.result.token_ids[row].append(token)
            self.result.logprobs[row].append(logprob)
            if self.result.entropies is not None:
                self.result.entropies[row].append(entropy)
