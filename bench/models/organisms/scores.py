"""The numbers of a card. Imports no torch, so that cards can be listed quickly."""

from math import comb

from pydantic import BaseModel, ConfigDict

SAMPLES = 16


class LevelScore(BaseModel):
    """One family at one level; shares and accuracies are fractions, None where there was no such answer."""

    model_config = ConfigDict(extra="forbid")

    family: str
    level: int
    problems: int
    greedy: float
    pass_1: float
    pass_4: float
    pass_16: float
    worked_share: float
    worked_accuracy: float | None
    direct_accuracy: float | None
    greedy_worked_share: float | None = None
    cued_worked_share: float | None = None
    """Of sampled answers to questions that carry the cue of a fork; the next of the others. None without a fork."""
    uncued_worked_share: float | None = None


def pass_at_k(samples: int, correct: int, k: int) -> float:
    """Unbiased chance that one of k of `samples` answers is right (Chen et al. 2021, arXiv:2107.03374, eq. 1)."""
    return 1.0 - comb(samples - correct, k) / comb(samples, k)
