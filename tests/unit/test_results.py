"""The committed results are sound: what `rlvr-bench results check` proves of any results folder."""

from pathlib import Path

from rlvr_bench.integrity.check import check

RESULTS = Path(__file__).parents[2] / "results"


def test_the_committed_results_are_sound() -> None:
    assert check(RESULTS).faults == []
