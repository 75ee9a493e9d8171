"""What a reward is: a function from completions to numbers, what it may know beside them, and how one is registered."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from rlvr_bench.tasks.problem import Problem, Verdict
from rlvr_bench.tasks.settings import Settings
from rlvr_bench.tasks.task import Task


@dataclass(frozen=True, slots=True)
class Label:
    """What most of the untrained base model's samples answer to a problem, as the verifier reads it.

    `votes` of `samples` completions gave it; `correct` is the verifier's verdict on it, which the rewards that use
    labels for truth do not look at.
    """

    answer: str
    votes: int
    samples: int
    correct: bool


@dataclass(frozen=True, slots=True)
class LabelRequest:
    """How the labels that a reward asks for are made: so many samples of each problem, at temperature 1."""

    samples: int
    seed: int


@dataclass(frozen=True, slots=True)
class RewardContext:
    """What a reward may know beside completions and problems.

    `indices` are the numbers of the completions among those of the same problem, `verdicts` those of the task's
    verifier, and `truncated` says which completions were cut off at the token limit; all have one entry per completion.
    `step` is the rollout batch that the completions belong to. `labels` are by problem id; a problem of which no sample
    could be read has none.
    """

    task: Task
    seed: int
    step: int
    indices: Sequence[int]
    verdicts: Sequence[Verdict]
    truncated: Sequence[bool]
    labels: Mapping[str, Label] = field(default_factory=dict)
    place: str = ""
    """Where in a combination the reward stands, so that two that draw do not draw the same; empty outside of one."""

    def draws(self, name: str, problems: Sequence[Problem]) -> list[float]:
        """A number in [0, 1) per completion that hashes (name, place, seed, step, problem, sample).

        Nothing else enters, so any number of workers in any order draws the same.
        """
        return [
            unit_interval(f"{name}{self.place} {self.seed} {self.step} {problem.id} {index}")
            for problem, index in zip(problems, self.indices, strict=True)
        ]


class Reward(Protocol):
    """Pays for completions."""

    def __call__(self, completions: Sequence[str], problems: Sequence[Problem], context: RewardContext) -> list[float]:
        """One reward per completion; `problems[i]` is what `completions[i]` answers."""
        ...


@dataclass(frozen=True, slots=True)
class RewardKind:
    """How a reward is made from its settings.

    `labels` says of settings how the labels are made that the reward needs, `keeps` which problems it trains on, by
    their label (None: there is none). Both are None for a reward that needs no labels.
    """

    description: str
    settings: type[Settings]
    build: Callable[[Any], Reward]
    labels: Callable[[Any], LabelRequest] | None = None
    keeps: Callable[[Label | None], bool] | None = None


def unit_interval(text: str) -> float:
    """A number in [0, 1) that hashes `text`."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) / 2**64
