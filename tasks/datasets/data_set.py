"""A data set: where its files are, how a row becomes a problem, and how files become splits.

Splits without a file are cut by hash: a set in one file into train, validation and test; a set with train but no
validation gets a tenth of train. A set with a test file only has no train and no validation problems.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Literal

from rlvr_bench.tasks.datasets.files import SUFFIXES, Rows, read_rows
from rlvr_bench.tasks.datasets.reading import Reading, read_problems
from rlvr_bench.tasks.datasets.rows import Row
from rlvr_bench.tasks.errors import NotDownloadedError, TaskError
from rlvr_bench.tasks.hash_split import CARVED_FROM_TRAIN, WHOLE_SET, Shares, split_by_shares
from rlvr_bench.tasks.problem import Problem, Split
from rlvr_bench.tasks.verifiers.verifier import Verifier

FileKey = Literal["all", "train", "validation", "test"]
Splits = dict[Split, list[Problem]]

MAX_SHARED = 0.01
"""Share of the smaller of two splits: so many problems in both happen in official sets, more are a spoiled copy."""


@dataclass(frozen=True, slots=True)
class SplitFile:
    """A file below `<data folder>/<name of the set>`, and the split expression of the hub copy."""

    name: str
    hub_split: str
    also: tuple[str, ...] = ()
    """Names that the file has in other releases."""

    def paths(self, folder: Path) -> list[Path]:
        """The file, or the same in another format, in parquet shards, or as a folder with a JSON file a problem.

        Raises NotDownloadedError if nothing of that is there.
        """
        for name in (self.name, *self.also):
            stem = name.partition(".")[0]
            for file in (name, *(stem + suffix for suffix in SUFFIXES)):
                if (folder / file).is_file():
                    return [folder / file]
            several = sorted(folder.glob(f"{stem}-*-of-*.parquet")) or sorted((folder / stem).rglob("*.json"))
            if several:
                return several
        raise NotDownloadedError(
            f"There is no file {folder / self.name}: put it there, or as {', '.join(SUFFIXES[1:])}, or correct the"
            " folder."
        )


@dataclass(frozen=True, slots=True)
class DataSet:
    """A row of the catalog."""

    name: str
    description: str
    hub_id: str
    files: Mapping[FileKey, SplitFile]
    fields: tuple[str, ...]
    """The fields that `problem` reads."""
    problem: Callable[[Row], Problem]
    verifier: Verifier
    instruction: str
    hub_config: str | None = None
    shares: Shares = field(default_factory=lambda: WHOLE_SET)
    """How a set in one file is cut."""

    @property
    def splits(self) -> frozenset[Split]:
        """The splits that have problems if the files are whole."""
        if "all" in self.files:
            return frozenset(self.shares)
        named: set[Split] = {name for name in self.files if name != "all"}
        return frozenset(named | {"validation"} if "train" in named else named)


@dataclass(frozen=True, slots=True)
class Loaded:
    """The problems by split, what came of each file, and what else should be known."""

    splits: Splits
    readings: tuple[Reading, ...]
    notes: tuple[str, ...] = ()


def load(data: DataSet, folder: Path | None) -> Loaded:
    """All problems of a set, from `folder` or, if there is none, from the hub.

    Raises TaskError for a missing or broken file, an unreachable hub, and splits that share too many problems.
    """
    readings = {name: _reading(data, file, folder) for name, file in data.files.items()}
    read = tuple(readings.values())
    if "all" in readings:
        return Loaded(cut(readings["all"].problems, data.shares), read)
    return by_parts(data.name, {name: reading for name, reading in readings.items() if name != "all"})


def by_parts(name: str, readings: Mapping[Split, Reading]) -> Loaded:
    """The problems of files for each split; a tenth of train is validation where that has none.

    Raises TaskError if two splits share too many problems.
    """
    splits: Splits = {"train": [], "validation": [], "test": []}
    splits |= {split: list(reading.problems) for split, reading in readings.items()}
    shared = drop_shared(name, splits)
    if splits["train"] and "validation" not in readings:
        splits |= cut(splits["train"], CARVED_FROM_TRAIN)
    notes = (f"{shared} problems of one part stand in a later part too, and were dropped from the first.",)
    return Loaded(splits, tuple(readings.values()), notes * bool(shared))


def cut(problems: Iterable[Problem], shares: Shares) -> Splits:
    """The problems by split."""
    splits: Splits = {split: [] for split in shares}
    for problem in problems:
        splits[split_by_shares(problem, shares)].append(problem)
    return splits


def drop_shared(name: str, splits: Splits) -> int:
    """Take the problems that stand in two splits out of the first of them, and return how many they were.

    Raises TaskError if they are too many: some public copies of sets have their test part in train.
    """
    dropped = 0
    order = list(splits)
    for place, first in enumerate(order):
        for second in order[place + 1 :]:
            ids = {problem.id for problem in splits[second]}
            shared = [problem for problem in splits[first] if problem.id in ids]
            if len(shared) > MAX_SHARED * min(len(splits[first]), len(splits[second])):
                raise TaskError(
                    f"Task {name!r}: {len(shared)} problems stand both in {first} and in {second} (one is"
                    f" {shared[0].question[:60]!r}): use the original files, or delete them from one part."
                )
            splits[first] = [problem for problem in splits[first] if problem.id not in ids]
            dropped += len(shared)
    return dropped


def _reading(data: DataSet, file: SplitFile, folder: Path | None) -> Reading:
    if folder is None:
        return read_problems(f"{data.hub_id} {file.hub_split}", _hub_rows(data, file), data.problem)
    paths = file.paths(folder / data.name)
    source = str(paths[0]) if len(paths) == 1 else f"{folder / data.name} ({len(paths)} files)"
    return read_problems(source, chain.from_iterable(map(read_rows, paths)), data.problem)


def _hub_rows(data: DataSet, file: SplitFile) -> Rows:
    import datasets  # seconds to import, and only the hub needs it

    try:
        table = datasets.load_dataset(data.hub_id, data.hub_config, split=file.hub_split)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as fault:
        reason = (str(fault).splitlines() or [type(fault).__name__])[0]
        raise NotDownloadedError(
            f"Task {data.name!r} could not be loaded from the hub as {data.hub_id} ({reason}): give a folder that holds"
            f" {data.name}/{file.name} by --data-dir or RLVR_BENCH_DATA."
        ) from None
    return (Row(f"{data.hub_id} {file.hub_split} record {number}", dict(row)) for number, row in enumerate(table, 1))
