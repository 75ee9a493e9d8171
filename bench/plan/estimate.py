"""What the cells of a plan will cost: by past cells where there are some, else roughly where the model is large.

A past cell counts if it trained the same base on the same task by the same signal; those of the same method and the
same scoring are preferred. Its training grows with the completions that it samples, its evaluation with those that it
scores, its other stages do not.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import prod
from statistics import fmean
from typing import Any, NamedTuple

from rlvr_bench.experiment.cell import Cell
from rlvr_bench.models.config import BaseConfig
from rlvr_bench.models.errors import ModelError
from rlvr_bench.models.shapes import parameter_shapes
from rlvr_bench.models.source import source_of
from rlvr_bench.record.schema import RunRecord

GPU_TOKENS_PER_SECOND = 10_000
"""Assumed for a model of 10^9 parameters on one GPU, training included; inversely proportional to size.

Spurious Rewards (arXiv 2506.10947, appendix A) trains a 7B model on 300 x 1024 completions of up to 3072 tokens in
about 24 hours on 8 A100: 1,400 allowed tokens per second and GPU.
"""

ASSUMED_BILLIONS = 7.0
"""Size of a hub model whose name does not say it."""

SMALLEST_BILLIONS = 0.1
"""A smaller model waits for the start of kernels and not for arithmetic: of its time that figure says nothing."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Cost of the cells to run; None where no past cell tells. The rough part is never added to the measured one."""

    seconds: float | None
    tokens: int | None
    rough_tokens: int
    rough_gpu_hours: float
    unknown: int

    def sentence(self, workers: int) -> str:
        """Say it in one line."""
        parts = []
        if self.seconds is not None:
            parts.append(
                f"about {self.seconds / workers / 60:.0f} min with {workers} at a time, "
                f"{self.tokens:,} generated tokens"
            )
        if self.rough_tokens:
            parts.append(
                f"roughly {self.rough_gpu_hours:,.0f} GPU hours for at most {self.rough_tokens:,} generated tokens "
                f"(no past cell: assumes {GPU_TOKENS_PER_SECOND:,} tokens/s on a GPU at 1B parameters, a seventh at 7B)"
            )
        if self.unknown:
            more = f"{self.unknown} cells more without an estimate" if parts else "how long they take is not known"
            parts.append(f"{more} (no past cell of the same base, task and signal)")
        return "; ".join(parts)


def estimate(waiting: Iterable[Cell], records: Sequence[RunRecord]) -> Estimate:
    """Return the cost of cells that have no result yet."""
    seconds, tokens, rough_tokens, rough_seconds, unknown = list[float](), 0.0, 0, 0.0, 0
    done = [record for record in records if record.status in ("done", "collapsed") and record.cost.seconds]
    cells, past_of_method = list(waiting), dict[tuple[object, ...], _Past | None]()
    for cell in cells:
        # Cells of one grid share the objects of their settings, so that what costs the same is looked up once.
        key = (cell.base.name, cell.task["name"], id(cell.signal), cell.method.get("type"), id(cell.evaluate))
        if key not in past_of_method:
            past_of_method[key] = _past(cell.model_dump(mode="json"), done)
        if (past := past_of_method[key]) is not None:
            seconds.append(past.seconds)
            tokens += past.tokens
        elif (size := _billions_of(cell.base)) is not None:
            most = round(_completions(cell.signal.model_dump(mode="json")) * cell.signal.max_new_tokens)
            rough_tokens += most
            rough_seconds += most / (GPU_TOKENS_PER_SECOND / size)
        else:
            unknown += 1
    return Estimate(
        seconds=sum(seconds) if seconds else None,
        tokens=round(tokens) if seconds else None,
        rough_tokens=rough_tokens,
        rough_gpu_hours=rough_seconds / 3600,
        unknown=unknown,
    )


@cache
def _billions_of(base: BaseConfig) -> float | None:
    """Return the parameters in 10^9 of a folder's weights or of a hub model; None of what is small, or not found."""
    try:
        source = source_of(base)
        if source.kind == "folder" and source.folder is not None:
            size = sum(map(prod, parameter_shapes(source.folder).values())) / 1e9
            return size if size >= SMALLEST_BILLIONS else None
    except ModelError:
        return None
    return billions(base.name) if source.kind == "hub" else None


def billions(name: str) -> float:
    """Return the parameters of a hub model in 10^9, as its name says them ("Qwen2.5-Math-7B"), else the usual size."""
    sizes = re.findall(r"(?<![\w.])(\d+(?:\.\d+)?)B(?![a-z])", name, re.IGNORECASE)
    return float(sizes[-1]) if sizes else ASSUMED_BILLIONS


class _Past(NamedTuple):
    """What a cell will take, by past ones."""

    seconds: float
    tokens: float


def _past(document: Mapping[str, Any], done: Sequence[RunRecord]) -> _Past | None:
    nearest = _nearest(document, done)
    if not nearest:
        return None
    return _Past(
        fmean(_seconds(record, document) for record in nearest),
        fmean(_share(record, document) * (record.cost.tokens or 0) for record in nearest),
    )


def _nearest(document: Mapping[str, Any], done: Sequence[RunRecord]) -> list[RunRecord]:
    alike = [record for record in done if _setting(record.cell) == _setting(document)]
    for same in (_method, _splits):
        closer = [record for record in alike if same(record.cell) == same(document)]
        alike = closer or alike
    return alike


def _setting(cell: Mapping[str, Any]) -> tuple[str, ...]:
    return cell["base"]["name"], cell["task"]["name"], cell["signal"]["type"]


def _method(cell: Mapping[str, Any]) -> str:
    return str(cell["method"].get("type"))


def _splits(cell: Mapping[str, Any]) -> object:
    return cell.get("evaluate", {}).get("splits")


def _seconds(record: RunRecord, document: Mapping[str, Any]) -> float:
    stages = {name: value or 0.0 for name, value in record.cost.seconds.items() if "/" not in name}
    more_training = stages.get("train", 0.0) * (_share(record, document) - 1)
    return sum(stages.values()) + more_training + stages.get("evaluate", 0.0) * (_scored_share(record, document) - 1)


def _share(record: RunRecord, document: Mapping[str, Any]) -> float:
    """Return the completions of a cell as a share of those of a past one."""
    return _completions(document["signal"]) / _completions(record.cell["signal"])


def _completions(signal: Mapping[str, Any]) -> float:
    """Return how many completions training samples; of a signal without rollouts the optimizer steps."""
    batch = signal.get("prompts_per_batch", signal.get("batch_size", 1)) * signal.get("group_size", 1)
    batch *= signal.get("population", 1)
    batch /= signal.get("updates_per_batch", 1)
    return float(signal.get("steps", 1) * batch)


def _scored_share(record: RunRecord, document: Mapping[str, Any]) -> float:
    """Return the scored completions of a cell as a share of those of a past one; 1 where a number is not known."""
    numbers = _scored(record.cell), _scored(document)
    return numbers[1] / numbers[0] if all(numbers) else 1.0


def _scored(cell: Mapping[str, Any]) -> int:
    """Return how many completions an evaluation grades: a greedy one per problem, and the samples."""
    evaluate = cell.get("evaluate", {})
    splits = [(cell["task"], split) for split in evaluate.get("splits", ())]
    splits += [(task, "test") for task in evaluate.get("extra_tasks", ())]
    number = 0
    for task, split in splits:
        problems = task.get(split) or 0
        sampled = min(problems, evaluate.get("sampled_problems") or problems)
        number += problems + sampled * evaluate.get("samples", 0) * (split in evaluate.get("sampled_splits", ()))
    return number
