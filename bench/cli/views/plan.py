"""A plan in a terminal: the state of the cells of each comparison, and what their seeds will find."""

from collections import Counter
from collections.abc import Sequence
from typing import IO, Any

from rich.console import Console

from rlvr_bench.console.tables import print_line, print_table
from rlvr_bench.console.text import console
from rlvr_bench.plan.power import Power
from rlvr_bench.plan.states import PlannedCell, by_comparison, whole_comparisons
from rlvr_bench.stats.looks import LOOKS, MARGIN

MOST_TABLES = 3
"""Comparisons of which each method has a line; of more there is a line for each comparison."""

LONGEST_NAME = 42
"""Characters of a comparison's name in a table; of a longer one the middle is left out."""

MOST_REASONS = 5

NAME_END = 15

POWER_COLUMNS = ("comparison", "seeds", "found difference", "core hours")


def show_plan_tables(
    planned: Sequence[PlannedCell],
    forecasts: Sequence[Power],
    summary: str,
    file: IO[str] | None = None,
    width: int | None = None,
) -> None:
    """Print the cells of a plan by comparison, a forecast of its power, and its summary."""
    out, blocks = console(file, width), by_comparison(planned)
    if len(blocks) > MOST_TABLES:
        _show_comparisons(whole_comparisons(planned), out)
    else:
        for comparison, lines in blocks.items():
            print_line(comparison, out, bold=len(comparison))
            _show_lines(lines, out)
    show_power(forecasts, out)
    print_line(summary, out)


def _show_comparisons(lines: Sequence[dict[str, Any]], out: Console) -> None:
    rows = [line | {"comparison": short_name(line["comparison"])} for line in lines]
    print_table(rows, ["comparison", "methods", "seeds", "state"], numbers=["methods"], file=out.file, width=out.width)
    for reason, count in Counter(line["why"] for line in lines if line["why"]).most_common(MOST_REASONS):
        print_line(f"{count} of {len(lines)} comparisons: {reason}", out)
    print_line("", out)


def _show_lines(lines: Sequence[dict[str, Any]], out: Console) -> None:
    """Print the columns that say something; a reason or targets that all lines share are said once, below them."""
    shared = {
        name: lines[0][name]
        for name in ("why", "targets")
        if len(lines) > 1 and lines[0][name] and len({line[name] for line in lines}) == 1
    }
    columns = [name for name in lines[0] if name not in shared and any(line[name] for line in lines)]
    print_table(lines, columns, numbers=["methods"], file=out.file, width=out.width)
    for name, text in shared.items():
        print_line(f"{name}, all of them: {text}", out)
    print_line("", out)


def show_power(forecasts: Sequence[Power], out: Console) -> None:
    """Print by comparison and look the difference that it finds and what that costs; of many comparisons the range."""
    known = [forecast for forecast in forecasts if forecast.differences]
    if not known:
        if forecasts:
            print_line("How small a difference is found is not known: no past method has two sound seeds there.\n", out)
        return
    rows = _by_look(known) if len(known) > MOST_TABLES else [row for each in known for row in _looks(each)]
    print_table(rows, POWER_COLUMNS, numbers=POWER_COLUMNS[1:], file=out.file, width=out.width)
    pairs, methods = {each.pairs for each in known}, {each.spreads.methods for each in known if each.spreads}
    unknown = len(forecasts) - len(known)
    print_line(
        f"Found difference: in 80 % of repetitions, as the first of {_range(pairs)} pairs, by the spread of "
        f"{_range(methods)} past methods, in points. {_seeds_for_margin(known)}"
        + (f" Of {unknown} comparisons more no past method has two sound seeds." if unknown else "")
        + "\n",
        out,
    )


def short_name(comparison: str) -> str:
    """Return the name of a comparison in at most `LONGEST_NAME` characters: its beginning and its hash."""
    if len(comparison) <= LONGEST_NAME:
        return comparison
    return f"{comparison[: LONGEST_NAME - NAME_END - 1]}…{comparison[-NAME_END:]}"


def _looks(forecast: Power) -> list[dict[str, str]]:
    names = [short_name(forecast.comparison), *[""] * (len(LOOKS) - 1)]
    return [_row(name, look, [forecast]) for name, look in zip(names, LOOKS, strict=True)]


def _by_look(forecasts: Sequence[Power]) -> list[dict[str, str]]:
    names = [f"{len(forecasts)} comparisons", *[""] * (len(LOOKS) - 1)]
    return [_row(name, look, forecasts) for name, look in zip(names, LOOKS, strict=True)]


def _row(name: str, look: int, forecasts: Sequence[Power]) -> dict[str, str]:
    found = [100 * forecast.differences[look] for forecast in forecasts if look in forecast.differences]
    hours = [minutes / 60 for forecast in forecasts if (minutes := forecast.minutes[look]) is not None]
    total = f"{sum(hours):.1f}" if sum(hours) >= 1 else f"{sum(hours):.2g}" if hours else ""
    low, high = (f"{end:.1f}" for end in (min(found, default=0), max(found, default=0)))
    spread = "" if not found else low if low == high else f"{low} to {high}"
    return dict(zip(POWER_COLUMNS, (name, str(look), spread, total), strict=True))


def _seeds_for_margin(forecasts: Sequence[Power]) -> str:
    """Return what finds a difference of the margin in all of the comparisons."""
    needed = [forecast.look_for(MARGIN) for forecast in forecasts]
    seeds = [each for each in needed if each is not None]
    most = f"{max(seeds)}" if len(seeds) == len(needed) else f"more than {LOOKS[-1]}"
    return f"One of {100 * MARGIN:.0f} points needs {most} seeds."


def _range(counts: set[int]) -> str:
    return str(min(counts)) if len(counts) == 1 else f"{min(counts)} to {max(counts)}"
