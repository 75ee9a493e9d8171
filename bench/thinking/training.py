"""Training a scorer on traces: one loop for every scorer that learns.

The epoch is kept whose Brier score against the outcomes of the validation traces, mean over all positions, is lowest.
"""

import random
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from rlvr_bench.console.progress import Report
from rlvr_bench.methods.base.seeding import forked_random_state
from rlvr_bench.thinking import labels
from rlvr_bench.thinking.batch import TraceBatch, by_length, collate
from rlvr_bench.thinking.errors import ThinkingError
from rlvr_bench.thinking.monte_carlo import Values, spread_positions
from rlvr_bench.thinking.settings import ScorerSettings
from rlvr_bench.thinking.trace import Trace, positions

Scores = list[dict[int, float]]
"""Per trace the score in [0, 1] by position (completion tokens read)."""


class TraceScorer(Protocol):
    """A module that scores traces."""

    offset: Tensor

    def logits(self, batch: TraceBatch) -> Tensor: ...

    def trained(self) -> dict[str, Tensor]: ...

    def without_training(self) -> AbstractContextManager[None]:
        """A context in which nothing is learnt and scores come as fast as they can."""
        ...


@dataclass(frozen=True, slots=True)
class Fit:
    """How training went: mean loss and validation Brier score by epoch, and the epoch that was kept, from 0."""

    losses: list[float]
    validation_brier: list[float]
    best_epoch: int


def fit(
    scorer: TraceScorer,
    train: Mapping[Trace, float],
    validation: Sequence[Trace],
    settings: ScorerSettings,
    device: torch.device,
    values: Values | None = None,
    offset: float = 0.0,
    report: Report = lambda message, done: None,
) -> Fit:
    """Train `scorer` in place.

    Args:
        train: traces to learn from and how much each counts.
        values: Monte-Carlo values of the training traces at `spread_positions`, for labels "mc".
        offset: log odds that the training weights took away; part of every score but not of the loss.

    Raises:
        ThinkingError: there is nothing to learn from, or labels "mc" without values.
    """
    if not train or not validation:
        raise ThinkingError(f"{len(train)} training and {len(validation)} validation traces; give at least one of each")
    if settings.labels == "mc" and values is None:
        raise ThinkingError("labels = 'mc' need Monte-Carlo values; make them first, or choose 'ramp'")
    # `trained` names the offset too, which is kept with the weights but set by hand.
    learnt = [tensor for tensor in scorer.trained().values() if tensor.requires_grad]
    optimizer = torch.optim.AdamW(learnt, lr=settings.learning_rate, weight_decay=0.0)
    source = random.Random(f"training {settings.seed}")
    losses: list[float] = []
    briers: list[float] = []
    best: dict[str, Tensor] = {}
    # Whoever calls keeps its own random state: training is a function of the seed alone.
    with forked_random_state(settings.seed):
        for epoch in range(settings.epochs):
            for group in optimizer.param_groups:
                group["lr"] = settings.learning_rate * (1 - epoch / settings.epochs)
            # Learnt without the offset and judged with it: the weights balance the classes in training only.
            scorer.offset.zero_()
            losses.append(_epoch(scorer, train, settings, optimizer, source, device, values))
            scorer.offset.fill_(offset)
            briers.append(brier(score(scorer, validation, settings.stride, settings.batch_size, device), validation))
            if briers[-1] == min(briers):
                best = {name: tensor.detach().clone() for name, tensor in scorer.trained().items()}
            report(f"epoch {epoch + 1}: validation Brier {briers[-1]:.3f}", (epoch + 1) / settings.epochs)
    with torch.no_grad():
        for name, tensor in scorer.trained().items():
            tensor.copy_(best[name])
    return Fit(losses, briers, briers.index(min(briers)))


def score(scorer: TraceScorer, traces: Sequence[Trace], stride: int, batch_size: int, device: torch.device) -> Scores:
    """Scores at every `stride`-th position and the last. Traces of the same tokens are scored once."""
    # Samples repeat, at a low temperature often.
    distinct = list({(trace.prompt, trace.tokens): trace for trace in traces}.values())
    by_tokens: dict[tuple[tuple[int, ...], tuple[int, ...]], dict[int, float]] = {}
    with scorer.without_training():
        for numbers in by_length(distinct, batch_size):
            members = [distinct[number] for number in numbers]
            places = [positions(trace.fed, stride) for trace in members]
            rows = torch.sigmoid(scorer.logits(collate(members, places, device))).tolist()
            for trace, own, row in zip(members, places, rows, strict=True):
                by_tokens[trace.prompt, trace.tokens] = dict(zip(own, row, strict=False))
    return [by_tokens[trace.prompt, trace.tokens] for trace in traces]


def brier(scores: Scores, traces: Sequence[Trace]) -> float:
    """Mean over traces of the mean squared distance of a trace's scores from its outcome."""
    per_trace = [
        sum((value - trace.correct) ** 2 for value in own.values()) / len(own)
        for own, trace in zip(scores, traces, strict=True)
    ]
    return sum(per_trace) / len(per_trace)


def _epoch(
    scorer: TraceScorer,
    train: Mapping[Trace, float],
    settings: ScorerSettings,
    optimizer: torch.optim.Optimizer,
    source: random.Random,
    device: torch.device,
    values: Values | None,
) -> float:
    shuffled = source.sample(list(train), len(train))
    # Of like length within a batch, to pad little; shuffled before, for ties, and after, for the order of lengths.
    batches = [[shuffled[number] for number in numbers] for numbers in by_length(shuffled, settings.batch_size)]
    source.shuffle(batches)
    total = 0.0
    for members in batches:
        weights = {trace: train[trace] for trace in members}
        # Weighted by size, since one batch is smaller.
        total += step(scorer, weights, settings, optimizer, source, device, values) * len(members)
    return total / len(train)


def step(
    scorer: TraceScorer,
    train: Mapping[Trace, float],
    settings: ScorerSettings,
    optimizer: torch.optim.Optimizer,
    source: random.Random,
    device: torch.device,
    values: Values | None = None,
) -> float:
    """Make one optimizer step on all of `train`, which is as in `fit`; return the mean loss before it."""
    members = list(train)
    places = [_drawn(trace, settings, source) for trace in members]
    batch = collate(members, places, device)
    logits = scorer.logits(batch)
    # Detached: TD labels are made of the scores themselves and must not be learnt through.
    targets = _targets(members, places, torch.sigmoid(logits.detach()), settings, values).to(device)
    weights = torch.tensor([train[trace] for trace in members], device=device)
    loss = (_loss(logits, targets, batch.scored, settings.loss) * weights).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return float(loss.detach())


def _drawn(trace: Trace, settings: ScorerSettings, source: random.Random) -> list[int]:
    """Positions of one step; Monte-Carlo labels exist at fixed ones."""
    if settings.labels == "mc":
        return spread_positions(trace.fed, settings.mc_positions)
    every = positions(trace.fed, settings.stride)
    count = settings.positions_per_trace
    if count is None or len(every) <= count:
        return every
    # Always with the last position: it is the one that votes are weighed by.
    return sorted([*source.sample(every[:-1], count - 1), every[-1]])


def _targets(
    traces: Sequence[Trace],
    places: Sequence[Sequence[int]],
    scores: Tensor,
    settings: ScorerSettings,
    values: Values | None,
) -> Tensor:
    """Labels in [0, 1], shape [traces, positions], 0 behind a trace's own positions."""
    if settings.labels == "td":
        outcomes = torch.tensor([float(trace.correct) for trace in traces])
        return labels.lambda_returns(scores.cpu(), [len(own) for own in places], outcomes, settings.td_lambda)
    targets = torch.zeros(scores.shape)
    for row, (trace, own) in enumerate(zip(traces, places, strict=True)):
        if settings.labels == "mc":
            assert values is not None
            values_of_places = [values[trace.problem, trace.tokens[:place]] for place in own]
        else:
            label = labels.ramp if settings.labels == "ramp" else labels.hard
            values_of_places = [label(place, trace.fed, trace.correct) for place in own]
        targets[row, : len(own)] = torch.tensor(values_of_places)
    return targets


def _loss(logits: Tensor, targets: Tensor, scored: Tensor, kind: str) -> Tensor:
    """Mean over each trace's positions, shape [traces]."""
    if kind == "bce":
        each = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    else:
        each = (torch.sigmoid(logits) - targets).square()
    return (each * scored).sum(dim=1) / scored.sum(dim=1)
