"""`rlvr-bench sweep`: real cells in a study, resumed, refused."""

import json
from pathlib import Path

import optuna
import pytest
from launch_fixture import run, save_tiny_base, write_experiment

from rlvr_bench.record import store
from rlvr_bench.sweep.study_storage import open_storage

ASK = ("--method", "lora", "--trials", "2", "--sampler", "qmc", "--workers", "2", "--seeds", "100")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweep")
    write_experiment(folder, save_tiny_base(folder / "tiny-base"), steps=2)
    return folder


def test_a_sweep_runs_cells_resumes_and_opens_in_optuna(folder: Path) -> None:
    arguments = ("sweep", folder / "tiny.toml", *ASK, "--results", folder / "results", "--json")
    done = run(folder / "cache", *arguments)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert [trial["state"] for trial in document["trials"]] == ["complete"] * 2
    records = {record.cell_id: record for record in store.load_all(folder / "results")[0]}
    assert {cell for trial in document["trials"] for cell in trial["cells"]} == set(records)
    for trial in document["trials"]:
        (cell,) = trial["cells"]
        score = records[cell].score("tuned", "chain", "validation")
        assert score is not None and trial["accuracy"] == score.greedy
        assert records[cell].score("tuned", "chain", "test") is None
    before = [path.stat().st_mtime_ns for path in sorted((folder / "results" / "runs").glob("*/*/*/run.json"))]
    again = run(folder / "cache", *arguments)
    assert json.loads(again.stdout) == document
    assert before == [path.stat().st_mtime_ns for path in sorted((folder / "results" / "runs").glob("*/*/*/run.json"))]
    storage = open_storage(None, folder / "results")[0]
    study = optuna.load_study(study_name=document["study"], storage=storage)
    assert [trial.number for trial in study.best_trials] == document["best"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--method", "lorra", "--trials", "2"), "did you mean 'lora'"),
        (("--method", "lora", "--trials", "2", "--sampler", "tpr"), "unknown sampler"),
        (("--method", "lora", "--trials", "2", "--objective", "accurcy"), "did you mean 'accuracy'"),
        (
            ("--method", "lora", "--trials", "2", "--objective", "accuracy,tokens", "--pruner", "median"),
            "one objective",
        ),
        (("--method", "lora", "--trials", "1", "--sampler", "grid"), "needs 2 trials"),
        (("--method", "lora", "--trials", "2", "--storage", "nodb://x/y"), "--storage nodb://x/y"),
        (("--method", "lora", "--trials", "2", "--set", "rewards=['exact','format']"), "has 2 rewards"),
        (("--method", "lora", "--trials", "2", "--set", "signal.stepps=2"), "did you mean 'signal.steps'"),
    ],
)
def test_a_sweep_that_makes_no_sense_is_one_sentence(folder: Path, arguments: tuple[str, ...], says: str) -> None:
    done = run(folder / "cache", "sweep", folder / "tiny.toml", *arguments, "--results", folder / "none")
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
