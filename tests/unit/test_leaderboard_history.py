"""What changed since an earlier leaderboard: one of a file, of another folder, or of a commit."""

import json
import subprocess
from pathlib import Path

import pytest
from record_factory import outcomes, record
from typer.testing import CliRunner

from rlvr_bench.cli.main import app
from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.leaderboard.file import LEADERBOARD_FILE, contents, to_csv
from rlvr_bench.leaderboard.history import earlier
from rlvr_bench.leaderboard.standings import leaderboard
from rlvr_bench.record.schema import RunRecord
from rlvr_bench.record.store import write_run


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def commit(results: Path, content: str) -> str:
    (results / LEADERBOARD_FILE).write_text(content)
    git(results, "add", LEADERBOARD_FILE)
    git(results, "commit", "-qm", "leaderboard")
    return git(results, "rev-parse", "HEAD").strip()


@pytest.fixture
def results(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    folder = tmp_path / "results"
    folder.mkdir()
    return folder


def runs(share: float, offset: int = 0) -> list[RunRecord]:
    return [
        record(method, seed, outcomes(share, seed=seed + offset + 10 * place))
        for place, method in enumerate(("lora", "full"))
        for seed in range(5)
    ]


def write(results: Path, records: list[RunRecord]) -> str:
    for one in records:
        write_run(results, one, [])
    content = to_csv(standing.row for standing in leaderboard(records))
    (results / LEADERBOARD_FILE).write_text(content)
    return content


def test_earlier_leaderboards_are_found_by_file_folder_date_and_revision(results: Path) -> None:
    digest = commit(results, write(results, runs(0.6)))
    (results / LEADERBOARD_FILE).write_text("another\n")
    today = git(results, "log", "-1", "--format=%cs").strip()
    for name in (str(results), digest, digest[:8], "HEAD", today):
        assert {standing.row["method"] for standing in earlier(results, name)} == {"lora", "full", "base"}
    assert earlier(results, str(results))[0].outcomes is not None
    assert earlier(results, digest[:8])[0].outcomes is None


@pytest.mark.parametrize("name", ["1999-01-01", "no-such-branch", "--output=x", ""])
def test_what_names_no_leaderboard_is_one_sentence(results: Path, name: str) -> None:
    commit(results, write(results, runs(0.6)))
    for file in results.glob("*.csv"):
        file.unlink()
    with pytest.raises(ExperimentError, match=r"give a CSV file, a results folder, or a date"):
        earlier(results, name)


def test_the_file_with_all_rows_of_a_commit_is_preferred(results: Path) -> None:
    rows = [standing.row for standing in leaderboard(runs(0.6))]
    for name, content in contents(rows).items():
        (results / name).write_text(content)
    (results / LEADERBOARD_FILE).write_text(contents(rows[:1])[LEADERBOARD_FILE])
    git(results, "add", ".")
    git(results, "commit", "-qm", "both")
    assert len(earlier(results, "HEAD")) == len(rows)


def test_the_verb_says_what_changed_and_how_it_was_tested(results: Path, tmp_path: Path) -> None:
    old = write(results, runs(0.45, offset=500))
    commit(results, old)
    write(results, runs(0.9))
    (results / LEADERBOARD_FILE).write_text(old)
    (tmp_path / "old.csv").write_text(old)
    done = CliRunner().invoke(
        app, ["leaderboard", "--results", str(results), "--diff", str(tmp_path / "old.csv")], catch_exceptions=False
    )
    assert "2 beyond noise, 1 same" in done.output and "from two tables" in done.output
    assert (results / LEADERBOARD_FILE).read_text() == old  # a look writes nothing
    CliRunner().invoke(app, ["leaderboard", "--results", str(results), "--write"], catch_exceptions=False)
    assert (results / LEADERBOARD_FILE).read_text() != old
    again = ["leaderboard", "--results", str(results), "--diff", str(results), "--json"]
    document = json.loads(CliRunner().invoke(app, again, catch_exceptions=False).stdout)
    assert {item["verdict"] for item in document} == {"same"}
