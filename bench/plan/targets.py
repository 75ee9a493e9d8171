"""What `targets` comes to on the bases of a plan: names of modules, or why a method does not fit; weights are not read.

Bases whose matrices have Llama's names, on which groups and default mean what they say, are told by the headers of
their files. Others, and all for a method that names other modules, are built without weights from their config, where
that is on this machine.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rlvr_bench.experiment.cell import Cell
from rlvr_bench.methods import registry as method_registry
from rlvr_bench.methods.base.method import LINEAR_TARGETS, TARGET_GROUPS, ends_with
from rlvr_bench.methods.errors import MethodError
from rlvr_bench.models.config import BaseConfig
from rlvr_bench.models.errors import ModelError
from rlvr_bench.models.shapes import parameter_shapes
from rlvr_bench.models.source import hub_folder, source_of
from rlvr_bench.plan.states import PlannedCell


def with_targets(planned: Sequence[PlannedCell]) -> list[PlannedCell]:
    """Return the plan with what each method's targets are on a base, or in a method, of other names than Llama's."""
    folders: dict[str, tuple[Path, bool] | None] = {}
    targets: dict[tuple[str, str], str] = {}
    for entry in planned:
        base = entry.cell.base
        if base.name not in folders:
            folders[base.name] = _folder(base)
        here, key = folders[base.name], (base.name, repr(entry.cell.method))
        if here is not None and key not in targets:
            folder, usual = here
            targets[key] = "" if usual and _are_usual(entry.cell) else _targets(entry.cell, folder)
    return [
        replace(entry, targets=targets.get((entry.cell.base.name, repr(entry.cell.method)), "")) for entry in planned
    ]


def _are_usual(cell: Cell) -> bool:
    method = method_registry.create(cell.method)
    return not method.targets_are_linear or set(method.targets) <= set(LINEAR_TARGETS)


def _folder(base: BaseConfig) -> tuple[Path, bool] | None:
    """The folder of a base that is here, and whether its layers have Llama's matrices and no other."""
    try:
        source = source_of(base)
        folder = hub_folder(base, fetch=False) if source.kind == "hub" else source.folder
        shapes = {} if folder is None else parameter_shapes(folder)
    except ModelError:
        return None
    inside = [name for name, shape in shapes.items() if len(shape) > 1 and any(map(str.isdigit, name.split(".")))]
    usual = all(ends_with(name.removesuffix(".weight"), LINEAR_TARGETS) for name in inside)
    return None if folder is None else (folder, usual)


def _targets(cell: Cell, folder: Path) -> str:
    from rlvr_bench.methods.base.targets import resolve_targets
    from rlvr_bench.models.loading import skeleton

    method = method_registry.create(cell.method)
    try:
        model = skeleton(folder)
    except (OSError, ValueError, RecursionError):  # no config that transformers knows: the cell itself will say so
        return ""
    try:
        resolved = resolve_targets(method, model)
        resolved.refuse_misfit(model)
    except MethodError as refused:
        return f"refused: {refused}"
    asked_for_a_group = method.targets_are_linear and method.targets in TARGET_GROUPS.values()
    return ", ".join(resolved.targets) if asked_for_a_group else ""
