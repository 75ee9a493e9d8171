"""The `[protocol]` table of an experiment: how methods are tuned before they are compared, equally for all.

Stage 1 gives every method the same number of trials at the same quasi-random points, mapped through its own ranges and
judged on validation alone, by successive halving (Jamieson & Talwalkar 2016, arXiv 1502.07943) in seeds: the better
half of the trials is trained with more of them. A range of rates whose best lies at an end is extended there. Stage 2
trains each winner with the experiment's seeds, which no trial has seen, and reads the test split once. The idea is
AlgoPerf's external tuning ruleset (Dahl et al. 2023, arXiv 2306.07179).
"""

import hashlib
import json
import math
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, field_validator, model_validator

from rlvr_bench.experiment.seeds import LARGEST_SEED, distinct_seeds
from rlvr_bench.plugins.settings import Settings
from rlvr_bench.stats.points import POINTS, Points

MIN_FINAL_SEEDS = 3
RULES = 1
"""Raised when a change of this package changes which trials a protocol asks for, or which of them wins."""

SAMPLER: Literal["qmc"] = "qmc"

LATER_SETTINGS: dict[str, Any] = {"stop_dead": None}
"""Settings that came later, as they were before: so they stand in no hash."""

WITHOUT_HALVING: dict[str, Any] = {"halving": (), "extensions": 0, "spread_rates": False}
"""The settings of a protocol in two stages without more: every trial alike, the best one wins."""


class Rung(NamedTuple):
    """The trials left at a halving, and the seeds that each of them has been trained with by then."""

    trials: int
    seeds: int


class Protocol(Settings):
    """How each method of an experiment is tuned."""

    trials: int = Field(8, ge=2, le=10_000, description="trials of each method")
    seed: int = Field(0, ge=0, le=LARGEST_SEED, description="seed of the quasi-random points")
    trial_seeds: tuple[int, ...] = Field((100,), min_length=1, description="seeds of a trial; no seed of stage 2")
    trial_steps: int | None = Field(
        None, ge=1, description="optimizer steps of a trial; all of signal.steps if not given"
    )
    halving: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (2, 3),
        description="seeds that the better half of the trials left is trained with in addition, halving by halving, "
        "while two or more are left; empty: every trial has its trial_seeds alone",
    )
    extensions: int = Field(
        3, ge=0, le=10, description="times that a range of rates is extended by two trials where its best is at an end"
    )
    spread_rates: bool = Field(
        True, description="spread the final seeds over the rates of the last trials left that are as good on validation"
    )
    stop_dead: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="stop a trial once no completion was right over this share of its steps, though some were before; "
        "it cannot win. Without it every trial is trained to its end",
    )
    judged_by: Literal["greedy", "avg_k"] = "greedy"
    """The validation accuracy that a trial is judged by: greedy, or the mean of `evaluate.samples` completions."""

    @field_validator("trial_seeds")
    @classmethod
    def _seeds_are_distinct(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        return distinct_seeds(seeds)

    @model_validator(mode="after")
    def _seeds_do_not_run_out(self) -> "Protocol":
        if max(self.seeds) > LARGEST_SEED:
            raise ValueError(f"trial_seeds and halving reach seed {max(self.seeds)}, above {LARGEST_SEED}; lower them")
        return self

    @property
    def rungs(self) -> tuple["Rung", ...]:
        """How many trials are trained with how many seeds, from all trials to the last ones left."""
        found, trials, seeds = [Rung(self.trials, len(self.trial_seeds))], self.trials, len(self.trial_seeds)
        for more in self.halving:
            trials, seeds = math.ceil(trials / 2), seeds + more
            if trials > 1:
                found.append(Rung(trials, seeds))
        return tuple(found)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of a trial that is never dropped: `trial_seeds`, then those that follow the largest of them."""
        largest, more = max(self.trial_seeds), self.rungs[-1].seeds - len(self.trial_seeds)
        return *self.trial_seeds, *range(largest + 1, largest + 1 + more)

    @property
    def cells_of_a_study(self) -> int:
        """Cells that the trials of one method are, without extensions."""
        before = (0, *(rung.seeds for rung in self.rungs))
        return sum(rung.trials * (rung.seeds - seeds) for rung, seeds in zip(self.rungs, before, strict=False))

    @property
    def points(self) -> Points:
        """The points of all methods, shape (trials, DIMENSIONS)."""
        return POINTS[SAMPLER](self.trials, self.seed)

    @property
    def hash(self) -> str:
        """First 12 hex digits of the SHA-256 of what is the same for all methods: table, points, rules."""
        # What is as it was before there was such a setting is left out, so that theirs keep their hashes.
        before = {
            name: value for name, value in (WITHOUT_HALVING | LATER_SETTINGS).items() if getattr(self, name) == value
        }
        settings = self.model_dump(mode="json", exclude=set(before))
        content = {"rules": RULES, "points": self.points.round(6).tolist()} | settings
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


class Tuning(Settings):
    """How the settings of a final cell were found; part of the cell, so that its record says so."""

    protocol: str = Field(description="hash of the protocol")
    trials: int
    sampler: Literal["qmc"] = SAMPLER
    space: dict[str, Any] = Field(description="the dials that were searched")
    cells: tuple[tuple[str, ...], ...] = Field(description="ids of the trials' cells, by trial and seed")
    validation: tuple[float | None, ...] = Field(description="validation accuracy by trial; None if it cannot win")
    ranking: tuple[int, ...] = Field(description="numbers of the trials that can win, the winner first")
    tied: int = Field(description="trials as accurate as the winner, itself left out")
    spread: tuple[float, ...] = Field((), description="rates that the final seeds are spread over, the winner's first")

    @property
    def identity(self) -> dict[str, Any]:
        """What of it enters the id of a cell."""
        return {"protocol": self.protocol, "trials": self.cells}
