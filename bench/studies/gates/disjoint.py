"""Do all of several disjoint masks succeed? The worst of them decides."""

from collections.abc import Sequence

from rlvr_bench.studies.contrasts import PROBLEMS, SAME, contrast, greedy_outcomes
from rlvr_bench.studies.errors import NoEvidence
from rlvr_bench.studies.evidence import Evidence, Where
from rlvr_bench.studies.finding import Finding, Interval, Settings

PART = "method.part"


def worst_accuracy_difference(evidence: Evidence, a: Where, b: Where, match: Sequence[str] = SAME) -> Finding:
    """Test accuracy of the worst of the masks among runs `a`, by their part, minus that of runs `b`.

    "All succeed" is an intersection of hypotheses: it holds at a level if each does at that level (Berger 1982,
    Technometrics 24:295), so that the lower end is the lowest of the parts' own and none is corrected.
    """
    runs = evidence.select(a)
    parts = sorted({int(run.setting(PART) or 0) for run in runs})
    if len(parts) < 2:
        raise NoEvidence(f"{len(parts)} mask, of which none is the worst")
    keys = (*match, PROBLEMS)
    each = [contrast(evidence, greedy_outcomes, "a greedy test score", {**a, PART: part}, b, keys) for part in parts]
    worst = min(each, key=lambda found: found.estimate)
    lows, highs = [found.low for found in each], [found.high for found in each]
    known = all(low is not None for low in lows)
    low = min(low for low in lows if low is not None) if known else None
    high = min(high for high in highs if high is not None) if known else None
    others = evidence.select(b)
    return Finding.of(
        Interval(worst.estimate, low, high),
        runs,
        [run for run in others if run.record.cell_id in {cell for found in each for cell in found.cells}],
        note=f"the worst of {len(parts)} parts",
        settings=Settings(len(parts), worst.estimate, max(found.estimate for found in each), None),
    )
