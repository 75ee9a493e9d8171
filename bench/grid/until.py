"""`run --until`: which seeds a comparison still needs, by what the table of the records at hand leaves open.

Every row is brought to the first look (`stats.looks`). Then, look by look, the rows that are open get the seeds up to
the next one: those that share a letter with another row and are not equivalent to it. A row that is separated from all
others, or equivalent, needs no more; one that is not ranked (too few of its runs are sound) gets none.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rlvr_bench.experiment.cell import Cell
from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.leaderboard.columns import Row
from rlvr_bench.leaderboard.row import BASE_METHOD
from rlvr_bench.leaderboard.standings import leaderboard, record_key, row_key, step_reader
from rlvr_bench.record.schema import RunRecord
from rlvr_bench.stats.looks import LOOKS, next_look
from rlvr_bench.sweep.phases import Phase, PhaseCells, Phases

CellsOfRow = dict[tuple[str, str], list[Cell]]
"""By comparison and name of the method its cells, in the order of their seeds."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What has to be settled: all pairs, or which row is the best; and the look after which no seeds are added."""

    best_only: bool
    last_look: int

    @property
    def phrase(self) -> str:
        """What is not open once the goal is reached."""
        return "which row is the best" if self.best_only else "how any two rows compare"


def goal_of(text: str) -> Goal:
    """Return what `--until` asks for: "separated", "best" or "look:N"; raises ExperimentError for anything else."""
    if text in ("separated", "best"):
        return Goal(text == "best", LOOKS[-1])
    looked = re.fullmatch(r"look:(\d+)", text)
    if looked is None or int(looked[1]) not in LOOKS:
        looks = ", ".join(str(look) for look in LOOKS)
        raise ExperimentError(f'--until "{text}": write separated, best, or look:N with N one of {looks}')
    return Goal(False, int(looked[1]))


def until(phases: Phases, goal: Goal, results: Path) -> Iterator[Phase]:
    """Yield the stages of an experiment up to a goal; each must have been run before the next is taken."""
    yield from phases.trials()
    looks = _Looks(phases, goal, results)
    while not looks.settled:
        yield looks


class _Looks:
    """The final cells, asked for look by look."""

    def __init__(self, phases: Phases, goal: Goal, results: Path) -> None:
        self.settled = False
        self._phases, self._goal, self._results = phases, goal, results
        self._seeds = final_seeds(phases.seeds, phases.seen_seeds, goal.last_look)
        self._first = max(len(phases.seeds), LOOKS[0])
        self._asked: set[str] = set()

    def __call__(self, records: list[RunRecord]) -> PhaseCells:
        """Return the cells of the next look; none once the goal is reached."""
        grid = self._phases.final(records, self._seeds)
        order = {seed: place for place, seed in enumerate(self._seeds)}
        # Nothing can be decided before the first look, so that it is run whole.
        if not self._asked:
            first = [cell for cell in grid.cells if order[cell.seed] < self._first]
            self._asked |= {cell.id for cell in first}
            self.settled = not first
            return PhaseCells(first, grid.remarks, grid.faults)
        rows: CellsOfRow = defaultdict(list)
        for cell in grid.cells:
            rows[cell.comparison, cell.method_name].append(cell)
        recorded = {record.cell_id for record in records}
        counts = {key: sum(cell.id in recorded for cell in cells) for key, cells in rows.items()}
        remarks, wanted = list[str](), list[Cell]()
        # Rows of a comparison go to the same look: a pair is tested where both have reached it.
        for comparison, open_methods in self._open(rows, records).items():
            due = due_look({name: counts[comparison, name] for name in open_methods}, self._goal.last_look)
            remarks.append(f"{comparison}: {self._said(len(open_methods), due)}")
            for name in open_methods if due is not None else ():
                wanted += [cell for cell in rows[comparison, name][:due] if cell.id not in self._asked]
        self._asked |= {cell.id for cell in wanted}
        self.settled = not wanted
        return PhaseCells(sorted(wanted, key=lambda cell: order[cell.seed]), remarks)

    def _said(self, rows: int, due: int | None) -> str:
        if not rows:
            return "nothing is open"
        last = f"all have {self._goal.last_look} seeds, the last look of this run"
        then = last if due is None else f"on to look {due}"
        return f"{rows} rows leave open {self._goal.phrase}; {then}"

    def _open(self, rows: CellsOfRow, records: list[RunRecord]) -> dict[str, list[str]]:
        """Return by comparison the methods of this experiment whose rows are open."""
        comparisons = sorted({comparison for comparison, _ in rows})
        ids = {cell.id for cells in rows.values() for cell in cells}
        own = {record_key(record) for record in records if record.cell_id in ids}
        there = [record for record in records if record.comparison in comparisons]
        table = [one.row for one in leaderboard(there, step_reader(self._results))]
        return {
            # Once each: what an older version ran as one method may be two rows, of which each asks for the same cells.
            comparison: list(
                dict.fromkeys(
                    str(row["method"])
                    for row in open_rows([row for row in table if row["comparison"] == comparison], self._goal)
                    if row_key(row) in own
                )
            )
            for comparison in comparisons
        }


def final_seeds(own: Sequence[int], seen: Iterable[int], count: int) -> tuple[int, ...]:
    """Return an experiment's seeds and, up to `count`, those that follow the largest of them and no trial has seen."""
    taken, seeds, seed = set(seen), list(own), max(own)
    while len(seeds) < count:
        seed += 1
        seeds += [seed] if seed not in taken else []
    return tuple(seeds)


def due_look(counts: dict[str, int], last: int) -> int | None:
    """Return the look that open rows go on to, those with the fewest seeds first; None if all are at the last.

    Args:
        counts: seeds of each row.
    """
    due = next_look(min(counts.values(), default=last))
    return due if due is not None and due <= last else None


def open_rows(rows: Sequence[Row], goal: Goal) -> list[Row]:
    """Return the rows of a comparison, the base's left out, that are neither separated from nor equivalent to another.

    Args:
        rows: of one comparison, those that are not ranked among them; for the best one only those that may be it count.
    """
    at_issue = [row for row in rows if row.get("rank_group")]
    if goal.best_only:
        at_issue = [row for row in at_issue if row["may_be_best"] == "yes"]
    return [
        row
        for row in at_issue
        if row["method"] != BASE_METHOD and any(_is_open(row, other) for other in at_issue if other is not row)
    ]


def _is_open(row: Row, other: Row) -> bool:
    letters = _letters(row) & _letters(other)
    equivalent = str(row["equivalent_to"] or "").split(", ")
    return bool(letters) and str(other["method"]) not in equivalent


def _letters(row: Row) -> set[str]:
    return set(re.findall(r"[a-z][0-9]*", str(row["rank_group"])))
