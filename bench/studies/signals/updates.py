"""How the updates of runs under different signals lie to each other: cosines from their sketches.

Runs of one seed are compared, so that both sides saw problems drawn alike; the interval is a jackknife over seeds,
since cosines of several settings share their seeds.
"""

from collections.abc import Callable, Sequence
from statistics import fmean

from rlvr_bench.geometry.packed_sketches import Sketch, cosine, unpack_sketch
from rlvr_bench.studies.contrasts import SAME, jackknife, paired_strata
from rlvr_bench.studies.errors import NoEvidence
from rlvr_bench.studies.evidence import Evidence, EvidenceRun, Where
from rlvr_bench.studies.finding import Finding

ALIKE = (*SAME, "method_name")
"""What two runs must share, beside the seed, for their updates to be compared."""

Groups = list[tuple[dict[int, EvidenceRun], ...]]
"""Of each stratum the runs of every side by seed."""


def update_cosine(evidence: Evidence, a: Where, b: Where, match: Sequence[str] = ALIKE) -> Finding:
    """Mean cosine between the updates of runs `a` and `b` of the same seed."""
    groups = _groups([_sketched(evidence, a), _sketched(evidence, b)], match)
    return _over_seeds(groups, lambda pair, seed: _cosine(pair[0][seed], pair[1][seed]))


def update_cosine_difference(
    evidence: Evidence, a: Where, b: Where, plain: Where, match: Sequence[str] = ALIKE
) -> Finding:
    """Mean cosine of runs `a` with runs `plain` minus that of runs `b` with them, all of the same seed."""
    groups = _groups([_sketched(evidence, where) for where in (a, b, plain)], match)
    return _over_seeds(
        groups, lambda three, seed: _cosine(three[0][seed], three[2][seed]) - _cosine(three[1][seed], three[2][seed])
    )


def update_cosine_below_ceiling(evidence: Evidence, a: Where, b: Where, match: Sequence[str] = ALIKE) -> Finding:
    """Mean cosine of runs `a` and `b` of one seed minus that of runs `a` of two seeds, which noise keeps below 1."""
    groups = _groups([_sketched(evidence, a), _sketched(evidence, b)], match)

    def below(pair: tuple[dict[int, EvidenceRun], ...], seed: int) -> float:
        others = [run for other, run in pair[0].items() if other != seed]
        return _cosine(pair[0][seed], pair[1][seed]) - fmean(_cosine(pair[0][seed], run) for run in others)

    if any(len(pair[0]) < 2 for pair in groups):
        raise NoEvidence("one seed has no other to compare its update with")
    return _over_seeds(groups, below)


def _over_seeds(groups: Groups, of_seed: Callable[[tuple[dict[int, EvidenceRun], ...], int], float]) -> Finding:
    sides = [[run for group in groups for run in group[side].values()] for side in range(len(groups[0]))]

    def figure(seeds: Sequence[int]) -> float:
        kept = [tuple({s: run for s, run in side.items() if s in seeds} for side in group) for group in groups]
        return fmean(fmean(of_seed(group, seed) for seed in group[0]) for group in kept if group[0])

    return Finding.of(jackknife([run for side in sides for run in side], figure), *sides)


def _groups(sides: Sequence[Sequence[EvidenceRun]], match: Sequence[str]) -> Groups:
    """Return the strata of the sides, each reduced to the seeds that all of its sides have; two seeds at least."""
    first, *others = sides
    strata = [dict(_keyed(paired_strata(first, other, match), match)) for other in others]
    groups: Groups = []
    for key in strata[0]:
        if all(key in each for each in strata):
            runs = [strata[0][key][0], *(each[key][1] for each in strata)]
            by_seed = [{run.seed: run for run in side} for side in runs]
            shared = set.intersection(*(set(side) for side in by_seed))
            if len(shared) > 1:
                groups.append(tuple({seed: side[seed] for seed in sorted(shared)} for side in by_seed))
    if not groups:
        raise NoEvidence("no two seeds have runs of all sides with a sketch of their update")
    return groups


def _keyed(
    strata: Sequence[tuple[list[EvidenceRun], list[EvidenceRun]]], match: Sequence[str]
) -> list[tuple[str, tuple[list[EvidenceRun], list[EvidenceRun]]]]:
    return [(repr([pair[0][0].setting(name) for name in match]), pair) for pair in strata]


def _sketched(evidence: Evidence, where: Where) -> list[EvidenceRun]:
    runs = [run for run in evidence.select(where) if run.record.measurement("update_sketch")]
    if not runs:
        raise NoEvidence("no record has a sketch of its update")
    return runs


def _sketch(run: EvidenceRun) -> Sketch:
    return unpack_sketch((run.record.measurement("update_sketch") or {})["sketch"])


def _cosine(one: EvidenceRun, other: EvidenceRun) -> float:
    found = cosine(_sketch(one), _sketch(other))
    if found is None:
        raise NoEvidence(f"cell {one.record.cell_id} or {other.record.cell_id} did not move")
    return found
