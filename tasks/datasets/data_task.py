"""Tasks over data sets: the named ones, and any file of one's own with a question and an answer in each row."""

import logging
import os
from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from rlvr_bench.tasks.datasets.catalog import DATA_SETS
from rlvr_bench.tasks.datasets.data_set import Loaded, by_parts, cut, load
from rlvr_bench.tasks.datasets.fields import answer_of, question_of
from rlvr_bench.tasks.datasets.files import FORMATS, read_rows
from rlvr_bench.tasks.datasets.folders import files_by_split
from rlvr_bench.tasks.datasets.reading import read_problems
from rlvr_bench.tasks.datasets.rows import Row
from rlvr_bench.tasks.errors import TaskError
from rlvr_bench.tasks.hash_split import WHOLE_SET, in_hash_order
from rlvr_bench.tasks.problem import Problem, Split
from rlvr_bench.tasks.settings import TaskSettings
from rlvr_bench.tasks.task import StandardTask
from rlvr_bench.tasks.verifiers.exact import ExactVerifier
from rlvr_bench.tasks.verifiers.latex import LatexVerifier
from rlvr_bench.tasks.verifiers.numerals import parse_number
from rlvr_bench.tasks.verifiers.verifier import Verifier

DATA_FOLDER_VARIABLE = "RLVR_BENCH_DATA"

_log = logging.getLogger(__name__)


class SampleSettings(TaskSettings):
    """How much of a data set is used; a smaller number takes a random sample that depends on `seed` only."""

    train: int | None = Field(default=None, ge=0, description="problems to train on; all if not given")
    validation: int | None = Field(default=None, ge=0, description="problems to choose settings by; all if not given")
    test: int | None = Field(default=None, ge=0, description="problems to report on; all if not given")
    seed: int = Field(default=0, description="which problems a sample holds, and their order")
    instruction: str | None = Field(default=None, description="follows the question in place of the usual instruction")


class DataSetSettings(SampleSettings):
    """A data set that is known by name."""

    locations: ClassVar[frozenset[str]] = frozenset({"data_dir"})
    data_dir: str | None = Field(default=None, description="folder that holds the set's folder; else the hub")


class JsonlSettings(SampleSettings):
    """A file of one's own."""

    locations: ClassVar[frozenset[str]] = frozenset({"path"})
    path: str = Field(description=f"the file: {FORMATS}; or a folder with files train, validation and test")
    question: str | Annotated[list[str], Field(min_length=1)] = Field(
        default="question",
        description='field with the question; "a.b" for a field inside of a field, a list for several, one below the'
        " other; of chat messages the user's last is taken",
    )
    answer: str = Field(
        default="answer",
        description='field with the answer, or with a solution that ends with "#### N" or has the answer in its last'
        " box; a list is one answer in parts",
    )
    verifier: Literal["exact", "latex"] = Field(default="exact", description="how answers are compared")
    split: Literal["hash", "test"] = Field(default="hash", description="cut by hash 60:10:30, or all of it is test")


class DataTask(StandardTask):
    """A task over files, which can say what came of them. The files are read once, when problems are first needed."""

    def __init__(
        self,
        settings: SampleSettings,
        load: Callable[[], Loaded],
        verifier: Verifier,
        instruction: str,
        splits: frozenset[Split],
    ) -> None:
        """`splits` are those that the data are meant to have."""
        super().__init__(settings, self._sample, verifier.asked_by(instruction), instruction)
        self.splits = splits
        self._sampled = settings
        self._load = load
        self._loaded: Loaded | None = None

    @property
    def loaded(self) -> Loaded:
        """Everything that was read, before samples are taken; raises TaskError for data that cannot be used."""
        if self._loaded is None:
            self._loaded = self._load()
            for reading in self._loaded.readings:
                for fault in reading.faults():
                    _log.warning("Task %r: %s", self.name, fault)
        return self._loaded

    def _sample(self, split: Split) -> list[Problem]:
        problems = self.loaded.splits[split]
        count: int | None = getattr(self._sampled, split)
        if count is not None and count > len(problems):
            raise TaskError(
                f"Task {self.name!r} has {len(problems)} problems in split {split!r}, but {count} were asked for: ask"
                " for fewer."
            )
        return in_hash_order(problems, self._sampled.seed)[:count]


def data_set_task(settings: DataSetSettings, data_dir: Path | None) -> DataTask:
    """The task; its source raises TaskError for data that are missing or broken.

    The folder is `settings.data_dir`, else `data_dir`, else the environment's RLVR_BENCH_DATA, else the hub is asked.
    """
    data = DATA_SETS[settings.name]
    root = settings.data_dir or data_dir or os.environ.get(DATA_FOLDER_VARIABLE)
    folder = Path(root).expanduser() if root else None
    instruction = data.instruction if settings.instruction is None else settings.instruction
    return DataTask(settings, lambda: load(data, folder), data.verifier, instruction, data.splits)


def jsonl_task(settings: JsonlSettings) -> DataTask:
    """The task; its source raises TaskError naming file, line and fault. Relative paths start at the working folder."""
    verifier = LatexVerifier() if settings.verifier == "latex" else ExactVerifier()
    path = Path(settings.path).expanduser()
    splits: frozenset[Split] = frozenset({"test"} if settings.split == "test" else WHOLE_SET)
    if path.is_dir():
        named = frozenset(files_by_split(path))
        splits = named | {"validation"} if "train" in named else named
    return DataTask(settings, lambda: _own_files(settings, path), verifier, settings.instruction or "", splits)


def _own_files(settings: JsonlSettings, path: Path) -> Loaded:
    keys = [settings.question] if isinstance(settings.question, str) else settings.question

    def problem(row: Row) -> Problem:
        return Problem(question_of(row, keys), answer_of(row, settings.answer), "jsonl")

    if path.is_dir():
        parts = files_by_split(path)
        readings = {
            split: read_problems(_source(files), chain.from_iterable(map(read_rows, files)), problem)
            for split, files in parts.items()
        }
        loaded = by_parts(settings.name, readings)
    else:
        reading = read_problems(str(path), read_rows(path), problem)
        splits = cut(reading.problems, WHOLE_SET)
        if settings.split == "test":
            splits = {"train": [], "validation": [], "test": list(reading.problems)}
        loaded = Loaded(splits, (reading,))
    problems = [problem for reading in loaded.readings for problem in reading.problems]
    if not problems:
        raise TaskError(f"{path} holds no problems: give a file with a question and an answer in each row.")
    latex = sum("\\" in problem.answer and parse_number(problem.answer) is None for problem in problems)
    message = f'{path}: {latex} answers are LaTeX that is compared as text: set verifier = "latex".'
    return replace(loaded, notes=(*loaded.notes, *(message,) * (settings.verifier == "exact" and latex > 0)))


def _source(files: list[Path]) -> str:
    return str(files[0]) if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"
