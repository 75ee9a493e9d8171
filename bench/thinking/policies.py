"""When to look at running traces, and which of them go on.

A policy sees the traces of one problem that have not been dropped, running or ended, with their newest scores. At
least one is always kept. Dropped traces do not vote; their tokens count.
"""

import math
from collections.abc import Mapping
from typing import Any, Literal, get_args

from pydantic import Field, ValidationError

from rlvr_bench.plugins.settings import Settings, explain
from rlvr_bench.plugins.suggestion import did_you_mean
from rlvr_bench.thinking.errors import ThinkingError

Alive = Mapping[int, float]
"""Newest score of each trace that is not dropped, by its number."""


def best(alive: Alive, count: int) -> set[int]:
    """The `count` traces with the highest scores, at least one; of equals the first."""
    return set(sorted(alive, key=lambda trace: (-alive[trace], trace))[: max(1, count)])


def _log_odds(probability: float) -> float:
    """Within 30 of 0, so that a score that was rounded to 0 or 1 is still a number."""
    kept = min(max(probability, 1e-13), 1 - 1e-13)
    return math.log(kept / (1 - kept))


class _Policy(Settings):
    """Stops nothing."""

    def due(self, read: int) -> bool:
        """Whether running traces are scored after `read` tokens."""
        return False

    def survivors(self, read: int, alive: Alive) -> set[int]:
        """The traces that go on, of those `alive`."""
        return set(alive)


class Full(_Policy):
    """No trace is stopped."""

    name: Literal["full"] = "full"


class Keep(_Policy):
    """At one position the best `count` traces are kept (STOP, arXiv 2604.16029)."""

    name: Literal["keep"] = "keep"
    count: int = Field(4, ge=1)
    at: int = Field(8, ge=1)

    def due(self, read: int) -> bool:
        return read == self.at

    def survivors(self, read: int, alive: Alive) -> set[int]:
        return best(alive, self.count)


class Halve(_Policy):
    """Every `every` tokens the lower half is dropped until one trace is left."""

    name: Literal["halve"] = "halve"
    every: int = Field(4, ge=1)

    def due(self, read: int) -> bool:
        return read % self.every == 0

    def survivors(self, read: int, alive: Alive) -> set[int]:
        return best(alive, len(alive) // 2)


class Drop(_Policy):
    """Every `every` tokens the `count` worst are dropped until one trace is left."""

    name: Literal["drop"] = "drop"
    count: int = Field(2, ge=1)
    every: int = Field(4, ge=1)

    def due(self, read: int) -> bool:
        return read % self.every == 0

    def survivors(self, read: int, alive: Alive) -> set[int]:
        return best(alive, len(alive) - self.count)


class Threshold(_Policy):
    """Every `every` tokens all whose score is below `least` are dropped, but for the best of them."""

    name: Literal["threshold"] = "threshold"
    least: float = 0.3
    every: int = Field(4, ge=1)

    def due(self, read: int) -> bool:
        return read % self.every == 0

    def survivors(self, read: int, alive: Alive) -> set[int]:
        return {trace for trace, score in alive.items() if score >= self.least} or best(alive, 1)


class Evidence(_Policy):
    """Every `every` tokens all are dropped whose evidence of a wrong end has reached 1 / `alpha`, but for the best one.

    The evidence is the odds of a wrong end over those before anything was read: with calibrated scores it is the
    likelihood ratio of what was read, an e-process while the trace ends right, so that it ever reaches 1 / `alpha` for
    at most `alpha` of the right traces however often they are looked at (Ville's inequality; after arXiv 2512.03109,
    where a classifier estimates the ratio). `slope` and `shift` calibrate: the log odds of a right end are `slope`
    times the score's, plus `shift`. `prior` is the share of right traces.
    """

    name: Literal["evidence"] = "evidence"
    alpha: float = Field(0.05, gt=0, le=1)
    every: int = Field(1, ge=1)
    slope: float = Field(1.0, gt=0)
    shift: float = 0.0
    prior: float = Field(0.5, gt=0, lt=1)

    def due(self, read: int) -> bool:
        return read % self.every == 0

    def survivors(self, read: int, alive: Alive) -> set[int]:
        # No running maximum: a trace that is alive has never reached the bound.
        bound = -math.log(self.alpha)
        return {trace for trace, score in alive.items() if self.log_evidence(score) < bound} or best(alive, 1)

    def log_evidence(self, score: float) -> float:
        """The logarithm of the evidence of a wrong end."""
        return _log_odds(self.prior) - self.slope * _log_odds(score) - self.shift


class DeepConf(_Policy):
    """The first `warm_up` traces run to their end; the rest stop when their lowest group confidence falls below the
    (1 - `eta`) quantile of the warm-up's (DeepConf online, arXiv 2508.15260; eta 0.1 "low", 0.9 "high")."""

    name: Literal["deepconf"] = "deepconf"
    warm_up: int = Field(4, ge=1)
    eta: float = Field(0.5, gt=0, lt=1)


Policy = Full | Keep | Halve | Drop | Threshold | Evidence | DeepConf
_KINDS: dict[str, type[Policy]] = {kind.model_fields["name"].default: kind for kind in get_args(Policy)}
NAMES = tuple(_KINDS)


def policy(text: str) -> Policy:
    """A policy as it is written on the command line: its name, and settings after a colon, as in keep:count=2,at=6.

    Raises:
        ThinkingError: the name or a setting is unknown, or out of range.
    """
    name, _, rest = text.partition(":")
    if name not in NAMES:
        raise ThinkingError(f"unknown policy {name!r}{did_you_mean(name, NAMES)}")
    settings: dict[str, Any] = {"name": name}
    for part in filter(None, rest.split(",")):
        key, _, value = part.partition("=")
        settings[key.strip()] = _number(value)
    kind = _KINDS[name]
    try:
        return kind.model_validate(settings)
    except ValidationError as error:
        raise ThinkingError(explain(error, kind, f"policy {text!r}")) from None


def _number(text: str) -> int | float | str:
    """Return the number that a text states; any other text as it is, which the settings refuse."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def label(policy: Policy) -> str:
    """The policy as it is written: its name and all of its settings."""
    settings = policy.model_dump(exclude={"name"})
    parts = [f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}" for key, value in settings.items()]
    return ":".join(filter(None, [policy.name, ",".join(parts)]))
