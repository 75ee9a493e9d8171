"""Under which names a cell's scores stand, and how each scored task is related to what was trained on."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

Relation = Literal["trained", "level", "family"]
"""The trained task itself; the same family at a level that was not trained; a family that was not trained."""


def _names(own: str, extra: Sequence[str]) -> list[str]:
    """Return the names of the further tasks' scores: those of a name that was there already are numbered from 2."""
    used, names = [own], []
    for name in extra:
        used.append(name)
        count = used.count(name)
        names.append(name if count == 1 else f"{name}-{count}")
    return names


def score_tasks(cell: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the settings of each scored task of a cell by the name of its score, the trained one first."""
    own, extra = cell["task"], cell.get("evaluate", {}).get("extra_tasks", ())
    names = _names(str(own["name"]), [str(each["name"]) for each in extra])
    return dict(zip([str(own["name"]), *names], [own, *extra], strict=True))


def related(cell: Mapping[str, Any]) -> dict[str, Relation]:
    """Return how each scored task of a cell is related to its training task, by the name of its score."""
    trained = _levels(cell["task"])
    return {name: _relation(trained, _levels(task)) for name, task in score_tasks(cell).items()}


def label(task: Mapping[str, Any]) -> str:
    """Return a short name for a task that tells its levels and families: "chain-4", "chain+sums"."""
    if families := task.get("families"):
        return "+".join(map(str, families))
    return "-".join([str(task["name"]), *map(str, task.get("levels") or ())])


def _levels(task: Mapping[str, Any]) -> dict[str, set[int] | None]:
    """Return the levels of each family of a task; None where the task does not name them."""
    families, levels = task.get("families") or [task["name"]], task.get("levels")
    if isinstance(levels, Mapping):
        return {str(family): set(levels[family]) if family in levels else None for family in families}
    return {str(family): set(levels) if levels else None for family in families}


def _relation(trained: Mapping[str, set[int] | None], scored: Mapping[str, set[int] | None]) -> Relation:
    if not scored.keys() <= trained.keys():
        return "family"
    same = all(
        trained[family] is None or (levels is not None and levels <= (trained[family] or set()))
        for family, levels in scored.items()
    )
    return "trained" if same else "level"
