"""Comparisons of trace scorers that an older version stored are read in today's keys, and nothing is lost."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from rlvr_bench.report.material import gather
from rlvr_bench.studies.evidence import evidence_of
from rlvr_bench.thinking.documents import SCHEMA_VERSION, as_text, upgraded

RESULTS = Path(__file__).parents[2] / "results"

OLD: dict[str, Any] = {
    "schema_version": 1,
    "base": "organism-steps",
    "settings": {"traces": {"samples": 4}, "verifier": {"seed": 2}},
    "verifiers": [{"name": "otv", "auroc": 0.9}],
    "frontier": [{"policy": "full", "verifier": None}, {"policy": "keep", "verifier": "otv", "accuracy": 0.5}],
    "transfer": [{"to": "sums", "verifiers": [{"name": "otv"}]}],
    "traces": {"test": {"verifier_errors": 0.25}},
}

NEW: dict[str, Any] = {
    "schema_version": 2,
    "base": "organism-steps",
    "settings": {"traces": {"samples": 4}, "scorer": {"seed": 2}},
    "scorers": [{"name": "otv", "auroc": 0.9}],
    "frontier": [{"policy": "full", "scorer": None}, {"policy": "keep", "scorer": "otv", "accuracy": 0.5}],
    "transfer": [{"to": "sums", "scorers": [{"name": "otv"}]}],
    "traces": {"test": {"verifier_errors": 0.25}},  # of grading: how often the task's verifier failed
}


def test_a_document_of_version_1_is_read_in_the_keys_of_version_2() -> None:
    before = deepcopy(OLD)
    assert upgraded(OLD) == NEW
    assert before == OLD


def test_a_document_of_today_is_left_alone() -> None:
    assert upgraded(NEW) is NEW


def test_findings_and_the_report_read_an_old_document_as_a_new_one(tmp_path: Path) -> None:
    (tmp_path / "thinking").mkdir()
    (tmp_path / "thinking" / "old.json").write_text(json.dumps(OLD))
    (evidence,) = evidence_of(tmp_path, ([], []))
    assert evidence.thinking == (NEW,)
    assert gather(tmp_path).frontiers == {"old": NEW}


def test_a_document_is_written_with_a_line_for_each_entry_and_read_back_whole() -> None:
    document = NEW | {"transfer": [], "frontier": [{"policy": f"keep {n}", "shares": [0.5] * 1000} for n in range(3)]}
    text = as_text(document)
    assert json.loads(text) == document
    points = [line for line in text.splitlines() if "shares" in line]
    assert [json.loads(line.rstrip(",")) for line in points] == document["frontier"]


@pytest.mark.parametrize("path", sorted((RESULTS / "thinking").rglob("*.json")), ids=lambda path: path.stem)
def test_committed_documents_are_of_this_version(path: Path) -> None:
    assert json.loads(path.read_text())["schema_version"] == SCHEMA_VERSION
