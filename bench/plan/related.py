"""Which records a plan reads: those that its cells can be compared with, not all that a folder holds.

The records of a cell's own comparison say whether it is done. Those of the same title, such as
`organism-steps.chain-4.rlvr.exact`, under other settings say what a stale cell had; and they, or those of the same base
under other rewards, tasks and signals, what a cell takes and how far its accuracies scatter. Of these a few are enough.
"""

from collections.abc import Iterable
from pathlib import Path

from rlvr_bench.experiment.cell import Cell
from rlvr_bench.record import store

MOST_OTHERS = 12
"""Comparisons that are read beside the plan's own; more change an estimate little, and take as long each."""


def related(results: Path, cells: Iterable[Cell]) -> store.Wanted:
    """Return which comparisons of a results folder the plan of some cells reads."""
    own = {cell.comparison: cell.comparison_title for cell in cells}
    titles = set(own.values())
    others = sorted((_distance(name, titles), name) for name in store.comparisons(results) if name not in own)
    chosen = {*own, *(name for _, name in others[:MOST_OTHERS])}
    return chosen.__contains__


def _distance(name: str, titles: set[str]) -> int:
    """Return how many characters of a comparison's title do not begin any of the titles."""
    title = name.rpartition(".")[0]
    return min((len(title) - _shared(title, one) for one in titles), default=0)


def _shared(one: str, other: str) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))
