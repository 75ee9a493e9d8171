"""`rescore`: stored samples under another verifier; nothing is guessed, and no model is loaded."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from record_factory import ENVIRONMENT
from typer.testing import CliRunner

from rlvr_bench.cli.main import app
from rlvr_bench.evaluate import base_cache
from rlvr_bench.evaluate.completion import Completion, Graded
from rlvr_bench.evaluate.grading import score
from rlvr_bench.experiment.cell import Cell
from rlvr_bench.experiment.experiment import Experiment
from rlvr_bench.experiment.grid import cells
from rlvr_bench.integrity.regrade import Grader
from rlvr_bench.integrity.rescore import changes, rescore
from rlvr_bench.record.digest import digest_of
from rlvr_bench.record.samples import samples_path, write_samples
from rlvr_bench.record.schema import RunRecord
from rlvr_bench.record.store import folder_of, load_all, write_run
from rlvr_bench.tasks import registry as task_registry
from rlvr_bench.tasks.problem import Problem, Verdict

CHAIN = {"name": "chain", "levels": [3], "train": 4, "validation": 4, "test": 6}
SAMPLES = 2
PACKAGES = {"torch": "1", "transformers": "2", "lm-eval": "3"}


def experiment(reward: str = "exact") -> list[Cell]:
    document = {
        "name": "tiny",
        "seeds": [0, 1],
        "bases": ["organism-steps"],
        "rewards": [reward],
        "task": CHAIN,
        "signal": {"prompts_per_batch": 2, "group_size": 2},
        "evaluate": {"samples": SAMPLES, "splits": ["test"]},
        "methods": {"full": {"learning_rate": 1e-3}},
    }
    return cells(Experiment.model_validate(document))


def graded(right: Sequence[bool]) -> list[Graded]:
    """Return a greedy and then sampled answers to each test problem, each right or wrong as its greedy one."""
    task = task_registry.create(CHAIN)

    def answer(problem: Problem, is_right: bool, sample: int, temperature: float) -> Graded:
        text = task.completion(problem.answer if is_right else f"{problem.answer}1")
        return Graded(problem, sample, temperature, Completion(text, 5, -1.0, False), task.verify(text, problem))

    asked = list(zip(task.problems("test"), right, strict=True))
    greedy = [answer(problem, good, 0, 0.0) for problem, good in asked]
    return greedy + [answer(problem, good, place, 1.0) for problem, good in asked for place in range(SAMPLES)]


def keep(identity: str, model: str, answers: list[Graded]) -> None:
    rows = [one.row("chain", "test", 0) | {"cell_id": identity, "model": model} for one in answers]
    write_samples(identity, rows)


def run(results: Path, cell: Cell, right: Sequence[bool]) -> RunRecord:
    """Write the record of a cell and the samples behind it."""
    answers, base = graded(right), graded([False] * 6)
    keep(cell.id, "tuned", answers)
    keep(
        base_cache.key(cell.base_fingerprint, cell.task_fingerprint, "test", cell.evaluate, "hf", None, PACKAGES),
        "base",
        base,
    )
    scores = {role: {"chain": {"test": score(all_[:6], all_[6:], SAMPLES)}} for role, all_ in
              (("tuned", answers), ("base", base))}  # fmt: skip
    record = RunRecord(
        cell=cell.model_dump(mode="json"),
        cell_id=cell.id,
        comparison=cell.comparison,
        status="done",
        accuracy=scores,
        rollout={"backend": "fast"},
        environment=ENVIRONMENT.model_copy(update={"packages": PACKAGES}),
    )
    write_run(results, record, [])
    return record


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RLVR_BENCH_CACHE", str(tmp_path / "cache"))
    for cell in experiment():
        run(tmp_path / "results", cell, [True, True, True, False, False, False])
    return tmp_path / "results"


@pytest.fixture
def lenient(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the runs, a verifier that accepts a wrong answer to two of the test problems, and refuses a right one."""
    problems = task_registry.create(CHAIN).problems("test")
    accepted, refused, kind = problems[3:5], problems[0], type(task_registry.create(CHAIN))
    strict = kind.verify

    def verify(task: Any, completion: str, problem: Problem, truncated: bool = False) -> Verdict:
        found = strict(task, completion, problem)
        if problem == refused:
            return Verdict(False, found.parsed, "wrong")
        return Verdict(True, found.parsed, "correct") if problem in accepted else found

    monkeypatch.setattr(kind, "verify", verify)


def test_the_same_verifier_changes_nothing(results: Path) -> None:
    before = [path.read_bytes() for path in sorted(results.rglob("run.json"))]
    found = rescore(results)
    assert len(found.cells) == 2 and found.faults == [] and changes(found) == []
    done = CliRunner().invoke(app, ["rescore", "--results", str(results), "--write"], catch_exceptions=False)
    assert done.exit_code == 0 and "no score changes; 0 records written" in done.output
    assert [path.read_bytes() for path in sorted(results.rglob("run.json"))] == before


@pytest.mark.usefixtures("lenient")
def test_what_another_verifier_changes_is_said_and_nothing_is_written(results: Path) -> None:
    before = [path.read_bytes() for path in sorted(results.rglob("run.json"))]
    lines: list[dict[str, Any]] = changes(rescore(results))
    tuned, base = (next(line for line in lines if line["model"] == role) for role in ("tuned", "base"))
    assert (tuned["cells"], tuned["gained"], tuned["lost"]) == (2, 4, 2)
    assert tuned["completions"] == 2 * 3 * (1 + SAMPLES)
    assert (base["gained"], base["lost"], base["completions"]) == (4, 0, 2 * 2 * (1 + SAMPLES))
    done = CliRunner().invoke(app, ["rescore", "--results", str(results)], catch_exceptions=False)
    assert done.exit_code == 0 and "0 records written" in done.output
    assert [path.read_bytes() for path in sorted(results.rglob("run.json"))] == before


@pytest.mark.usefixtures("lenient")
def test_write_renews_records_and_leaderboard_and_says_so(results: Path) -> None:
    done = CliRunner().invoke(app, ["rescore", "--results", str(results), "--write", "--json"], catch_exceptions=False)
    assert json.loads(done.stdout)["written"] == 2
    records, problems = load_all(results)
    assert problems == [] and {record.accuracy["tuned"]["chain"]["test"].greedy_outcomes for record in records} == {
        "011110"
    }
    assert all(r.rescored is not None and r.rescored.tasks.keys() == {"chain"} for r in records)
    assert ",0.6667," in (results / "leaderboard.csv").read_text()
    assert changes(rescore(results)) == []


@pytest.mark.usefixtures("lenient")
def test_absent_samples_are_named_and_their_comparison_is_left(results: Path) -> None:
    records, _ = load_all(results)
    samples_path(records[0].cell_id).unlink()
    done = CliRunner().invoke(app, ["rescore", "--results", str(results), "--write"], catch_exceptions=False)
    assert done.exit_code == 1 and f"no samples of cell {records[0].cell_id}" in done.output
    assert "is left as it is: 1 of its cells could not be graded" in done.output.replace("\n", " ")
    assert load_all(results)[0] == records


def test_samples_beside_the_record_are_read_too(results: Path) -> None:
    (record, _) = load_all(results)[0]
    path = samples_path(record.cell_id)
    path.rename(folder_of(results, record) / path.name)
    assert rescore(results).faults == []


def test_samples_of_another_run_are_refused(results: Path) -> None:
    (record, _) = load_all(results)[0]
    keep(record.cell_id, "tuned", graded([True] * 6))
    ((found, why),) = rescore(results).faults
    assert found == record and "are not those of its score" in why


def test_sampled_verdicts_of_another_run_are_refused(results: Path) -> None:
    (record, _) = load_all(results)[0]
    answers = graded([True, True, True, False, False, False])
    place = next(place for place, one in enumerate(answers) if one.temperature > 0 and one.verdict.correct)
    answers[place] = replace(answers[place], verdict=Verdict(False, None, "wrong"))
    keep(record.cell_id, "tuned", answers)
    ((found, why),) = rescore(results).faults
    assert found == record and "are not those of its score" in why


def test_a_reason_of_several_cells_is_said_once(results: Path) -> None:
    for record in load_all(results)[0]:
        samples_path(record.cell_id).unlink()
    done = CliRunner().invoke(app, ["rescore", "--results", str(results)], catch_exceptions=False)
    assert done.exit_code == 1 and "2 cells: no samples of cell * in " in done.output
    assert all(record.cell_id not in done.output for record in load_all(results)[0])


def test_no_model_library_is_loaded(results: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from rlvr_bench.integrity.folder import rescore_folder; "
        f"done = rescore_folder(Path({str(results)!r}), write=False, data_dir=None, say=print);"
        "print(done['cells'], 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ))
    assert done.stdout.split() == ["2", "False"], done.stderr


@pytest.mark.usefixtures("lenient")
def test_grading_again_renews_the_digest_and_covers_nothing_up(results: Path) -> None:
    first, _ = sorted(results.rglob("run.json"))
    document = json.loads(first.read_text())
    document["rollout"]["backend"] = "other"
    first.write_text(json.dumps(document))
    found = rescore(results)
    assert [why.partition(": ")[2].split(":")[0] for _, why in found.faults] == ["rollout changed since it was written"]
    document["rollout"]["backend"] = "fast"
    first.write_text(json.dumps(document))
    before = [one.digest for one in load_all(results)[0]]
    CliRunner().invoke(app, ["rescore", "--results", str(results), "--write"], catch_exceptions=False)
    records, _ = load_all(results)
    assert all(one.digest == digest_of(one, []) != old for one, old in zip(records, before, strict=True))


def test_a_stored_completion_that_was_cut_is_graded_as_cut() -> None:
    (problem, *_) = task_registry.create(CHAIN).problems("test")
    row = {"completion": f"#### {problem.answer}", "tokens": 9, "logprob_sum": -1.0, "sample": 0, "temperature": 0.0}
    grader, task = Grader(None), task_registry.create(CHAIN)
    verdicts = {
        reason: grader._graded("chain", task, problem, row | {"finish_reason": reason}) for reason in ("stop", "length")
    }
    assert verdicts["stop"].verdict.correct and verdicts["length"].verdict.reason == "truncated"
