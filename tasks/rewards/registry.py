"""Rewards: what training sees. Evaluation never uses them; it always asks the task's own verifier.

A reward is looked up by name, or by settings with a name (`{"name": "random", "p": 0.5}`). Plug-in packages offer a
`RewardKind` under the entry-point group `rlvr_bench.rewards`.

A verifier error pays 0.0: GRPO compares completions within a group and has no place for "not known", and paying for
answers that break the verifier would teach to break it. The error does not vanish: verdicts reach the reward through
`RewardContext.verdicts` from the caller, who counts errors apart from wrong answers.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Protocol

from pydantic import Field

from tasks.errors import TaskError
from tasks.problem import Problem, Verdict
from tasks.settings import Settings, validated
from tasks.suggestion import did_you_mean
from tasks.task import Task

PLUGIN_GROUP = "rlvr_bench.rewards"


@dataclass(frozen=True, slots=True)
class RewardContext:
    """What a reward may know beside completions and problems.

    `indices` are the numbers of the completions within their groups, `verdicts` those of the task's verifier; both have
    one entry per completion. `step` is the optimizer step that the completions were generated for.
    """

    task: Task
    seed: int
    step: int
    indices: Sequence[int]
    verdicts: Sequence[Verdict]


class Reward(Protocol):
    """Pays for completions."""

    def __call__(self, completions: Sequence[str], problems: Sequence[Problem], context: RewardContext) -> list[float]:
        """One reward per completion; `problems[i]` is what `completions[i]` answers."""
        ...


@dataclass(frozen=True, slots=True)
class RewardKind:
    """How a reward is made from its settings."""

    description: str
    settings: type[Settings]
    build: Callable[[Any], Reward]


class RandomSettings(Settings):
    """A reward that knows nothing of the completion."""

    p: float = Field(default=0.5, ge=0, le=1, description="probability of 1")


def exact(completions: Sequence[str], problems: Sequence[Problem], context: RewardContext) -> list[float]:
    """1 if the task's verifier says correct, else 0."""
    return [float(verdict.correct) for verdict in context.verdicts]


def answer_format(completions: Sequence[str], problems: Sequence[Problem], context: RewardContext) -> list[float]:
    """1 if the completion states an answer, right or wrong, in the form that the task asks for."""
    return [float(context.task.follows_format(completion)) for completion in completions]


def random_reward(settings: RandomSettings) -> Reward:
    """1 with probability p. Hashes (seed, step, problem, sample), so any number of workers pays the same."""

    def pay(completions: Sequence[str], problems: Sequence[Problem], context: RewardContext) -> list[float]:
        keys = (
            f"random {context.seed} {context.step} {problem.id} {index}"
            for problem, index in zip(problems, context.indices, strict=True)
        )
        return [float(_unit_interval(key) < settings.p) for key in keys]

    return pay


def create(settings: str | Mapping[str, Any]) -> Reward:
    """The reward of a name, or of settings with a name; raises TaskError if one of them does not do."""
    given = _with_name(settings)
    kind = find(given["name"])
    return kind.build(validated(kind.settings, given, f"Reward {given['name']!r}"))


def _with_name(settings: str | Mapping[str, Any]) -> Mapping[str, Any]:
    given = {"name": settings} if isinstance(settings, str) else settings
    name = given.get("name")
    if not isinstance(name, str):
        raise TaskError(f"A reward needs a name, but {name!r} was given: choose from {', '.join(names())}.")
    return given


def resolve(settings: str | Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a reward with its defaults; raises TaskError as `create` does."""
    given = _with_name(settings)
    return validated(find(given["name"]).settings, given, f"Reward {given['name']!r}").model_dump(mode="json")


def names() -> list[str]:
    """All names, plug-ins last."""
    return [*REWARDS, *_plugins()]


def find(name: str) -> RewardKind:
    """The kind of a name; raises TaskError if it is unknown or its plug-in cannot be used."""
    if name in REWARDS:
        return REWARDS[name]
    if name not in _plugins():
        raise TaskError(f"Unknown reward {name!r}{did_you_mean(name, names())}: choose from {', '.join(names())}.")
    return _load(_plugins()[name])


REWARDS: dict[str, RewardKind] = {
    "exact": RewardKind("1 if the task's verifier says correct", Settings, lambda _: exact),
    "format": RewardKind("1 if an answer is stated in the task's form", Settings, lambda _: answer_format),
    "random": RewardKind("1 with probability p, whatever the completion", RandomSettings, random_reward),
}


@cache
def _plugins() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=PLUGIN_GROUP) if point.name not in REWARDS}


def _load(point: EntryPoint) -> RewardKind:
    try:
        kind = point.load()
    except (ImportError, AttributeError) as fault:
        raise TaskError(f"Plug-in reward {point.name!r} ({point.value}) cannot be imported: {fault}.") from fault
    if not isinstance(kind, RewardKind):
        raise TaskError(f"Plug-in reward {point.name!r} ({point.value}) is a {type(kind).__name__}, not a RewardKind.")
    return kind


def _unit_interval(text: str) -> float:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) / 2**64
