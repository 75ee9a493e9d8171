"""Before more seeds: how far from its threshold a claim is decided at each number of seeds, and what that costs.

The spread is that at hand. What of it lies between problems stays as it is, whatever the number of seeds; where a
verdict does not tell the two apart, all of its interval is taken as spread over seeds. A spread of three or five seeds
is itself uncertain and often too small, so that each distance stands twice: at the spread that was seen, and at the
upper end of its one-sided 80 % interval, by which seeds are to be chosen (Browne 1995, Statistics in Medicine 14,
1933). Everything here is a forecast; the verdict is of the interval that then comes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

from scipy.special import nctdtrinc, stdtrit

from rlvr_bench.record.schema import RunRecord
from rlvr_bench.stats.estimate import sd_bound
from rlvr_bench.stats.looks import LOOKS
from rlvr_bench.studies.errors import FindingsError
from rlvr_bench.studies.finding import CONFIDENCE

POWER = 0.8

ASSURANCE = 0.8
"""Share of pilots whose cautious spread is no smaller than the true one."""


@dataclass(frozen=True, slots=True)
class Distance:
    """A true distance from the threshold that is decided in 80 % of repetitions, in the claim's unit.

    Attributes:
        at_seen: if the spread over seeds is what was seen.
        cautious: if it is at the upper end of its one-sided 80 % interval.
    """

    at_seen: float
    cautious: float


@dataclass(frozen=True, slots=True)
class ClaimPower:
    """What a claim needs on one base.

    Attributes:
        seeds: at hand, of the side with the fewest.
        margin: the claim's own: a distance that matters; 0 where it has none.
        distances: by number of seeds, what is decided; empty where no interval is at hand.
        minutes: by number of seeds, of all its cells, at the seconds that they took.
    """

    claim: str
    base: str
    verdict: str
    seeds: int
    margin: float
    distances: Mapping[int, Distance]
    minutes: Mapping[int, float]

    @property
    def seeds_for_margin(self) -> int | None:
        """The first number of seeds whose cautious distance is within the margin; None if none is, or it has none."""
        enough = (seeds for seeds, distance in self.distances.items() if distance.cautious <= self.margin)
        return next(enough, None) if self.margin else None

    def as_document(self) -> dict[str, Any]:
        """Return it as JSON-able data."""
        return {
            "claim": self.claim,
            "base": self.base,
            "verdict": self.verdict,
            "seeds": self.seeds,
            "margin": self.margin,
            "seeds_for_margin": self.seeds_for_margin,
            "looks": [
                {
                    "seeds": seeds,
                    "decided_distance": distance.at_seen,
                    "cautious_distance": distance.cautious,
                    "core_minutes": self.minutes.get(seeds),
                }
                for seeds, distance in self.distances.items()
            ],
        }


def claim_power(name: str, entries: Iterable[Mapping[str, Any]], records: Sequence[RunRecord]) -> list[ClaimPower]:
    """Return what a claim needs on each base that it is judged on.

    Args:
        name: the claim's id.
        entries: verdicts, as findings.json holds them.
        records: of the results that they were derived from.

    Raises:
        FindingsError: no verdict has this id.
    """
    judged = [entry for entry in entries if entry["id"] == name]
    if not judged:
        raise FindingsError(f'no verdict on a claim "{name}"; rlvr-bench findings lists all claims')
    seconds = {
        record.cell_id: sum(v or 0.0 for k, v in record.cost.seconds.items() if "/" not in k) for record in records
    }
    return [_forecast(entry, seconds) for entry in judged]


def _forecast(entry: Mapping[str, Any], seconds: Mapping[str, float]) -> ClaimPower:
    seeds = min(entry["sides"], default=len(entry["seeds"]))
    distances = dict[int, Distance]()
    if entry["low"] is not None and seeds > 1:
        half = (entry["high"] - entry["low"]) / 2
        whole = {"seeds": half / stdtrit(seeds - 1, (1 + CONFIDENCE) / 2), "problems": 0.0}
        errors = entry.get("errors") or whole
        error_of_one, over_problems = errors["seeds"] * sqrt(seeds), errors["problems"]
        upper = error_of_one * sd_bound(seeds - 1, ASSURANCE)
        distances = {
            look: Distance(*(decided_distance(error, look, over_problems) for error in (error_of_one, upper)))
            for look in LOOKS
        }
    per_seed = sum(seconds.get(cell, 0.0) for cell in entry["cells"]) / max(len(entry["seeds"]), 1)
    minutes = {look: per_seed * look / 60 for look in LOOKS} if per_seed else {}
    base = str(entry.get("base") or "")
    return ClaimPower(entry["id"], base, entry["verdict"], seeds, entry["margin"], distances, minutes)


def decided_distance(error_of_one: float, seeds: int, over_problems: float = 0.0) -> float:
    """Return the true distance from a threshold that a two-sided 95 % interval excludes in 80 % of repetitions.

    By the noncentral t distribution.

    Args:
        error_of_one: standard deviation of the estimate of a single seed.
        seeds: two or more.
        over_problems: standard error of the estimate that lies between problems.
    """
    error = sqrt(error_of_one**2 / seeds + over_problems**2)
    return float(nctdtrinc(seeds - 1, 1 - POWER, stdtrit(seeds - 1, (1 + CONFIDENCE) / 2)) * error)
