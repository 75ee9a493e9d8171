"""Leaderboards that were committed are kept, and what changed since one of them is said."""

import json
import subprocess
from pathlib import Path

import pytest
from record_factory import outcomes, record
from typer.testing import CliRunner

from rlvr_bench.cli.main import app
from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.leaderboard.file import LEADERBOARD_FILE, to_csv
from rlvr_bench.leaderboard.history import earlier, keep_committed
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


def kept(results: Path) -> list[str]:
    return sorted(path.read_text() for path in (results / "history").glob("*.csv"))


@pytest.fixture
def results(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    folder = tmp_path / "results"
    folder.mkdir()
    return folder


def test_the_committed_leaderboard_is_kept_once_under_its_date_and_commit(results: Path) -> None:
    first = commit(results, "one\n")
    assert keep_committed(results, "one\n") is None
    path = keep_committed(results, "two\n")
    assert path is not None and path.name == f"{git(results, 'log', '-1', '--format=%cs').strip()}-{first[:12]}.csv"
    (results / LEADERBOARD_FILE).write_text("two\n")
    assert keep_committed(results, "three\n") is None
    assert kept(results) == ["one\n"]
    commit(results, "two\n")
    keep_committed(results, "three\n")
    assert kept(results) == ["one\n", "two\n"]


def test_what_was_committed_again_is_not_kept_twice(results: Path) -> None:
    for content in ("one\n", "two\n", "one\n"):
        commit(results, content)
        keep_committed(results, "new\n")
    assert kept(results) == ["one\n", "two\n"]


def test_what_was_never_committed_is_not_kept(results: Path, tmp_path: Path) -> None:
    (results / LEADERBOARD_FILE).write_text("one\n")
    assert keep_committed(results, "two\n") is None
    assert not (results / "history").exists()


def runs(share: float, offset: int = 0) -> list[RunRecord]:
    return [
        record(method, seed, outcomes(share, seed=seed + offset + 10 * place))
        for place, method in enumerate(("lora", "full"))
        for seed in range(3)
    ]


def write(results: Path, records: list[RunRecord]) -> str:
    for one in records:
        write_run(results, one, [])
    content = to_csv(standing.row for standing in leaderboard(records))
    (results / LEADERBOARD_FILE).write_text(content)
    return content


def test_earlier_leaderboards_are_found_by_file_folder_date_and_commit(results: Path) -> None:
    content = write(results, runs(0.6))
    digest = commit(results, content)
    path = keep_committed(results, "new\n")
    assert path is not None
    for name in (str(path), str(results), path.stem, path.stem[:10], digest[:8]):
        assert {standing.row["method"] for standing in earlier(results, name)} == {"lora", "full", "base"}
    assert earlier(results, str(results))[0].outcomes is not None
    assert earlier(results, digest[:8])[0].outcomes is None
    with pytest.raises(ExperimentError, match=f"which holds {path.stem}"):
        earlier(results, "1999-01-01")


def test_several_of_one_date_must_be_told_apart(results: Path) -> None:
    for content in ("one\n", "two\n"):
        commit(results, content)
        keep_committed(results, "new\n")
    with pytest.raises(ExperimentError, match="names 2 leaderboards"):
        earlier(results, "20")


def test_the_verb_says_what_changed_and_how_it_was_tested(results: Path, tmp_path: Path) -> None:
    old = write(results, runs(0.3, offset=500))
    commit(results, old)
    write(results, runs(0.7))
    (results / LEADERBOARD_FILE).write_text(old)
    (tmp_path / "old.csv").write_text(old)
    done = CliRunner().invoke(
        app, ["leaderboard", "--results", str(results), "--diff", str(tmp_path / "old.csv")], catch_exceptions=False
    )
    assert "2 beyond noise, 1 same" in done.output and "from two tables" in done.output
    assert not kept(results) and (results / LEADERBOARD_FILE).read_text() == old  # a look writes nothing
    CliRunner().invoke(app, ["leaderboard", "--results", str(results), "--write"], catch_exceptions=False)
    assert len(kept(results)) == 1 and (results / LEADERBOARD_FILE).read_text() != old
    again = ["leaderboard", "--results", str(results), "--diff", str(results), "--json"]
    document = json.loads(CliRunner().invoke(app, again, catch_exceptions=False).stdout)
    assert {item["verdict"] for item in document} == {"same"}
