"""How a reader finds a comparison: by its base and task, then by what is compared there."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rlvr_bench.experiment.scored import label
from rlvr_bench.leaderboard.columns import Row
from rlvr_bench.leaderboard.row import BASE_METHOD
from rlvr_bench.record.schema import RunRecord

Kind = Literal["Methods", "Rewards", "Signals", "Settings", "Trials and single seeds"]
KINDS: tuple[Kind, ...] = ("Methods", "Rewards", "Signals", "Settings", "Trials and single seeds")

MANY = 3
"""Ranked methods from which on a comparison is one of methods."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What a comparison is about: `where` it was run, of what `kind` it is, what it is `called`, rows `ranked`.

    `schema` is the result schema of its runs.
    """

    where: str
    kind: Kind
    called: str
    ranked: int
    schema: int


def choice(rows: Sequence[Row], runs: Sequence[RunRecord]) -> Choice:
    """Return what the rows of one comparison are about; `runs` are theirs."""
    first = rows[0]
    task = label(runs[0].cell["task"]) if runs else str(first["task"])
    ranked = sum(bool(row["rank_group"]) and row["method"] != BASE_METHOD for row in rows)
    size = f"{ranked} ranked" if ranked else f"{len(rows)} rows"
    about = ", ".join(str(first[name]) for name in ("signal", "reward") if first[name] != "none")
    digest = str(first["comparison"]).rpartition(".")[2]
    return Choice(
        where=f"{first['base']}, {task}",
        kind=_kind(first, ranked),
        called=f"{about}: {size}, {first['steps']} steps ({digest})",
        ranked=ranked,
        schema=int(first["result_schema"] or 0),
    )


def _kind(row: Row, ranked: int) -> Kind:
    if not ranked:
        return "Trials and single seeds"
    if row["signal"] != "rlvr":
        return "Signals"
    if row["reward"] != "exact":
        return "Rewards"
    return "Methods" if ranked >= MANY else "Settings"


def grouped(comparisons: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, list[tuple[str, str]]]]:
    """Return (name, what it is called) of comparisons, the most ranked first: by where, then by kind.

    Of those that rank as many, runs of the newest result schema come first.
    """
    found: dict[str, dict[str, list[tuple[str, str]]]] = {}
    for each in sorted(comparisons, key=lambda each: (-each["ranked"], KINDS.index(each["kind"]), -each["schema"])):
        found.setdefault(each["where"], {}).setdefault(each["kind"], []).append((each["name"], each["called"]))
    return found
