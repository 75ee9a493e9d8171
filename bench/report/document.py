"""The page's data: one JSON document that tables, pictures and row details are drawn from.

Places are those of rows in the leaderboard. What is equal for many rows (environments, settings of a comparison)
stands once and is pointed at.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from pydantic import BaseModel

from rlvr_bench.leaderboard.columns import COLUMNS, Row
from rlvr_bench.leaderboard.over_bases import over_bases
from rlvr_bench.leaderboard.standings import row_key
from rlvr_bench.record.numbers import strict_json
from rlvr_bench.record.schema import RunRecord
from rlvr_bench.report import board, contrasts, front, gates, kinds, promises, rates, reproduce, soundness, words
from rlvr_bench.report.ageing import ageing
from rlvr_bench.report.answer import answer, answer_document
from rlvr_bench.report.choices import choice
from rlvr_bench.report.completions import Completions
from rlvr_bench.report.curves import METRICS, curves_of_each
from rlvr_bench.report.material import Material
from rlvr_bench.report.runs import run_document, run_settings

Document = dict[str, Any]


class _Pool:
    """Distinct values in order of their first use."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self._models: dict[int, tuple[BaseModel, int]] = {}
        self.values: list[Any] = []

    def place_of(self, model: BaseModel) -> int:
        """Return the place of a model's content; records of one file share the object, which is written once."""
        if id(model) not in self._models:
            self._models[id(model)] = model, self.place(model.model_dump(mode="json"))
        return self._models[id(model)][1]

    def place(self, value: Any) -> int:
        key = strict_json(value)
        if key not in self._places:
            self._places[key] = len(self.values)
            self.values.append(value)
        return self._places[key]


class _Pools(NamedTuple):
    """What many rows or runs share."""

    environments: _Pool
    heads: _Pool
    settings: _Pool


def document(material: Material) -> tuple[Document, tuple[str, ...]]:
    """Return the page's data, and one sentence for each file of steps or samples that could not be read."""
    pools, completions = _Pools(_Pool(), _Pool(), _Pool()), Completions()
    rows = []
    for row in material.rows:
        entry: Document = {"values": [row.get(column.name) for column in COLUMNS]}
        records = material.runs.get(row_key(row), ())
        if records:
            entry |= _details(records, material, pools, completions)
        rows.append({name: value for name, value in entry.items() if value not in (None, {}, [])})
    orders = over_bases(material.records)
    rewards, signals = contrasts.contrast(material, "reward"), contrasts.contrast(material, "signal")
    content = {
        "columns": [
            {"name": c.name, "kind": c.kind, "meaning": c.description, "lower": c.name in front.LOWER_IS_BETTER}
            for c in COLUMNS
        ],
        "metrics": METRICS,
        "rows": rows,
        "comparisons": [
            comparison(material, places) | {"in_words": _in_words(rows, material, places)}
            for places in by_comparison(material.rows).values()
        ],
        "environments": pools.environments.values,
        "heads": pools.heads.values,
        "settings": pools.settings.values,
        "figure_names": words.NAMES,
        "rewards": rewards,
        "signals": signals,
        "signals_in_words": words.signals_in_words(signals),
        "kinds": kinds.side_by_side([*rewards, *signals]),
        "transfer": contrasts.transfer(material),
        "frontiers": {name: front.frontier(found["frontier"]) for name, found in material.frontiers.items()},
        "printed_frontiers": front.on_paper(material.frontiers),
        "promises": promises.promises(material.frontiers, material.trainings),
        "ageing": ageing(material.records),
        "findings": [found | {"kind": kinds.kind_of(found.get("base"))} for found in material.findings],
        "over_bases": [asdict(each) for each in orders],
        "answer": answer_document(answer(material.rows, orders)),
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
    sensitivity = rates.sensitivity(own)
    for curve in sensitivity:
        for point in curve["points"]:
            point["row"] = places[point["row"]]
    runs = [run for row in own for run in material.runs.get(row_key(row), ())]
    return {
        "name": str(own[0]["comparison"]),
        "rows": list(places),
        "drawn": list(board.scale(own)),
        "rates": sensitivity,
        "trials": _trials(material, own),
        "sound": _sound(material, own),
    } | asdict(choice(own, runs))


def _in_words(entries: Sequence[Document], material: Material, places: Sequence[int]) -> list[str]:
    """Return what the geometry of a comparison comes to; `entries` are those of all rows."""
    figures = {str(material.rows[place]["method"]): entries[place].get("figures", {}) for place in places}
    return words.weights_in_words(figures)


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


def _details(records: tuple[RunRecord, ...], material: Material, pools: _Pools, completions: Completions) -> Document:
    first = records[0]
    together, alone = curves_of_each([material.steps.get(record.cell_id, []) for record in records])
    return {
        "runs": [
            run_document(record, pools.environments.place_of(record.environment))
            | {"settings": pools.settings.place(run_settings(record)), "samples": completions.of(record)}
            | ({"curves": own} if len(records) > 1 else {})
            for record, own in zip(records, alone, strict=True)
        ],
        "curves": together,
        "figures": gates.figures(records),
        "grouped": gates.grouped(records),
        "head": pools.heads.place(reproduce.experiment_head(first)),
        "method": reproduce.method_table(first),
        "command": reproduce.command(records),
    }
