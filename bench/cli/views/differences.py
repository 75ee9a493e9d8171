"""The difference of two leaderboards in a terminal."""

from collections.abc import Sequence
from itertools import groupby
from typing import IO

from rlvr_bench.cli.views.leaderboard import interval, percent
from rlvr_bench.console.tables import print_line, print_table
from rlvr_bench.console.text import console
from rlvr_bench.leaderboard.differences import Difference, Test

COLUMNS = ("method", "here", "reference", "difference [95 %]", "against the reference", "group")

TESTS: dict[Test, str] = {
    "paired by problem": "Intervals of a difference are from the records of both, paired by problem.",
    "from two intervals": "Intervals of a difference are from two tables, whose accuracies are taken as independent: "
    "too wide where they share problems, so that small differences are missed.",
}


def show_differences(
    differences: Sequence[Difference],
    file: IO[str] | None = None,
    width: int | None = None,
    *,
    only_changes: bool = False,
) -> None:
    """Print a comparison with another leaderboard: one line a row, a summary of all rows, and how it was tested."""
    out = console(file, width)
    shown = [item for item in differences if item.changed or not only_changes]
    for comparison, group in groupby(shown, key=lambda difference: difference.comparison):
        print_line(comparison, out, bold=len(comparison))
        print_table([_line(item) for item in group], COLUMNS, numbers=COLUMNS[1:4], file=file, width=width)
    verdicts = sorted({str(item.verdict) for item in differences})
    counts = [f"{sum(item.verdict == verdict for item in differences)} {verdict}" for verdict in verdicts]
    moved = sum(item.group_changed for item in differences)
    changed = f"; {moved} in another tie group" if moved else ""
    print_line((", ".join(counts) or "nothing to compare") + changed, out)
    for test in sorted({item.test for item in differences if item.test}):
        print_line(TESTS[test], out)


def _line(item: Difference) -> dict[str, str | None]:
    estimate = item.estimate
    moved = f"{item.group_reference or '-'} -> {item.group_here or '-'}" if item.group_changed else item.group_here
    cells = (
        item.method,
        percent(item.here),
        percent(item.reference),
        "" if estimate is None else interval(estimate.mean, estimate.low, estimate.high, sign="+"),
        item.verdict,
        moved,
    )
    return dict(zip(COLUMNS, cells, strict=True))
