"""What a verdict is drawn from: the run records of one base model, their steps, and verification reports.

An analysis chooses runs by the settings of their cells, never by the name of an experiment, so that records of any
experiment count when they are what the claim is about.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property, partial
from pathlib import Path
from statistics import fmean
from typing import Any

from rlvr_bench.record import store
from rlvr_bench.record.documents import parse_json, read_regular
from rlvr_bench.record.errors import RecordError
from rlvr_bench.record.schema import RunRecord, StepRecord
from rlvr_bench.studies.errors import FindingsError, NoEvidence
from rlvr_bench.thinking.documents import upgraded

Where = Mapping[str, Any]
"""Dotted keys of a cell's settings -> the value asked for, a list of them, or a glob: {"signal.type": "sft"}.

`learning_rate = "best"` asks for the rate with the best mean validation accuracy, of every method in every setting;
`learning_rate = { best_of = [1e-4, 3e-4] }` for the best of those rates, whatever others were tried.
"""

RATE = "learning_rate"

INTERVENTIONS = "interventions"
"""The setting of what was done to a cell on purpose; runs that have one count only for claims that ask for it."""

BEST, BEST_OF = "best", "best_of"

TRAINED = ("done", "collapsed")


@dataclass(frozen=True)
class EvidenceRun:
    """One run record and, read when asked for, its steps."""

    record: RunRecord
    read_steps: Callable[[], Sequence[StepRecord]] = field(default=list, compare=False)

    @cached_property
    def steps(self) -> Sequence[StepRecord]:
        """The run's step records."""
        return self.read_steps()

    @property
    def seed(self) -> int:
        """The seed of the cell."""
        return self.record.keys.seed

    def setting(self, key: str) -> Any:
        """Return a setting of the cell by its dotted key, None where it has none."""
        return value_at(self.record.cell, key)

    def figure(self, key: str) -> float | None:
        """Return a number of the record by its dotted key, such as "geometry.sparsity_bf16"; None where undefined."""
        first, _, rest = key.partition(".")
        part = self.record.measurement(first) or getattr(self.record, first, None)
        value = value_at(part if isinstance(part, Mapping) else part.model_dump() if part is not None else {}, rest)
        return float(value) if isinstance(value, int | float) else None


@dataclass(frozen=True)
class Evidence:
    """The runs on one base model under one result schema, and the documents of `results/thinking` about the model.

    What the same settings lead to differs between schemas: their runs are neither compared nor counted together.
    """

    base: str
    runs: tuple[EvidenceRun, ...]
    thinking: tuple[dict[str, Any], ...] = ()
    schema: int = 0
    beside: tuple["Evidence", ...] = field(default=(), repr=False, compare=False)
    """The evidence on other bases, for an analysis that compares bases; none of it has others beside it."""

    def select(self, where: Where, statuses: Iterable[str] = TRAINED) -> list[EvidenceRun]:
        """Return the runs whose cells are set as asked, in the order of their seeds; `statuses`: how they ended.

        Runs with an intervention are left out unless `where` names `interventions`.

        Raises:
            NoEvidence: there is none, or the best rate is asked for of runs without a validation score.
        """
        filters = dict(where)
        best = filters.get(RATE) == BEST or isinstance(filters.get(RATE), Mapping)
        if best:
            rates = filters.pop(RATE)
            filters |= {} if rates == BEST else {RATE: rates[BEST_OF]}
        as_they_are = not any(key.partition(".")[0] == INTERVENTIONS for key in filters)
        chosen = set(self._plain if as_they_are else range(len(self.runs)))
        for key, pattern in filters.items():
            chosen &= self._set_to(key, pattern)
        runs = [run for place in sorted(chosen) if (run := self.runs[place]).record.status in statuses]
        runs = at_best_rates(runs) if best else runs
        if not runs:
            words = ", ".join(f"{key} = {value}" for key, value in where.items())
            raise NoEvidence(f"no records with {words}" if words else "no records")
        return sorted(runs, key=lambda run: (run.seed, run.record.cell_id))

    @cached_property
    def _plain(self) -> frozenset[int]:
        """The places of the runs without an intervention."""
        return frozenset(place for place, run in enumerate(self.runs) if not run.setting(INTERVENTIONS))

    @cached_property
    def _places(self) -> dict[str, list[tuple[Any, set[int]]]]:
        """By key the values that the runs hold, each with their places; a key is looked up in the runs once."""
        return {}

    def _set_to(self, key: str, pattern: Any) -> set[int]:
        """Return the places of the runs whose setting fits a pattern; every value is compared once, not every run."""
        if key not in self._places:
            values: dict[str, tuple[Any, set[int]]] = {}
            for place, run in enumerate(self.runs):
                value = run.setting(key)
                # A text that tells 1 from 1.0 and from "1": what compares equal may match a glob differently.
                values.setdefault(repr(value), (value, set()))[1].add(place)
            self._places[key] = list(values.values())
        return {place for value, places in self._places[key] if _is(value, pattern) for place in places}


def gather(results: Path) -> list[Evidence]:
    """Read a results folder: a piece of evidence per base model, by name, and result schema, the newest first.

    Comparisons of probes are `thinking/*.json`, and `thinking/trainings/*.json`: the same with other training seeds.

    Raises:
        FindingsError: a record or a document cannot be read; verdicts on the rest would look complete.
    """
    return evidence_of(results, store.load_all(results))


def evidence_of(results: Path, loaded: store.Loaded) -> list[Evidence]:
    """Return what `gather` does, of records that are read already."""
    records, problems = loaded
    if problems:
        raise FindingsError(str(problems[0]))
    grouped: dict[tuple[str, int], list[EvidenceRun]] = {}
    reader = store.StepReader(results)
    for record in records:
        run = EvidenceRun(record, partial(reader.steps, record))
        key = base_label(record.keys.base), int(record.cell.get("result_schema", 0))
        grouped.setdefault(key, []).append(run)
    folders = [results / "thinking", results / "thinking" / "trainings"]
    documents = [_document(path) for folder in folders for path in sorted(folder.glob("*.json"))]
    without_runs = {str(document["base"]) for document in documents} - {base for base, _ in grouped}
    keys = sorted({*grouped, *((base, 0) for base in without_runs)}, key=lambda key: (key[0], -key[1]))
    alone = [
        Evidence(base, tuple(grouped.get((base, schema), ())), _about(documents, base), schema) for base, schema in keys
    ]
    return [replace(each, beside=tuple(other for other in alone if other.base != each.base)) for each in alone]


def _about(documents: Sequence[dict[str, Any]], base: str) -> tuple[dict[str, Any], ...]:
    return tuple(document for document in documents if str(document["base"]) == base)


def base_label(base: Mapping[str, Any]) -> str:
    """Return the name under which runs are judged: a base with a changed geometry keeps that of its own base."""
    return str(base.get("label") or base["name"])


def value_at(values: Any, key: str) -> Any:
    """Return what a dotted key leads to in nested mappings, None where it leads nowhere."""
    for part in key.split(".") if key else ():
        if not isinstance(values, Mapping):
            return None
        values = values.get(part)
    return values


def at_best_rates(runs: Sequence[EvidenceRun]) -> list[EvidenceRun]:
    """Return the runs at the best rate of their method and setting; of equal rates the lowest."""
    settings: dict[str, list[EvidenceRun]] = {}
    for run in runs:
        settings.setdefault(repr((run.record.comparison, run.record.keys.method)), []).append(run)
    rates = map(by_rate, settings.values())
    return [run for tried in rates for run in tried[_best_rate(tried)]]


def by_rate(runs: Sequence[EvidenceRun]) -> dict[float, list[EvidenceRun]]:
    """Return the runs by learning rate."""
    runs_by_rate: dict[float, list[EvidenceRun]] = {}
    for run in runs:
        runs_by_rate.setdefault(float(run.setting(RATE)), []).append(run)
    return runs_by_rate


def _best_rate(rates: Mapping[float, Sequence[EvidenceRun]]) -> float:
    if len(rates) == 1:
        return next(iter(rates))
    return min(rates, key=lambda rate: (-fmean(map(_validated, rates[rate])), rate))


def _validated(run: EvidenceRun) -> float:
    score = run.record.score("tuned", str(run.record.keys.task["name"]), "validation")
    if score is None or score.greedy is None:
        raise NoEvidence(f"the best learning rate is asked for, but {run.record.cell_id} has no validation score")
    return score.greedy


def _is(value: Any, pattern: Any) -> bool:
    if isinstance(pattern, list):
        return bool(value == pattern) or any(_is(value, one) for one in pattern)
    if isinstance(pattern, str):
        return fnmatchcase("" if value is None else str(value), pattern)
    return bool(value == pattern)


def _document(path: Path) -> dict[str, Any]:
    try:
        document = parse_json(read_regular(path))
    except RecordError as error:
        raise FindingsError(str(error)) from error
    except ValueError as error:
        raise FindingsError(f"{path}: not readable as JSON ({error}); restore it from git, or make it again") from error
    if not isinstance(document, dict) or "base" not in document:
        raise FindingsError(f'{path}: a verification report is a JSON object that names its "base"; make it again')
    return upgraded(document)
