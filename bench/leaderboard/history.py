"""Earlier leaderboards: of another folder, a file, or a commit of the checkout that a results folder lies in."""

import re
from pathlib import Path

from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.leaderboard.differences import standings_of
from rlvr_bench.leaderboard.file import ALL_FILE, LEADERBOARD_FILE, parse_csv, read_csv
from rlvr_bench.leaderboard.standings import Standing, leaderboard, step_reader
from rlvr_bench.record import store
from rlvr_bench.record.environment import git

FILES = (ALL_FILE, LEADERBOARD_FILE)
"""Where a leaderboard is looked for, the one with all rows first."""

DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def earlier(results: Path, name: str) -> list[Standing]:
    """Return another leaderboard: a CSV file, a results folder, or a date or revision of git (`git show REV:...`).

    A results folder with records gives the outcomes behind each accuracy; a table has its intervals only. A date
    (2026-11-26) is the last commit of that day or before.

    Raises:
        ExperimentError: there is no such leaderboard.
        RecordError: its file or one of its records cannot be read.
    """
    path = Path(name)
    if path.is_file():
        return standings_of(read_csv(path))
    if store.has_records(path):
        records, problems = store.load_all(path)
        if problems:
            raise problems[0]
        return leaderboard(records, step_reader(path))
    for file in FILES:
        if (path / file).is_file():
            return standings_of(read_csv(path / file))
    return _committed(results, name)


def _committed(results: Path, name: str) -> list[Standing]:
    """Return the leaderboard of a commit, which is named by a date or as git names it."""
    if DATE.fullmatch(name):
        dated = git(results, "rev-list", "-1", f"--before={name}T23:59:59", "HEAD", "--", *FILES)
        revision = (dated or b"").decode().strip()
    else:
        revision = "" if name.startswith("-") else name
    for file in FILES if revision else ():
        content = git(results, "show", f"{revision}:./{file}")
        if content is not None:
            return standings_of(parse_csv(content, f"{file} of {name}"))
    raise ExperimentError(
        f"no leaderboard {name!r}: give a CSV file, a results folder, or a date (2026-11-26), commit, branch or tag of "
        f"the git checkout of {results} that has a {LEADERBOARD_FILE}"
    )
