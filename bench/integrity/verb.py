"""The verbs `results check` and `rescore`: the folder must hold records, and is locked while it is written."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rlvr_bench.console.tables import print_table
from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.grid.run import renew_leaderboard
from rlvr_bench.integrity import rescore
from rlvr_bench.integrity.check import Check, check
from rlvr_bench.record.lock import results_lock

COLUMNS = ["comparison", "method", "model", "task", "split", "cells", "gained", "lost", "completions"]


def faults_of(results: Path, also: Iterable[Check] = ()) -> list[str]:
    """Return the faults of a results folder, those that further checks find with them.

    Raises:
        ExperimentError: it holds no records.
    """
    return check(_with_records(results), also)


def rescore_folder(results: Path, *, write: bool, data_dir: Path | None) -> dict[str, Any]:
    """Grade stored samples again, write changed scores if asked to, and return what there is to say.

    Raises:
        ExperimentError: the folder holds no records.
        RecordError: a record cannot be read or written.
    """
    with results_lock(_with_records(results)):
        found = rescore.rescore(results, data_dir)
        written, left = rescore.write(results, found) if write else (0, [])
        if written:
            renew_leaderboard(results)
    return {
        "cells": len(found.cells),
        "changes": rescore.changes(found),
        "not_graded": sorted({sentence for _, sentence in found.faults}),
        "reasons": _reasons(found),
        "written": written,
        "left": left,
    }


def show_rescoring(done: dict[str, Any]) -> None:
    """Print what grading again changed."""
    if done["changes"]:
        print_table(done["changes"], COLUMNS)
        print("gained, lost: problems whose greedy answer is right now, or was; completions: all whose verdict changed")
    for sentence in [*done["reasons"], *done["left"]]:
        print(sentence)
    changed = "" if done["changes"] else "; no score changes"
    print(f"samples of {done['cells']} cells were graded again{changed}; {done['written']} records written")


def _reasons(found: rescore.Rescoring) -> list[str]:
    """Return why cells could not be graded, the most frequent reason first; a reason of several cells stands once."""
    cells: dict[str, list[str]] = {}
    for record, sentence in found.faults:
        cells.setdefault(sentence.replace(record.cell_id, "*"), []).append(sentence)
    ordered = sorted(cells.items(), key=lambda reason: -len(reason[1]))
    return [own[0] if len(own) == 1 else f"{len(own)} cells: {reason}" for reason, own in ordered]


def _with_records(results: Path) -> Path:
    if not (results / "runs").is_dir():
        raise ExperimentError(f"{results} holds no run records; run an experiment, or name another folder")
    return results
