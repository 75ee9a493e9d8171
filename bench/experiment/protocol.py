"""The `[protocol]` table of an experiment: how methods are tuned before they are compared, equally for all.

Stage 1 gives every method the same number of trials at the same quasi-random points, mapped through its own ranges and
judged on validation alone. Stage 2 trains each winner with the experiment's seeds, which no trial has seen, and reads
the test split once. The idea is AlgoPerf's external tuning ruleset (Dahl et al. 2023, arXiv 2306.07179).
"""

import hashlib
import json
from typing import Any, Literal

from pydantic import Field, field_validator

from rlvr_bench.experiment.seeds import LARGEST_SEED, distinct_seeds
from rlvr_bench.plugins.settings import Settings
from rlvr_bench.stats.points import POINTS, Points

MIN_FINAL_SEEDS = 3
RULES = 1
"""Raised when a change of this package changes which trials a protocol asks for, or which of them wins."""

SAMPLER: Literal["qmc"] = "qmc"


class Protocol(Settings):
    """How each method of an experiment is tuned."""

    trials: int = Field(8, ge=2, le=10_000, description="trials of each method")
    seed: int = Field(0, ge=0, le=LARGEST_SEED, description="seed of the quasi-random points")
    trial_seeds: tuple[int, ...] = Field((100,), min_length=1, description="seeds of a trial; no seed of stage 2")
    trial_steps: int | None = Field(
        None, ge=1, description="optimizer steps of a trial; all of signal.steps if not given"
    )
    judged_by: Literal["greedy", "avg_k"] = "greedy"
    """The validation accuracy that a trial is judged by: greedy, or the mean of `evaluate.samples` completions."""

    @field_validator("trial_seeds")
    @classmethod
    def _seeds_are_distinct(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        return distinct_seeds(seeds)

    @property
    def points(self) -> Points:
        """The points of all methods, shape (trials, DIMENSIONS)."""
        return POINTS[SAMPLER](self.trials, self.seed)

    @property
    def hash(self) -> str:
        """First 12 hex digits of the SHA-256 of what is the same for all methods: table, points, rules."""
        content = {"rules": RULES, "points": self.points.round(6).tolist()} | self.model_dump(mode="json")
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

    @property
    def identity(self) -> dict[str, Any]:
        """What of it enters the id of a cell."""
        return {"protocol": self.protocol, "trials": self.cells}
