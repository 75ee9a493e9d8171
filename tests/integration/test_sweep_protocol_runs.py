"""`rlvr-bench run` of a file with a protocol: both stages, resumed, in plan and in the leaderboard."""

import csv
import json
import signal
import subprocess
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from launch_fixture import command, environment, run, save_tiny_base, write_experiment

PROTOCOL = """
[protocol]
trials = 2
trial_steps = 2
extensions = 0
spread_rates = false
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tuned.toml: full is tuned, c3a has a given rate; three final seeds."""
    folder = tmp_path_factory.mktemp("protocol")
    path = write_experiment(folder, save_tiny_base(folder / "tiny-base"))
    text = path.read_text().replace("seeds = [0, 1]", "seeds = [0, 1, 2]")
    text = text.replace("[methods.full]\nlearning_rate = 1e-3", "[methods.full]")
    start, end = text.index("[methods.lora]"), text.index("[methods.c3a]")
    (folder / "tuned.toml").write_text(text[:start] + text[end:] + PROTOCOL)
    return folder


def _records(results: Path) -> list[dict[str, object]]:
    return [json.loads(path.read_text()) for path in sorted((results / "runs").glob("*/*/*/run.json"))]


def test_both_stages_run_and_go_on_where_they_were_killed(folder: Path) -> None:
    arguments = ("tuned.toml", "--results", "results", "--workers", "2")
    planned = json.loads(
        run(folder / "cache", "plan", folder / "tuned.toml", "--results", folder / "results", "--json").stdout
    )
    assert [cell["state"] for cell in planned["cells"]].count("missing") == 2 + 3
    waiting = [cell for cell in planned["cells"] if cell["state"] == "waiting"]
    assert [cell["seed"] for cell in waiting] == [0, 1, 2]
    assert all(cell["cell_id"] is None and "0 of 2 cells of its trials are done" in cell["why"] for cell in waiting)
    process = subprocess.Popen(
        command("run", *arguments), env=environment(folder / "cache"), cwd=folder,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    end = time.monotonic() + 900
    while not (folder / "results").exists() or not _records(folder / "results"):
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = run(folder / "cache", "run", folder / "tuned.toml", "--results", folder / "results")
    assert done.returncode == 0, done.stderr
    assert "wins with" in done.stderr
    _check_records(folder / "results")
    again = run(folder / "cache", "run", folder / "tuned.toml", "--results", folder / "results")
    assert again.stderr.count("0 cells to run") == 2
    planned = json.loads(
        run(folder / "cache", "plan", folder / "tuned.toml", "--results", folder / "results", "--json").stdout
    )
    assert {cell["state"] for cell in planned["cells"]} == {"done"}


def _check_records(results: Path) -> None:
    records = _records(results)
    trials = [record for record in records if "@" in str(record["cell"]["method_name"])]  # type: ignore[index]
    final = [record for record in records if record["cell"]["method_name"] == "full"]  # type: ignore[index]
    assert len(records) == 2 + 3 + 3
    assert all("test" not in scores for record in trials for scores in record["accuracy"]["tuned"].values())  # type: ignore[index]
    assert len(trials) == 2 and len(final) == 3
    tuning = final[0]["cell"]["tuning"]  # type: ignore[index]
    assert {cell for cells in tuning["cells"] for cell in cells} == {record["cell_id"] for record in trials}
    with (results / "leaderboard-all.csv").open(newline="") as file:
        rows = {row["method"]: row for row in csv.DictReader(file) if "test" not in row["status"]}
    assert rows["full"]["tuning"] == f"2 trials, qmc, {tuning['protocol'][:6]}"
    assert rows["c3a"]["status"].startswith(f"unranked: outside protocol {tuning['protocol'][:6]}")


ABSURD = """
name = "absurd"
seeds = [0, 1, 2]
bases = ["organism-direct"]

[task]
name = "chain"
levels = [2]
train = 64
validation = 16
test = 16

[signal]
steps = 20
prompts_per_batch = 8
group_size = 8
max_new_tokens = 32

[evaluate]
samples = 0
sampled_splits = []
max_new_tokens = 32

[methods.full.search]
learning_rate = [1e-4, 0.5]

[protocol]
trials = 2
halving = []
extensions = 0
spread_rates = false
stop_dead = 0.25
"""


def test_a_trial_at_an_absurd_rate_is_stopped_with_its_cost_and_loses(tmp_path: Path) -> None:
    (tmp_path / "absurd.toml").write_text(ABSURD)
    done = run(tmp_path / "cache", "run", tmp_path / "absurd.toml", "--results", tmp_path / "results")
    assert "stopped: stopped at step" in done.stderr and "full@0.0001 wins with" in done.stderr, done.stderr
    by_name: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for record in _records(tmp_path / "results"):
        by_name[str(record["cell"]["method_name"])].append(record)  # type: ignore[index]
    (dead,), (sound,), final = by_name["full@0.5"], by_name["full@0.0001"], by_name["full"]
    assert dead["status"] == "stopped" and dead["cause"]["type"] == "Dead"
    assert dead["stability"]["steps"] < 20 and "tuned" not in dead["accuracy"]
    assert 0 < dead["cost"]["tokens"] == dead["ledger"]["generated_tokens"] and dead["cost"]["seconds"]["train"] > 0
    assert sound["stability"]["steps"] == 20 and len(final) == 3
    assert all(record["stability"]["steps"] == 20 for record in final)
