"""A data set: where its parts are, how a row becomes a problem, and how its parts become splits.

Parts that are missing are cut by hash: a set in one part into train, validation and test; a set with train but no
validation gets a tenth of train. A set with a test part only has no train and no validation problems.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from rlvr_bench.tasks.datasets.rows import Row, read_rows
from rlvr_bench.tasks.errors import NotDownloadedError, TaskError
from rlvr_bench.tasks.hash_split import CARVED_FROM_TRAIN, WHOLE_SET, Shares, split_by_shares
from rlvr_bench.tasks.problem import Problem, Split
from rlvr_bench.tasks.verifiers.verifier import Verifier

PartName = Literal["all", "train", "validation", "test"]
Splits = dict[Split, list[Problem]]


@dataclass(frozen=True, slots=True)
class Part:
    """A file below `<data folder>/<name of the set>`, and the split expression of the hub copy."""

    file: str
    hub_split: str


@dataclass(frozen=True, slots=True)
class DataSet:
    """A row of the catalog."""

    name: str
    description: str
    hub_id: str
    parts: Mapping[PartName, Part]
    problem: Callable[[Row], Problem]
    verifier: Verifier
    instruction: str
    hub_config: str | None = None
    shares: Shares = field(default_factory=lambda: WHOLE_SET)
    """How a set in one part is cut."""


def load_splits(data: DataSet, folder: Path | None) -> Splits:
    """All problems of a set, from `folder` or, if there is none, from the hub.

    Raises TaskError for a missing or broken file, an unreachable hub, and a problem that stands in two parts.
    """
    parts = {name: _unique(data.problem(row) for row in _rows(data, part, folder)) for name, part in data.parts.items()}
    if "all" in parts:
        return cut(parts["all"], data.shares)
    splits: Splits = {"train": [], "validation": [], "test": []}
    for name, problems in parts.items():
        splits[name] = problems  # type: ignore[index]  # "all" was dealt with
    if splits["train"] and "validation" not in parts:
        splits |= cut(splits["train"], CARVED_FROM_TRAIN)
    refuse_overlap(data.name, splits)
    return splits


def cut(problems: list[Problem], shares: Shares) -> Splits:
    """The problems by split."""
    splits: Splits = {split: [] for split in shares}
    for problem in problems:
        splits[split_by_shares(problem, shares)].append(problem)
    return splits


def refuse_overlap(name: str, splits: Splits) -> None:
    """Raises TaskError if a problem stands in two splits: some public copies of sets have their test part in train."""
    seen: dict[str, Split] = {}
    for split, problems in splits.items():
        shared = [problem for problem in problems if seen.setdefault(problem.id, split) != split]
        if shared:
            raise TaskError(
                f"Task {name!r}: {len(shared)} problems stand both in {seen[shared[0].id]} and in {split} (one is"
                f" {shared[0].question[:60]!r}): use the original files, or delete them from one part."
            )


def _unique(problems: Iterable[Problem]) -> list[Problem]:
    """The same question twice in one part is one problem."""
    return list({problem.id: problem for problem in problems}.values())


def _rows(data: DataSet, part: Part, folder: Path | None) -> Iterable[Row]:
    if folder is not None:
        path = folder / data.name / part.file
        if not path.exists():
            raise NotDownloadedError(f"There is no file {path}: put it there or correct the folder.")
        return read_rows(path)
    return _hub_rows(data, part)


def _hub_rows(data: DataSet, part: Part) -> Iterable[Row]:
    import datasets  # seconds to import, and only the hub needs it

    try:
        table = datasets.load_dataset(data.hub_id, data.hub_config, split=part.hub_split)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as fault:
        reason = (str(fault).splitlines() or [type(fault).__name__])[0]
        raise NotDownloadedError(
            f"Task {data.name!r} could not be loaded from the hub as {data.hub_id} ({reason}): give a folder that holds"
            f" {data.name}/{part.file} by --data-dir or RLVR_BENCH_DATA."
        ) from None
    return (Row(f"{data.hub_id} {part.hub_split} record {number}", dict(row)) for number, row in enumerate(table, 1))
