"""Two kinds of runs at the same place of a scale, such as the same size of update or the same accuracy.

Runs `b` at several learning rates are taken as a curve of a figure over the scale, and each run of `a` is compared with
the curve of its own seed at its own place. A run beyond the ends of the curve has no counterpart and is left out.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from rlvr_bench.stats.hierarchical import Value
from rlvr_bench.studies.contrasts import Figure, Valued, having, over_seeds, paired_strata
from rlvr_bench.studies.errors import NoEvidence
from rlvr_bench.studies.evidence import Evidence, EvidenceRun, Where
from rlvr_bench.studies.finding import Finding

Place = Callable[[EvidenceRun], float | None]
"""Where on the scale a run stands."""

Point = tuple[float, Value]


def difference_at_equal(
    evidence: Evidence, figure: Figure, place: Place, scale: str, a: Where, b: Where, match: Sequence[str]
) -> Finding:
    """Mean difference of a figure between runs `a` and runs `b` of the same seed and place.

    It is averaged over the runs of a setting, then over settings; seeds and, for accuracies, problems are random.
    `scale` names the scale where runs have to be left out.
    """
    differences: list[Valued] = []
    sides: tuple[list[EvidenceRun], list[EvidenceRun]] = ([], [])
    beyond = 0
    points = {
        run.record.cell_id: (at, value)
        for where in (a, b)
        for run, value in having(evidence.select(where), figure, "the figure that is compared")
        if (at := place(run)) is not None
    }
    for ones, others in paired_strata(evidence.select(a), evidence.select(b), (*match, "seed")):
        curve = sorted((points[run.record.cell_id] for run in others if run.record.cell_id in points), key=_place_of)
        for run in ones:
            point = points.get(run.record.cell_id)
            if point is None or len(curve) < 2 or not curve[0][0] <= point[0] <= curve[-1][0]:
                beyond += 1
                continue
            differences.append((run, point[1] - _interpolated(curve, point[0])))
            sides[0].append(run)
            sides[1].extend(others)
    if not differences:
        raise NoEvidence(f"none of {beyond} runs has {scale} between those of two runs to compare it with")
    note = f"{beyond} runs have no counterpart of their {scale}" if beyond else ""
    found = over_seeds(differences, note=note)
    return replace(Finding.of(found, *sides, note=note), settings=found.settings)


def _place_of(point: Point) -> float:
    return point[0]


def _interpolated(curve: Sequence[Point], place: float) -> Value:
    """Return the value at a place between the first and the last of two or more points, linearly."""
    right = next(at for at in range(1, len(curve)) if place <= curve[at][0])
    (left_place, left), (right_place, value) = curve[right - 1], curve[right]
    share = (place - left_place) / (right_place - left_place) if right_place > left_place else 1.0
    return left.times(1 - share) + value.times(share)
