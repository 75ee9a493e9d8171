"""Earlier leaderboards: `history/<date>-<commit>.csv` in a results folder, and how one of them is named.

What is kept is what was committed: before a leaderboard takes its place, the version in git is copied, under the date
and the commit that made it. A version that was never committed has no provenance and is not kept; its records are.
"""

import re
from pathlib import Path

from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.leaderboard.differences import standings_of
from rlvr_bench.leaderboard.file import LEADERBOARD_FILE, read_csv
from rlvr_bench.leaderboard.standings import Standing, leaderboard
from rlvr_bench.record import store
from rlvr_bench.record.atomic import write_whole
from rlvr_bench.record.environment import git

HISTORY_FOLDER = "history"


def keep_committed(results: Path, new: str) -> Path | None:
    """Copy the committed leaderboard into the history if it differs from `new` and is not there yet.

    Returns:
        The copy; None if there was nothing to keep.

    Raises:
        RecordError: the copy cannot be written; nothing was replaced yet.
    """
    committed = git(results, "show", f"HEAD:./{LEADERBOARD_FILE}")
    origin = git(results, "log", "-1", "--format=%cs-%H", "--", LEADERBOARD_FILE)
    if not committed or not origin or committed == new.encode():
        return None
    folder = results / HISTORY_FOLDER
    if any(path.read_bytes() == committed for path in folder.glob("*.csv")):
        return None
    path = folder / f"{origin.decode().strip()[:23]}.csv"  # the date, a hyphen and 12 digits of the commit
    write_whole(path, committed)
    return path


def earlier(results: Path, name: str) -> list[Standing]:
    """Return another leaderboard: a CSV file, a results folder, or a date or commit of the history.

    A results folder with records gives the outcomes behind each accuracy; a table has its intervals only.

    Raises:
        ExperimentError: there is no such leaderboard, or several.
        RecordError: its file or one of its records cannot be read.
    """
    path = Path(name)
    if path.is_file():
        return standings_of(read_csv(path))
    if (path / "runs").is_dir():
        records, problems = store.load_all(path)
        if problems:
            raise problems[0]
        return leaderboard(records)
    if (path / LEADERBOARD_FILE).is_file():
        return standings_of(read_csv(path / LEADERBOARD_FILE))
    return standings_of(read_csv(_in_history(results, name)))


def _in_history(results: Path, name: str) -> Path:
    kept = sorted((results / HISTORY_FOLDER).glob("*.csv"))
    there = ", ".join(path.stem for path in kept) or "nothing"
    found = [path for path in kept if path.stem.startswith(name) or _commit(path).startswith(name)] if name else []
    if not found:
        raise ExperimentError(
            f"no leaderboard {name!r}: give a CSV file, a results folder, or a date or commit of {results}/"
            f"{HISTORY_FOLDER}, which holds {there}"
        )
    if len(found) > 1:
        raise ExperimentError(f"{name!r} names {len(found)} leaderboards; give more of one: {there}")
    return found[0]


def _commit(path: Path) -> str:
    """Return the commit in the name of a kept leaderboard, empty for a file of another name."""
    named = re.fullmatch(r"\d{4}-\d{2}-\d{2}-([0-9a-f]+)", path.stem)
    return named[1] if named else ""
