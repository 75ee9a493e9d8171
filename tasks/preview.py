"""What `tasks list`, `tasks show` and `tasks sample` print, as data that can be written as JSON."""

from dataclasses import asdict, dataclass
from typing import Any

from rlvr_bench.tasks import prompts, registry
from rlvr_bench.tasks.problem import Split
from rlvr_bench.tasks.task import Task


@dataclass(frozen=True, slots=True)
class Setting:
    """A key that a task can be told; `default` is None also where the task itself chooses."""

    key: str
    required: bool
    default: Any
    description: str


def listing() -> list[dict[str, str]]:
    """Name and description of every task that can be used; `registry.available` says which plug-ins cannot."""
    kinds, _ = registry.available()
    return [{"name": name, "description": kind.description} for name, kind in kinds.items()]


def details(name: str) -> dict[str, Any]:
    """Description, levels, settings and prompt styles of one task; raises TaskError if the name is unknown."""
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
        "settings": settings,
        "styles": {style: row.description for style, row in prompts.STYLES.items()},
    }


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
