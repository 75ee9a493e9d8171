"""The measurement `changed_tokens`: where training changed the most probable next token, and what the base said there.

Published: one to three per cent of the positions are affected, at high entropy, and the new token is among the base's
first five (arXiv 2605.06241). Any change of weights flips tokens where the base is undecided, so that every figure
stands beside that of a null model: the base under the run's own update with its entries in random places.
"""

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from rlvr_bench.generate.sampling_params import SamplingParams
from rlvr_bench.geometry.nulls import null_update
from rlvr_bench.measure.context import CellContext, TrainedModel
from rlvr_bench.measure.measurement import Measurement
from rlvr_bench.measure.pair import Pair
from rlvr_bench.methods.base.plain import fill
from rlvr_bench.studies.signals.forked_decoding import entropies, recoveries
from rlvr_bench.studies.signals.measurements import ChangedTokens

FIRST = 5
"""Rank in the base up to which a new token counts as one of its alternatives."""
ROWS_AT_ONCE = 16
DIGITS = 6

Figures = dict[str, float | None]


class ChangedTokensOfCell(Measurement[ChangedTokens]):
    """Figures of the changed positions on the tuned model's greedy completions of test problems."""

    def after(self, context: CellContext, trained: TrainedModel) -> dict[str, Any] | None:
        """See `Measurement`; None of a task without test problems."""
        problems = context.task.problems("test")[: self.settings.problems]
        if not problems:
            return None
        base, prompts = context.reference, context.encoded(problems)
        null = null_model(base, context.pairs(trained.handle), context.cell.id)
        with trained.handle.rollout_weights() as tuned:
            params = SamplingParams.of_model(
                tuned,
                context.loaded.tokenizer,
                max_new_tokens=context.cell.evaluate.max_new_tokens,
                temperature=0.0,
                batch_size=context.cell.evaluate.batch_size,
                stop=context.task.stop,
            )
            answers = trained.backend.generate(tuned, prompts, params).token_ids
            trained_there, null_there = positions(base, (tuned, null), prompts, answers)
            found: dict[str, Any] = figures(trained_there) | {"null": figures(null_there)}
            found["lift"] = _over(found, found["null"])
            if self.settings.recovery:
                found["recovery"] = recoveries(context, (base, tuned), problems, trained_there.entropy, found["share"])
        return found


@dataclass(frozen=True, slots=True)
class Positions:
    """What two models say at every position of given completions, (positions,) each.

    Attributes:
        entropy: of the base's distribution, in nats.
        changed: whether the other model's most probable token is not the base's.
        rank: that token's rank in the base, 1 the most probable.
    """

    entropy: Tensor
    changed: Tensor
    rank: Tensor


@torch.no_grad()
def positions(
    base: PreTrainedModel,
    others: Sequence[PreTrainedModel],
    prompts: Sequence[list[int]],
    completions: Sequence[list[int]],
) -> list[Positions]:
    """Return what the base and each other model say of every token, after its prompt and what is before it."""
    parts: list[list[tuple[Tensor, Tensor, Tensor]]] = [[] for _ in others]
    for start in range(0, len(prompts), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        rows = list(zip(prompts[part], completions[part], strict=True))
        before = _logits(base, rows)
        entropy, first = entropies(before), before.argmax(dim=-1)
        for found, other in zip(parts, others, strict=True):
            new = _logits(other, rows).argmax(dim=-1)
            rank = 1 + (before > before.gather(-1, new[:, None])).sum(dim=-1)
            found.append((entropy.cpu(), (new != first).cpu(), rank.cpu()))
    return [Positions(*(torch.cat(column) for column in zip(*found, strict=True))) for found in parts]


def _logits(model: PreTrainedModel, rows: Sequence[tuple[list[int], list[int]]]) -> Tensor:
    """Return the logits of every completion token of the rows, one row after the other, (tokens, vocabulary)."""
    longest = max(len(prompt) + len(answer) for prompt, answer in rows)
    ids = torch.zeros(len(rows), longest, dtype=torch.long, device=model.device)
    mask = torch.zeros_like(ids)
    for row, (prompt, answer) in enumerate(rows):
        whole = torch.tensor(prompt + answer, device=model.device)
        ids[row, : len(whole)], mask[row, : len(whole)] = whole, 1
    logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits.float()
    spans = [(len(prompt) - 1, len(prompt) + len(answer) - 1) for prompt, answer in rows]
    return torch.cat([logits[row, first:last] for row, (first, last) in enumerate(spans)])


def figures(seen: Positions) -> Figures:
    """Return the figures of the changed positions; what has no position is None.

    `share` of all positions; `first_five`, the share of the new tokens that are among the base's first five, and
    `rank`, their mean rank; `entropy` of the base there and `entropy_elsewhere`, with their `entropy_ratio`.
    """
    rank, there, elsewhere = seen.rank[seen.changed], seen.entropy[seen.changed], seen.entropy[~seen.changed]
    means = _mean(there), _mean(elsewhere)
    return {
        "positions": float(len(seen.changed)),
        "share": _mean(seen.changed),
        "first_five": _mean(rank <= FIRST),
        "rank": _mean(rank),
        "entropy": means[0],
        "entropy_elsewhere": means[1],
        "entropy_ratio": _short(means[0] / means[1]) if means[0] is not None and means[1] else None,
    }


def null_model(base: PreTrainedModel, pairs: Iterable[Pair], key: str) -> PreTrainedModel:
    """Return a copy of the base under each tensor's own update with its entries in random places.

    `key` names the run, in hexadecimal digits, so that no two runs share a null update.
    """
    weights = {}
    for name, before, after in pairs:
        start = before.detach().cpu().double()
        update = after.detach().cpu().double() - start
        weights[name] = (start + null_update("permuted", update, name, int(key, 16), 0)).to(before.dtype)
    model = copy.deepcopy(base)
    fill(model, weights)
    return model.eval()


def _over(found: Figures, null: Figures) -> Figures:
    lifts: Figures = {}
    for name in ("share", "first_five", "entropy"):
        value, other = found[name], null[name]
        lifts[name] = None if value is None or not other else _short(value / other)
    return lifts


def _mean(values: Tensor) -> float | None:
    return _short(float(values.double().mean())) if len(values) else None


def _short(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
