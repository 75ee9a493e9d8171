"""`compare`: two rows, two runs or two folders side by side."""

import json
from pathlib import Path
from typing import Any

import pytest
from record_factory import outcomes, record
from typer.testing import CliRunner

from rlvr_bench.cli.main import app
from rlvr_bench.cli.views.pair import sparkline
from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.record.schema import StepRecord
from rlvr_bench.record.store import write_run
from rlvr_bench.report.pair import differing, pair_document, pairs, sides


@pytest.fixture
def results(tmp_path: Path) -> Path:
    for seed in (0, 1, 2):
        for method, share in (("lora", 0.6), ("full", 0.7)):
            one = record(
                method, seed, outcomes(share, seed=seed + (10 if method == "full" else 0)), settings={"rank": 8}
            )
            steps = [StepRecord(step=n, reward=n / 10 * share, kl=0.1 * n) for n in range(1, 5)]
            write_run(tmp_path, one, steps)
    return tmp_path


def _compare(*words: str) -> Any:
    return CliRunner().invoke(app, ["compare", *words], catch_exceptions=False)


def test_rows_give_the_mean_difference_and_one_of_each_seed(results: Path) -> None:
    (document,) = json.loads(_compare("full", "lora", "--results", str(results), "--json").stdout)
    by_seed = [row["difference"]["mean"] for row in document["seeds"]]
    assert [row["seed"] for row in document["seeds"]] == [0, 1, 2]
    assert document["difference"]["mean"] == pytest.approx(sum(by_seed) / 3)
    assert document["difference"]["mean"] == pytest.approx(document["accuracy"][0] - document["accuracy"][1])
    assert document["difference"]["low"] < document["difference"]["mean"] < document["difference"]["high"]
    assert document["settings"] == [{"setting": "method.type", "one": "full", "other": "lora"}]
    assert document["curves"][0]["reward"] == pytest.approx([0.07, 0.14, 0.21, 0.28])


def test_a_terminal_shows_them_within_its_width(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for width in (80, 120):
        monkeypatch.setenv("COLUMNS", str(width))
        shown = _compare("full", "lora", "--results", str(results)).stdout
        assert "full minus lora: +" in shown and "▁" in shown and "█" in shown and "method.type" in shown
        assert max(map(len, shown.splitlines())) <= width


def test_two_runs_are_named_by_their_cells(results: Path) -> None:
    ids = [record(method, 1, settings={"rank": 8}).cell_id for method in ("full", "lora")]
    (document,) = json.loads(_compare(*ids, "--results", str(results), "--json").stdout)
    assert document["names"] == ["full seed 1", "lora seed 1"] and len(document["seeds"]) == 1
    assert "one run of each says nothing of the next" in " ".join(
        _compare(*ids, "--results", str(results)).stdout.split()
    )


def test_two_folders_are_compared_row_by_row(results: Path) -> None:
    assert "3 same" in _compare(str(results), str(results)).stdout


def test_other_problems_give_no_difference(results: Path) -> None:
    for seed in (0, 1):
        write_run(results, record("other", seed, problems="problems-2"), [])
    (one,), (other,) = sides(results, "lora"), sides(results, "other")
    document = pair_document(one, other)
    assert document["difference"] is None and document["seeds"] == []


def test_what_is_not_there_is_one_sentence(results: Path) -> None:
    with pytest.raises(ExperimentError, match=r"has no row and no run 'lroa'; did you mean 'lora'\?"):
        sides(results, "lroa")
    one, two = sides(results, "lora"), sides(results, "full")
    assert pairs(one, two) == [(one[0], two[0])]


def test_settings_and_sparklines() -> None:
    found = list(differing({"a": {"b": 1, "c": 2}, "seed": 0}, {"a": {"b": 1, "c": 3, "d": 4}, "seed": 1}))
    assert [row["setting"] for row in found] == ["a.c", "a.d"] and found[1]["one"] is None
    assert sparkline([0.0, 0.5, 1.0], 0.0, 1.0) == "▁▅█" and sparkline([2.0], 2.0, 2.0) == "▁"
