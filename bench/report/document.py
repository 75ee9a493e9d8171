"""The page's data: one JSON document that tables, pictures and row details are drawn from.

Places are those of rows in the leaderboard. What is equal for many rows (environments, settings of a comparison)
stands once and is pointed at.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rlvr_bench.leaderboard.columns import COLUMNS, Row
from rlvr_bench.leaderboard.over_bases import over_bases
from rlvr_bench.leaderboard.row import BASE_METHOD
from rlvr_bench.leaderboard.standings import row_key
from rlvr_bench.record.numbers import strict_json
from rlvr_bench.record.schema import RunRecord
from rlvr_bench.report import contrasts, front, gates, rates, reproduce, soundness
from rlvr_bench.report.completions import Completions
from rlvr_bench.report.curves import METRICS, curves
from rlvr_bench.report.material import Material
from rlvr_bench.report.runs import run_document

Document = dict[str, Any]


class _Pool:
    """Distinct values in order of their first use."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self.values: list[Any] = []

    def place(self, value: Any) -> int:
        key = strict_json(value)
        if key not in self._places:
            self._places[key] = len(self.values)
            self.values.append(value)
        return self._places[key]


def document(material: Material) -> tuple[Document, tuple[str, ...]]:
    """Return the page's data, and one sentence for each file of steps or samples that could not be read."""
    environments, heads, completions = _Pool(), _Pool(), Completions()
    rows = []
    for row in material.rows:
        entry: Document = {"values": [row.get(column.name) for column in COLUMNS]}
        records = material.runs.get(row_key(row), ())
        if records:
            entry |= _details(records, material, environments, heads)
            entry["samples"] = completions.of(records)
        rows.append({name: value for name, value in entry.items() if value not in (None, {}, [])})
    content = {
        "columns": [{"name": c.name, "kind": c.kind, "meaning": c.description} for c in COLUMNS],
        "metrics": METRICS,
        "rows": rows,
        "comparisons": [comparison(material, places) for places in by_comparison(material.rows).values()],
        "environments": environments.values,
        "heads": heads.values,
        "rewards": contrasts.contrast(material, "reward"),
        "signals": contrasts.contrast(material, "signal"),
        "transfer": contrasts.transfer(material),
        "frontiers": {name: front.frontier(found["frontier"]) for name, found in material.frontiers.items()},
        "findings": material.findings,
        "over_bases": [asdict(each) for each in over_bases(material.records)],
    }
    return content, (*getattr(material.steps, "faults", ()), *completions.faults)


def by_comparison(rows: Sequence[Row]) -> dict[str, list[int]]:
    """Return the places of each comparison's rows."""
    places: dict[str, list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        places[str(row["comparison"])].append(place)
    return dict(places)


def comparison(material: Material, places: Sequence[int]) -> Document:
    """Return one comparison: its name, what it is about, its rows, how many methods are ranked, and its pictures."""
    own = [material.rows[place] for place in places]
    first = own[0]
    about = [str(first[name]) for name in ("base", "task", "signal", "reward")] + [f"{first['steps']} steps"]
    sensitivity = rates.sensitivity(own)
    for curve in sensitivity:
        for point in curve["points"]:
            point["row"] = places[point["row"]]
    return {
        "name": str(first["comparison"]),
        "about": " · ".join(about),
        "rows": list(places),
        "ranked": sum(bool(row["rank_group"]) and row["method"] != BASE_METHOD for row in own),
        "fronts": {price: [places[place] for place in found] for price, found in front.fronts(own).items()},
        "rates": sensitivity,
        "trials": _trials(material, own),
        "sound": _sound(material, own),
    }


def _trials(material: Material, rows: Sequence[Row]) -> list[str]:
    """Return the comparisons of the trials that found the settings of some rows."""
    tunings = [run.cell.get("tuning") or {} for row in rows for run in material.runs.get(row_key(row), ())]
    cells = {cell for tuning in tunings for of_trial in tuning.get("cells", ()) for cell in of_trial}
    return sorted({material.comparisons[cell] for cell in cells if cell in material.comparisons})


def _sound(material: Material, rows: Sequence[Row]) -> list[Document]:
    """Return the survival curves of the methods that lost a run at one of their rates."""
    found = []
    for method, places in rates.by_method(rows):
        runs = [run for place in places for run in material.runs.get(row_key(rows[place]), ())]
        curve = soundness.sound_share(runs)
        if curve is not None:
            found.append({"method": method} | curve)
    return found


def provenance(records: Sequence[RunRecord]) -> list[tuple[str, str]]:
    """Return (name, value) pairs that say where the records come from; values that differ are all named."""
    environments = [record.environment for record in records]
    states = Counter(record.status for record in records)
    packages = Counter(
        f"{name} {version}"
        for environment in environments
        for name, version in environment.packages.items()
        if name in ("torch", "transformers", "trl", "peft")
    )
    commits = {
        (environment.commit or "no commit")[:12] + (" with local changes" if environment.dirty else "")
        for environment in environments
    }
    return [
        ("runs", f"{len(records)} ({', '.join(f'{n} {state}' for state, n in sorted(states.items()))})"),
        ("commit", ", ".join(sorted(commits))),
        ("machine", "; ".join(sorted({e.cpu + (f", {e.gpu}" if e.gpu else "") for e in environments}))),
        ("python", ", ".join(sorted({environment.python for environment in environments}))),
        ("packages", ", ".join(sorted(packages))),
    ]


def _details(records: tuple[RunRecord, ...], material: Material, environments: _Pool, heads: _Pool) -> Document:
    first = records[0]
    return {
        "runs": [
            run_document(record, environments.place(record.environment.model_dump(mode="json"))) for record in records
        ],
        "curves": curves([material.steps.get(record.cell_id, []) for record in records]),
        "figures": gates.figures(records),
        "grouped": gates.grouped(records),
        "head": heads.place(reproduce.experiment_head(first)),
        "method": reproduce.method_table(first),
        "command": reproduce.command(records),
    }
