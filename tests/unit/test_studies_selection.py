"""Which runs a claim's choice selects: the same as looking at each run by itself."""

from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from record_factory import record

from rlvr_bench.studies.errors import NoEvidence
from rlvr_bench.studies.evidence import Evidence, EvidenceRun, value_at

VALUES = st.sampled_from([None, True, 1, 1.0, "1", "lora", "lora-plus", [1], [1, 2]])
PATTERNS = st.one_of(VALUES, st.sampled_from(["lora*", "*", "?*", [1, "lora"], [[1], "1"]]))


def run_with(place: int, **settings: Any) -> EvidenceRun:
    made = record("lora", place)
    cell = made.cell | {"extra": settings}
    return EvidenceRun(made.model_copy(update={"cell": cell, "cell_id": f"{place:012x}"}))


def fits(value: Any, pattern: Any) -> bool:
    """Say what a pattern means, independently: equal, any of a list, or a glob on the text."""
    if isinstance(pattern, list):
        return value == pattern or any(fits(value, one) for one in pattern)
    if isinstance(pattern, str):
        return fnmatchcase("" if value is None else str(value), pattern)
    return bool(value == pattern)


@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=6), PATTERNS, PATTERNS)
def test_a_selection_is_what_looking_at_each_run_gives(settings: list[tuple[Any, Any]], one: Any, other: Any) -> None:
    runs = tuple(run_with(place, a=a, b=b) for place, (a, b) in enumerate(settings))
    evidence = Evidence("organism-steps", runs)
    expected = [
        run.record.cell_id
        for run in runs
        if fits(value_at(run.record.cell, "extra.a"), one) and fits(value_at(run.record.cell, "extra.b"), other)
    ]
    for _ in range(2):  # what was looked up before is found again
        try:
            found = [run.record.cell_id for run in evidence.select({"extra.a": one, "extra.b": other})]
        except NoEvidence:
            found = []
        assert found == expected


def test_runs_with_an_intervention_count_only_where_they_are_asked_for() -> None:
    changed = run_with(1)
    changed = EvidenceRun(
        changed.record.model_copy(update={"cell": changed.record.cell | {"interventions": {"rotate_heads": {}}}})
    )
    evidence = Evidence("organism-steps", (run_with(0), changed))
    assert [run.seed for run in evidence.select({})] == [0]
    assert [run.seed for run in evidence.select({"interventions.rotate_heads": {}})] == [1]
    with pytest.raises(NoEvidence, match="seed = 1"):
        evidence.select({"seed": 1})
