"""Grades the stored samples of a results folder again; the folder is locked meanwhile."""

from pathlib import Path
from typing import Any

from rlvr_bench.grid.run import Say, renew_leaderboard
from rlvr_bench.integrity import rescore
from rlvr_bench.record.lock import results_lock


def rescore_folder(results: Path, *, write: bool, data_dir: Path | None, say: Say) -> dict[str, Any]:
    """Grade stored samples again, write changed scores on request, and return the report.

    Raises:
        RecordError: a record cannot be read or written.
    """
    with results_lock(results):
        rescoring = rescore.rescore(results, data_dir)
        written, left = rescore.write(results, rescoring) if write else (0, [])
        if written:
            renew_leaderboard(results, say)
    return {
        "cells": len(rescoring.cells),
        "changes": rescore.changes(rescoring),
        "not_graded": sorted({sentence for _, sentence in rescoring.faults}),
        "reasons": _reasons(rescoring),
        "written": written,
        "left": left,
    }


def _reasons(rescoring: rescore.Rescoring) -> list[str]:
    """Return why cells could not be graded, the most frequent reason first; a reason of several cells stands once."""
    cells: dict[str, list[str]] = {}
    for record, sentence in rescoring.faults:
        cells.setdefault(sentence.replace(record.cell_id, "*"), []).append(sentence)
    ordered = sorted(cells.items(), key=lambda reason: -len(reason[1]))
    return [own[0] if len(own) == 1 else f"{len(own)} cells: {reason}" for reason, own in ordered]
