"""The verb `rlvr-bench findings`: derive the verdicts, and show them."""

from pathlib import Path
from typing import Any

from rlvr_bench.studies.derive import FINDINGS_FILE, PAGE_FILE, derive
from rlvr_bench.studies.errors import FindingsError
from rlvr_bench.studies.page import interval

COLUMNS = ["id", "base", "verdict", "estimate", "seeds", "claim"]


def findings(results: Path, claims: Path | None) -> list[dict[str, Any]]:
    """Derive findings.json and findings.md in a results folder and return the entries.

    Args:
        results: the folder with `runs/`.
        claims: folder of claims; None takes those of the installed studies.

    Raises:
        FindingsError: a folder or a file in it is not what it should be.
    """
    if not results.is_dir():
        raise FindingsError(f"{results} is no folder; run an experiment, or name another results folder")
    return derive(results, claims)


def as_rows(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the entries as lines of a table."""
    return [entry | {"estimate": interval(entry), "seeds": len(entry["seeds"])} for entry in entries]


def written(results: Path) -> str:
    """Return the sentence that says where the verdicts are."""
    return f"written: {results / FINDINGS_FILE} and {results / PAGE_FILE}"
