"""What of a cell is arithmetic: the floor under any way to write it in torch on one thread.

`python tests/perf/floor.py [METHOD] [STEPS]` trains and scores a cell of the preset `default` in this process under
torch's profiler, and shows for rollout, update and evaluation the processor time in matrix products, in other
operators, and between operators (Python, TRL, lm-eval, the profiler itself). Nothing is asserted.
"""

import sys
from collections import defaultdict
from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch.profiler import ProfilerActivity, profile, record_function

from rlvr_bench.cell import measured
from rlvr_bench.cell.run import run_cell
from rlvr_bench.experiment.experiment import load
from rlvr_bench.experiment.grid import cells
from rlvr_bench.train.trainer import RolloutTrainer

PRODUCTS = ("aten::mm", "aten::addmm", "aten::bmm", "aten::baddbmm", "aten::_scaled_dot_product", "mkldnn::_linear")
PARTS = ("rollout", "update", "evaluate")


def _marked(part: str, call: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(call)
    def inside(*args: Any, **options: Any) -> Any:
        with record_function(part):
            return call(*args, **options)

    return inside


def main(method: str = "full", steps: str = "10") -> None:
    """Profile one cell and print the table."""
    torch.set_num_threads(1)
    cell = cells(load("default"), only=method, seeds=(0,))[0]
    cell = cell.model_copy(update={"signal": cell.signal.model_copy(update={"steps": int(steps)})})
    # A step holds its rollout too: what of it is no rollout is the update.
    for owner, name, part in (
        (RolloutTrainer, "_generate_single_turn", "rollout"),
        (RolloutTrainer, "training_step", "update"),
        (measured, "score_all", "evaluate"),
    ):
        setattr(owner, name, _marked(part, getattr(owner, name)))
    run_cell(cell, lambda event: None)  # whatever is loaded or cached once
    with profile(activities=[ProfilerActivity.CPU]) as found:
        run_cell(cell, lambda event: None)
    _show(found, method, int(steps))


def _show(found: Any, method: str, steps: int) -> None:
    inside: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for event in found.events():
        part = _part(event)
        if part is None:
            continue
        if event.name in PARTS:
            kind = "between"
        else:
            kind = "products" if event.name.startswith(PRODUCTS) else "operators"
        inside[part][kind] += event.self_cpu_time_total / 1e6
    table = Table(title=f"{method}, {steps} steps: seconds and shares")
    for column in ("part", "matrix products", "other operators", "between operators"):
        table.add_column(column, justify="left" if column == "part" else "right")
    for part in PARTS:
        kinds = [inside[part][kind] for kind in ("products", "operators", "between")]
        table.add_row(part, *(f"{value:.2f}  {value / sum(kinds):4.0%}" for value in kinds))
    Console().print(table)


def _part(event: Any) -> str | None:
    """The innermost part that an operator ran in; what autograd runs on its own thread belongs to the update."""
    at = event
    while at is not None:
        if at.name in PARTS:
            return str(at.name)
        if at.name.startswith("autograd::"):
            return "update"
        at = at.cpu_parent
    return None


if __name__ == "__main__":
    main(*sys.argv[1:])
