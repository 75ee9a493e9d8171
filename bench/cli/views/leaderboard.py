"""The leaderboard in a terminal: a table per comparison, or of many comparisons a line each."""

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import IO

from rlvr_bench.console.tables import print_line, print_table
from rlvr_bench.console.text import console
from rlvr_bench.leaderboard.columns import Row, Value

Cell = Callable[[Row], str]

MOST_TABLES = 3
"""Comparisons that are shown as tables; of more there is a line each."""

MOST_UNRANKED = 20
"""Unranked rows of a comparison that are shown: a sweep has hundreds, in which the rest would drown."""

MOST_NAMES = 3
"""Best methods of a comparison that its line names."""

LARGEST_DEVIATION = 0.5

SUMMARY = ("comparison", "base", "task", "best", "reward", "rows", "signal")


def show(rows: Iterable[Row], file: IO[str] | None = None, width: int | None = None) -> None:
    """Print the leaderboard, `width` columns wide (default: the terminal's width)."""
    blocks = [list(group) for _, group in groupby(rows, key=lambda row: str(row["comparison"]))]
    if len(blocks) > MOST_TABLES:
        _show_summary(blocks, file, width)
        return
    out = console(file, width)
    for block in blocks:
        comparison = str(block[0]["comparison"])
        print_line(f"\n{comparison}  {_setting(block[0])}", out, bold=len(comparison) + 1)
        shown = _foremost(block)
        _show_table(shown, file, width)
        if len(shown) < len(block):
            print_line(f"{len(block) - len(shown)} rows more, none of them ranked, are in leaderboard-all.csv", out)
        for status, methods in _remarks(block).items():
            named = ", ".join(methods) if len(methods) <= MOST_UNRANKED else f"{len(methods)} rows"
            print_line(f"{named}: {status}", out)
        detectable = block[0]["detectable_difference"]
        if detectable is not None:
            print_line(f"True differences below {percent(detectable)} points are mostly missed here.", out)
    print_line(
        "\nRows that share a letter are not significantly different (chance of any false claim in a comparison, over "
        "all looks: 5 %). If sound: greedy accuracy on the test split of the runs that did not break, mean over seeds, "
        "with its 95 % interval; the letters are about it. Broken: share of runs that failed, collapsed or ended below "
        "the base.",
        out,
    )


def _show_summary(blocks: Sequence[Sequence[Row]], file: IO[str] | None, width: int | None) -> None:
    lines = [
        {name: block[0][name] for name in ("base", "task", "signal", "reward")}
        | {"comparison": str(block[0]["comparison"]).rsplit(".", 1)[-1], "best": _best(block), "rows": str(len(block))}
        for block in blocks
    ]
    print_table(lines, SUMMARY, numbers=["rows"], file=file, width=width)
    print_line(
        f"\n{len(blocks)} comparisons. One of them: leaderboard --comparison {lines[0]['comparison']} (or --base, "
        "--task). Best: the rows in its first tie group, which are not significantly different.",
        console(file, width),
    )


def _best(block: Sequence[Row]) -> str:
    names = [str(row["method"]) for row in block if "a" in str(row["rank_group"] or "")]
    more = f" +{len(names) - MOST_NAMES}" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more


def _foremost(block: Sequence[Row]) -> list[Row]:
    """Return the ranked rows of a comparison, and of more unranked rows than are read the most accurate ones."""
    unranked = [row for row in block if str(row["status"]).startswith("unranked")]
    if len(unranked) <= MOST_UNRANKED:
        return list(block)
    best = sorted(unranked, key=lambda row: -_float(row["accuracy"] or row["accuracy_validation"] or 0.0))
    return [row for row in block if row not in unranked] + best[:MOST_UNRANKED]


def _show_table(rows: Sequence[Row], file: IO[str] | None, width: int | None) -> None:
    """Print one comparison with as many columns as fit, the first ones first."""
    tested = any(row["accuracy"] is not None for row in rows)
    accuracy = ("if sound % [95 %]", _between("accuracy_sound")) if tested else ("validation %", _validation)
    columns = dict([accuracy, *(column for column in COLUMNS if any(column[1](row) for row in rows))])
    lines = [
        {"method": row["method"], "group": row["rank_group"] or "-"} | {name: of(row) for name, of in columns.items()}
        for row in rows
    ]
    shown = ["method", "group", *columns]
    print_table(lines, shown, numbers=columns.keys(), file=file, width=width, name_the_rest=False)


def _remarks(rows: Sequence[Row]) -> dict[str, list[str]]:
    """Return the methods by what is to be said of them beyond that they are ranked."""
    remarks: dict[str, list[str]] = {}
    for row in rows:
        if row["status"] not in ("ranked", "reference"):
            remarks.setdefault(str(row["status"]), []).append(str(row["method"]))
        if row.get("lr_edge"):
            remarks.setdefault(f"{row['lr_edge']} in the trials that chose the rate", []).append(str(row["method"]))
    return remarks


def _setting(row: Row) -> str:
    names = ("base", "task", "signal", "reward")
    counts = [f"{row[name]} {name}" for name in ("steps", "problems") if row[name] is not None]
    return " · ".join([*(str(row[name]) for name in names), *counts])


def _seeds(row: Row) -> str:
    """Return scored seeds, with collapsed (c) and failed (f) ones named: "3", "3 1c", "2 1f"."""
    if row["seeds"] is None:
        return ""
    marks = [f"{row[name]}{name[0]}" for name in ("collapsed", "failed") if row[name]]
    return " ".join([str(row["seeds"]), *marks])


def interval(mean: Value, low: Value, high: Value, sign: str = "") -> str:
    """Return a mean in per cent with its interval, as far as there is one."""
    if mean is None:
        return ""
    if low is None or high is None:
        return percent(mean, sign)
    return f"{percent(mean, sign)} [{percent(low, sign)}, {percent(high, sign)}]"


def percent(value: Value, sign: str = "") -> str:
    """Return a share in per cent, empty where it is undefined; with the sign "+" a plus stands before a gain."""
    return "" if value is None else f"{100 * _float(value):{sign}.1f}"


def _short(value: Value, scale: float = 1) -> str:
    return "" if value is None else f"{_float(value) * scale:.3g}"


def _thousands(value: Value) -> str:
    return "" if value is None else f"{_float(value) / 1000:.0f}k"


def _float(value: Value) -> float:
    if isinstance(value, str) or value is None:
        raise TypeError(f"expected a number, got {value!r}")
    return float(value)


def _between(name: str, sign: str = "") -> Cell:
    """Return how a column with its interval is shown, in per cent."""
    return lambda row: interval(row[name], row[f"{name}_lo"], row[f"{name}_hi"], sign)


def _plain(name: str, scale: float = 1) -> Cell:
    return lambda row: _short(row[name], scale)


def _validation(row: Row) -> str:
    return percent(row["accuracy_validation"])


def _deviation(row: Row) -> str:
    """The standard deviation; with its interval where that says something: a share's is never far above a half."""
    high = row["accuracy_sd_hi"]
    if high is None or _float(high) > LARGEST_DEVIATION:
        return percent(row["accuracy_sd"])
    return _between("accuracy_sd")(row)


def _improvement(row: Row) -> str:
    """The chance, where its interval leaves any out."""
    if (row["improvement_over_full_lo"], row["improvement_over_full_hi"]) == (0, 1):
        return ""
    return _short(row["improvement_over_full"])


COLUMNS: tuple[tuple[str, Cell], ...] = (
    ("broken % [95 %]", _between("broken")),
    ("best?", lambda row: str(row["may_be_best"] or "")),
    ("seeds", _seeds),
    ("accuracy %", lambda row: percent(row["accuracy"])),
    ("gain", _between("gain", "+")),
    ("over control", _between("gain_over_control", "+")),
    ("train %", _plain("trainable_share", 100)),
    ("lr", _plain("lr")),
    ("sparsity", _plain("update_sparsity_bf16")),
    ("KL", _plain("kl")),
    ("tokens", lambda row: _thousands(row["tokens"])),
    ("s", lambda row: "" if row["seconds"] is None else f"{_float(row['seconds']):.0f}"),
    ("sd over seeds", _deviation),
    ("over best prompt", _between("gain_over_best_prompt", "+")),
    ("P(> full)", _improvement),
    ("lr decades", _plain("lr_tolerance")),
)
"""What follows method, group and accuracy, the most important first; a column without values is left out."""
