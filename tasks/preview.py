"""What `tasks list`, `tasks show` and `tasks sample` print, as data that can be written as JSON."""

from dataclasses import asdict, dataclass
from typing import Any

from rlvr_bench.tasks import prompts, registry
from rlvr_bench.tasks.check import CheckReport
from rlvr_bench.tasks.datasets.catalog import DATA_SETS
from rlvr_bench.tasks.datasets.data_task import JsonlSettings
from rlvr_bench.tasks.datasets.files import FORMATS
from rlvr_bench.tasks.problem import Split
from rlvr_bench.tasks.task import Task


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting of a task; `default` is None also where the task itself chooses."""

    key: str
    required: bool
    default: Any
    description: str


def listing() -> list[dict[str, str]]:
    """Name and description of every task that can be used; `registry.available` says which plug-ins cannot."""
    kinds, _ = registry.available()
    return [{"name": name, "description": kind.description} for name, kind in kinds.items()]


def details(name: str) -> dict[str, Any]:
    """Description, levels, files, settings and prompt styles of one task; raises TaskError if the name is unknown."""
    kind = registry.find(name)
    settings = [
        asdict(Setting(key, field.is_required(), field.default if not field.is_required() else None, field.description))
        for key, field in kind.settings.model_fields.items()
        if key != "name" and field.description is not None
    ]
    return {
        "name": name,
        "description": kind.description,
        "levels": list(kind.levels),
        **_files(name),
        "settings": settings,
        "styles": {style: row.description for style, row in prompts.STYLES.items()},
    }


def _files(name: str) -> dict[str, Any]:
    """Where the problems of a data set come from: files below the data folder, their fields, and the hub."""
    if name in DATA_SETS:
        data = DATA_SETS[name]
        return {
            "files": [f"{name}/{file_name}" for file in data.files.values() for file_name in (file.name, *file.also)],
            "formats": FORMATS,
            "fields": list(data.fields),
            "hub": f"{data.hub_id} {data.hub_config or ''}".strip(),
        }
    if registry.find(name).settings is JsonlSettings:
        return {"files": ["the one of `path`"], "formats": FORMATS, "fields": ["those of `question` and `answer`"]}
    return {}


def check_entry(report: CheckReport) -> dict[str, Any]:
    """A report of `check` as plain data."""
    return {
        "task": report.task,
        "passed": report.passed,
        "sizes": report.sizes,
        "tried": report.tried,
        "faults": report.faults(),
        "notes": report.notes(),
        "findings": [asdict(finding) for finding in report.findings],
        "unasked": [asdict(finding) for finding in report.unasked],
    }


def check_rows(report: CheckReport) -> list[dict[str, Any]]:
    """A table of everything that was found: the faults first, each problem by its line, or by its id if it was made."""
    return [
        asdict(finding) | {"problem": finding.where.rpartition("/")[2] or finding.id, "counts": counts}
        for counts, findings in (("fault", report.findings), ("note", report.unasked))
        for finding in findings
    ]


def samples(task: Task, split: Split, count: int, style: str = "task") -> list[dict[str, Any]]:
    """The first `count` problems of a split with their prompts; raises TaskError as the task does."""
    return [
        {
            "id": problem.id,
            "family": problem.family,
            "level": problem.level,
            "prompt": task.prompt(problem, style),
            "answer": problem.answer,
        }
        for problem in task.problems(split)[:count]
    ]
