"""Tasks over data sets: the named ones, and any JSONL file with a question and an answer in each line."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from rlvr_bench.tasks.datasets.catalog import DATA_SETS
from rlvr_bench.tasks.datasets.data_set import Splits, cut, load_splits
from rlvr_bench.tasks.datasets.rows import read_rows
from rlvr_bench.tasks.errors import TaskError
from rlvr_bench.tasks.hash_split import WHOLE_SET, in_hash_order
from rlvr_bench.tasks.problem import Problem, Split
from rlvr_bench.tasks.settings import TaskSettings
from rlvr_bench.tasks.task import StandardTask
from rlvr_bench.tasks.verifiers.exact import ExactVerifier
from rlvr_bench.tasks.verifiers.latex import LatexVerifier
from rlvr_bench.tasks.verifiers.verifier import Verifier

DATA_FOLDER_VARIABLE = "RLVR_BENCH_DATA"


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
    path: str = Field(description="the file")
    question: str = Field(default="question", description="field with the question")
    answer: str = Field(default="answer", description="field with the answer")
    verifier: Literal["exact", "latex"] = Field(default="exact", description="how answers are compared")
    split: Literal["hash", "test"] = Field(default="hash", description="cut by hash 60:10:30, or all of it is test")


def data_set_task(settings: DataSetSettings, data_dir: Path | None) -> StandardTask:
    """The task; its source raises TaskError for data that are missing or broken.

    The folder is `settings.data_dir`, else `data_dir`, else the environment's RLVR_BENCH_DATA, else the hub is asked.
    """
    data = DATA_SETS[settings.name]
    given = settings.data_dir or data_dir or os.environ.get(DATA_FOLDER_VARIABLE)
    folder = Path(given).expanduser() if given else None
    return _task(settings, lambda: load_splits(data, folder), data.verifier, data.instruction)


def jsonl_task(settings: JsonlSettings) -> StandardTask:
    """The task; its source raises TaskError naming file, line and fault. Relative paths start at the working folder."""
    verifier = LatexVerifier() if settings.verifier == "latex" else ExactVerifier()
    return _task(settings, lambda: _jsonl_splits(settings), verifier, "")


def _jsonl_splits(settings: JsonlSettings) -> Splits:
    path = Path(settings.path).expanduser()
    found: dict[str, Problem] = {}
    for row in read_rows(path):
        problem = Problem(row.text(settings.question), row.text(settings.answer), "jsonl")
        if found.setdefault(problem.id, problem).answer != problem.answer:
            raise TaskError(f"{row.where} asks an earlier question with another answer: delete one of the two.")
    if not found:
        raise TaskError(f"{path} holds no problems: give a file with one JSON object a line.")
    problems = list(found.values())
    return {"train": [], "validation": [], "test": problems} if settings.split == "test" else cut(problems, WHOLE_SET)


def _task(settings: SampleSettings, load: Callable[[], Splits], verifier: Verifier, instruction: str) -> StandardTask:
    loaded: Splits = {}

    def source(split: Split) -> list[Problem]:
        if not loaded:
            loaded.update(load())
        return _sample(settings, split, loaded[split])

    if settings.instruction is not None:
        instruction = settings.instruction
    return StandardTask(settings, source, verifier, instruction)


def _sample(settings: SampleSettings, split: Split, problems: list[Problem]) -> list[Problem]:
    asked: int | None = getattr(settings, split)
    if asked is not None and asked > len(problems):
        raise TaskError(
            f"Task {settings.name!r} has {len(problems)} problems in split {split!r}, but {asked} were asked for: ask"
            " for fewer."
        )
    return in_hash_order(problems, settings.seed)[:asked]
