"""Findings: the page says what the verdicts are, and the committed ones are what the records give."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from claim_evidence import WRITTEN, planted

from rlvr_bench.studies.claim import Claim
from rlvr_bench.studies.derive import derive, judge_all
from rlvr_bench.studies.page import as_markdown, interval, standing

RESULTS = Path(__file__).parents[2] / "results"


def test_the_page_states_its_false_discovery_rate() -> None:
    strong, weak = planted(0.2, seeds=8), replace(planted(0.02, seeds=3), base="other")
    entries = judge_all([Claim.model_validate(WRITTEN)], [strong, weak])
    ps = [entry["p"]["threshold"] for entry in entries]
    assert [entry["q"] for entry in entries] == pytest.approx([min(2 * ps[0] * 1.5, 1), min(ps[1] * 1.5, 1)], rel=1e-4)
    page = as_markdown(entries)
    assert "of 1 verdicts hold" in page or "of 2 verdicts hold" in page
    assert "over all 2 tests" in page


def test_the_page_holds_what_files_say_as_text() -> None:
    named = Claim.model_validate(WRITTEN | {"claim": "a | b <script>\nc"})
    page = as_markdown(judge_all([named], [planted(0.2)]))
    assert "a \\| b &lt;script> c" in page
    assert "**1 claim supported by every base model that decides them**" in page


@pytest.mark.parametrize(
    ("ends", "shown"),
    [
        ((0.999825, 0.999393, 1.00026), "0.99982 [0.99939, 1.0003]"),
        ((0.404733, -1.77555, 2.58502), "0.405 [-1.78, 2.59]"),
        ((2.5, 0.5, None), "2.5 [0.5, ∞]"),
        ((0.0, 0.0, 0.0), "0 [0, 0]"),
        ((0.25, None, None), "0.25"),
        ((None, None, None), "–"),
    ],
)
def test_an_estimate_has_the_digits_that_its_interval_needs(ends: tuple[float | None, ...], shown: str) -> None:
    assert interval(dict(zip(("estimate", "low", "high"), ends, strict=True))) == shown


def test_a_claim_stands_as_the_base_models_that_decide_it_say() -> None:
    said = {
        ("supported", "undecided"): "supported",
        ("contradicted", "contradicted"): "contradicted",
        ("supported", "contradicted", "undecided"): "mixed",
        ("undecided",): "undecided",
        ("negligible", "undecided"): "negligible",
        ("supported", "negligible"): "mixed",
    }
    for verdicts, expected in said.items():
        assert standing([{"verdict": verdict} for verdict in verdicts]) == expected


def test_the_page_has_a_line_per_claim_with_a_cell_per_base() -> None:
    moved = [planted(0.2), replace(planted(-0.2), base="other")]
    page = as_markdown(judge_all([Claim.model_validate(WRITTEN | {"topic": "Weights"})], moved))
    (line,) = [line for line in page.splitlines() if line.startswith("| W1 |")]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[:3] == ["W1", "a is larger", "> 0"]
    assert cells[3].startswith("✓ 0.") and cells[4].startswith("✗ -0.") and cells[4].endswith("(4 seeds)")
    assert "## Weights" in page


def test_the_committed_findings_are_what_the_records_give(tmp_path: Path) -> None:
    (tmp_path / "records").symlink_to(RESULTS / "records")
    if (RESULTS / "thinking").is_dir():
        (tmp_path / "thinking").symlink_to(RESULTS / "thinking")
    entries = derive(tmp_path)
    assert entries == json.loads((RESULTS / "findings.json").read_text())
    for name in ("findings.json", "findings.md"):
        assert (tmp_path / name).read_text() == (RESULTS / name).read_text()
