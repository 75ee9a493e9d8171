"""Two thresholds with controlled risk: kept over many draws, also where uncertain answers get a second round."""

import numpy as np
import pytest

from rlvr_bench.stats.random_effects import Floats
from rlvr_bench.thinking.states import NEVER, Thresholds, thresholds

RISK = 0.1
Drawn = tuple[list[Floats], list[Floats]]


def _drawn(problems: int, traces: int, rounds: int, source: np.random.Generator) -> Drawn:
    """Values that are the chance to be right, correlated within a problem; a later round's are sharper."""
    level = source.normal(size=(problems, 1))
    values = [1 / (1 + np.exp(-4 * (level + source.normal(0.5 * k, 1, (problems, traces))))) for k in range(rounds)]
    return values, [(source.random(each.shape) < each).astype(float) for each in values]


def _risks(found: Thresholds, drawn: Drawn) -> tuple[float, float]:
    """A recount: wrong among kept in any round, dropped in the last among right."""
    wrong = kept = 0.0
    values, right = drawn
    for row in range(len(values[0])):
        for trace in range(values[0].shape[1]):
            for value, correct in zip(values, right, strict=True):
                if value[row, trace] >= found.keep:
                    kept, wrong = kept + 1, wrong + (1 - correct[row, trace])
                    break
    lost = (right[-1] * (values[-1] < found.drop)).sum()
    return wrong / max(kept, 1), lost / right[-1].sum()


@pytest.mark.parametrize(("traces", "rounds"), [(1, 1), (6, 1), (1, 2)])
def test_both_risks_are_kept_in_at_least_95_percent_of_calibrations(traces: int, rounds: int) -> None:
    source, draws = np.random.default_rng(0), 300
    truth = _drawn(4000, traces, rounds, source)
    known: dict[Thresholds, bool] = {}
    broken = used = 0
    for _ in range(draws):
        found = thresholds(*_drawn(500, traces, rounds, source), RISK, 0.95)
        if found not in known:
            known[found] = max(_risks(found, truth)) > RISK + 0.005  # the recount's own error
        broken, used = broken + known[found], used + (found.keep < NEVER and found.drop > 0)
    assert broken / draws <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / draws)
    assert used > draws / 2  # not kept by never deciding


def test_states_and_what_cannot_be_promised() -> None:
    found = Thresholds(0.8, 0.2)
    assert [found.state(value) for value in (0.1, 0.2, 0.79, 0.8)] == ["drop", "uncertain", "uncertain", "keep"]
    few = [np.ones((10, 1))]
    assert thresholds(few, few, 0.05, 0.95) == Thresholds(NEVER, 0.0)
    assert thresholds([np.ones((0, 1))], [np.ones((0, 1))], 0.05, 0.95) == Thresholds(NEVER, 0.0)
    many = [np.full((400, 1), 0.7)]
    assert thresholds(many, [np.ones((400, 1))], 0.05, 0.95).keep == 0.1
