"""Evidence: which records a claim is judged on, by their settings, geometry and result schema."""

from pathlib import Path

import pytest
from claim_evidence import evidence_of, measured
from record_factory import record

from rlvr_bench.record import store
from rlvr_bench.studies.errors import FindingsError, NoEvidence
from rlvr_bench.studies.evidence import EvidenceRun, gather


def test_runs_on_a_changed_geometry_are_left_out_unless_asked_for() -> None:
    plain = measured("lora", 0, sparsity_bf16=0.1)
    turned = plain.model_copy(update={"cell": plain.cell | {"interventions": {"rotate_heads": {"layers": [1]}}}})
    evidence = evidence_of([plain, turned])
    assert evidence.select({}) == [EvidenceRun(plain)]
    assert evidence.select({"interventions.rotate_heads": "?*"}) == [EvidenceRun(turned)]
    with pytest.raises(NoEvidence, match="no records with seed = 7"):
        evidence.select({"seed": 7})


def test_runs_of_two_result_schemas_are_not_judged_together(tmp_path: Path) -> None:
    old, new = ([record("lora", seed) for seed in seeds] for seeds in ((0, 1, 2), (3, 4)))
    for schema, runs in ((2, old), (3, new)):
        for run in runs:
            cell = run.cell | {"result_schema": schema}
            store.write_run(tmp_path, run.model_copy(update={"cell": cell}), [])
    newest, older = gather(tmp_path)
    assert (newest.schema, [run.seed for run in newest.select({})]) == (3, [3, 4])
    assert (older.schema, [run.seed for run in older.select({})]) == (2, [0, 1, 2])


def test_a_broken_record_or_report_stops_the_verdicts(tmp_path: Path) -> None:
    path = store.write_run(tmp_path, record("lora"), [])
    assert [each.base for each in gather(tmp_path)] == [str(record("lora").keys.base["name"])]
    (tmp_path / "thinking").mkdir()
    (tmp_path / "thinking" / "one.json").write_text('{"base": "smollm2", "accuracy": 1}')
    assert [each.base for each in gather(tmp_path) if each.thinking] == ["smollm2"]
    (tmp_path / "thinking" / "one.json").write_text("[]")
    with pytest.raises(FindingsError, match=r"one\.json"):
        gather(tmp_path)
    path.write_text("{")
    with pytest.raises(FindingsError, match=r"run\.json: not valid JSON"):
        gather(tmp_path)
