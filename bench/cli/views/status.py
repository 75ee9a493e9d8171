"""The state of a running grid in a terminal."""

from collections.abc import Mapping
from typing import Any

from rlvr_bench.console.tables import print_line, print_table
from rlvr_bench.console.text import console

SHOWN_FAILURES = 5
SILENT_SECONDS = 60
"""A grid that runs renews its state about every second; one that has not for so long says so."""


def clear() -> None:
    """Clear the terminal; nothing where the output is none."""
    console().clear()


def show_status(state: Mapping[str, Any], now: float) -> None:
    """Print a state of `launch.live.live_state` at the time `now`, in seconds of the epoch."""
    ended = sum(state["ended"].values())
    total = "" if state["total"] is None else f" of {state['total']}"
    counts = ", ".join(f"{count} {status}" for status, count in sorted(state["ended"].items()))
    since = duration((now if state["runs"] else state["renewed"]) - state["started"])
    if state["runs"]:
        print_line(
            f"process {state['process']} runs for {since}: {ended}{total} cells ended" + (counts and f" ({counts})")
        )
        print_line(f"about {time_left(state, now)} left" if time_left(state, now) else "no cell has ended yet")
        if now - state["renewed"] > SILENT_SECONDS:
            print_line(f"it has said nothing for {duration(now - state['renewed'])}")
    else:
        print_line(f"nothing runs; the last run took {since}: {ended}{total} cells ended" + (counts and f" ({counts})"))
    rows = [
        {"running": cell["name"], "for": duration(now - cell["since"]), "stage": cell["stage"]}
        | {"step": f"{cell['step']}/{cell['steps']}" if cell["steps"] else "", "comparison": cell["comparison"]}
        for cell in state["running"]
    ]
    if rows:
        print_table(rows, list(rows[0]), numbers=["for", "step"])
    for failure in state["failures"][-SHOWN_FAILURES:]:
        print_line(f"{failure['name']} ({failure['cell_id']}): {failure['status']}: {failure['message']}")


def time_left(state: Mapping[str, Any], now: float) -> str:
    """Return how long the cells that have not ended will take at the pace so far; empty where that is unknown."""
    ended = sum(state["ended"].values())
    if not ended or state["total"] is None:
        return ""
    return duration((now - state["started"]) / ended * (state["total"] - ended))


def duration(seconds: float) -> str:
    """Return a time in the unit that it is read in: 42 s, 7 min, 3 h 5 min."""
    if seconds < 60:
        return f"{max(seconds, 0):.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
