"""Two rows side by side in a terminal: what differs in result, by seed, in settings, and along training."""

from collections.abc import Mapping, Sequence
from typing import Any

from rlvr_bench.cli.views.leaderboard import interval, percent
from rlvr_bench.console.tables import print_line, print_table
from rlvr_bench.report.curves import METRICS

BARS = "▁▂▃▄▅▆▇█"
LONGEST_VALUE = 60
"""Characters of a setting's value in the table."""


def show_pair(document: Mapping[str, Any]) -> None:
    """Print a document of `report.pair.pair_document`."""
    one, other = document["names"]
    if one == other:
        one, other = f"{one} (1)", f"{other} (2)"
    title = " / ".join(dict.fromkeys(document["comparison"]))
    print_line(f"\n{title}", bold=len(title) + 1)
    print_line(f"{one}: {_percent(document['accuracy'][0])} %, {other}: {_percent(document['accuracy'][1])} %")
    if document["difference"] is None:
        print_line("no difference: they were not scored on the same test problems")
    else:
        noise = document["difference"]["low"] <= 0 <= document["difference"]["high"]
        runs = "" if len(document["seeds"]) > 1 else "; one run of each says nothing of the next"
        print_line(
            f"{one} minus {other}: {_interval(document['difference'])} points [95 %], problems paired, seeds "
            f"independent: {'not significantly different' if noise else 'significantly different'}{runs}"
        )
    seeds = [
        {"seed": row["seed"], one: percent(row["one"]), other: percent(row["other"])}
        | {"difference [95 %]": _interval(row["difference"])}
        for row in document["seeds"]
    ]
    if seeds:
        print_table(seeds, list(seeds[0]), numbers=list(seeds[0]))
    _show_settings(document["settings"], one, other)
    _show_curves(document["curves"], one, other)


def sparkline(values: Sequence[float], low: float, high: float) -> str:
    """Return a bar for each value, on a scale from `low` to `high`."""
    span = high - low
    return "".join(BARS[round((value - low) / span * (len(BARS) - 1)) if span > 0 else 0] for value in values)


def _show_settings(settings: Sequence[Mapping[str, Any]], one: str, other: str) -> None:
    if not settings:
        print_line("no setting differs")
        return
    rows = [{"setting": row["setting"], one: _short(row["one"]), other: _short(row["other"])} for row in settings]
    print_table(rows, ["setting", one, other])


def _show_curves(curves: Sequence[Mapping[str, Sequence[float]]], one: str, other: str) -> None:
    """Print each metric of both on one scale, with its first and its last value."""
    rows = []
    for metric in (name for name in METRICS if any(name in each for each in curves)):
        values = [list(each.get(metric, ())) for each in curves]
        low, high = min(map(min, filter(None, values))), max(map(max, filter(None, values)))
        rows += [
            {"curve": metric if place == 0 else "", "of": name, "": sparkline(drawn, low, high)}
            | {"first": f"{drawn[0]:.3g}" if drawn else "", "last": f"{drawn[-1]:.3g}" if drawn else ""}
            for place, (name, drawn) in enumerate(zip((one, other), values, strict=True))
        ]
    if rows:
        print_table(rows, list(rows[0]), numbers=["first", "last"])


def _interval(estimate: Mapping[str, float]) -> str:
    return interval(estimate["mean"], estimate["low"], estimate["high"], sign="+")


def _percent(value: float | None) -> str:
    return "not scored" if value is None else percent(value)


def _short(value: Any) -> str:
    text = "-" if value is None else str(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 3]}..."
