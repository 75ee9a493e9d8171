"""`rlvr-bench run` of a file with a protocol: both stages, resumed, in plan and in the leaderboard."""

import csv
import json
import signal
import subprocess
import time
from pathlib import Path

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
