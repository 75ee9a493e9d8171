"""The measurement `curvature`: do the weights that changed lie where the policy's curvature is low?

Curvature is the diagonal Fisher information of the untrained policy on its own completions (`methods.masks.fisher`). As
everywhere in this package a figure is one of what bf16 shows of the update, over that of null updates of the same norm.
"""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from rlvr_bench.geometry.fisher import fisher_mass
from rlvr_bench.geometry.measurements import Curvature
from rlvr_bench.geometry.nulls import null_update, shown_in_bf16
from rlvr_bench.geometry.settings import NULL_KINDS
from rlvr_bench.measure.context import CellContext, TrainedModel
from rlvr_bench.measure.measurement import Measurement
from rlvr_bench.measure.pair import Pair
from rlvr_bench.methods.masks.fisher import diagonal, sample

SEED, DRAWS = 0, 2
"""Of the sampled completions and of the null updates; null updates of each kind, enough for a mean over matrices."""

DIGITS = 6

Figures = dict[str, float | None]


class CurvatureOfCell(Measurement[Curvature]):
    """Fisher mass on a cell's changed weights, and Fisher-weighted energy of its update."""

    def before(self, context: CellContext) -> None:
        """See `Measurement`; the frozen reference is the untrained policy."""
        model = context.reference
        prompts = context.encoded(context.task.problems("train")[: self.settings.prompts])
        completions = sample(model, prompts, context.cell.signal.max_new_tokens, SEED)
        paths = [name for name, module in model.named_modules() if _is_inner_linear(name, module)]
        self._fisher = {f"{path}.weight": each for path, each in diagonal(model, paths, completions).items()}

    def after(self, context: CellContext, trained: TrainedModel) -> dict[str, Any]:
        """See `Measurement`."""
        return curvature(list(context.pairs(trained.handle)), self._fisher)


def curvature(pairs: Sequence[Pair], fisher: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return `mass`, `energy`, and the same of null updates.

    `mass` is the mean Fisher information of the changed weights over that of all: 1 for a change that does not look at
    curvature, below 1 for one that avoids it. `energy` is the same with every weight counted by its squared change, so
    that twice the KL that the update costs to second order is `energy` times mean Fisher times squared norm. Both are
    None where nothing changed. `null` holds them by kind, with `mass_lift` and `energy_lift`, update over null.

    Args:
        pairs: name, W0, W+ of every parameter.
        fisher: the diagonal of the matrices that are looked at, by name.
    """
    matrices = [
        (name, w0.detach().cpu().double(), w1.detach().cpu().double()) for name, w0, w1 in pairs if name in fisher
    ]
    information = torch.cat([fisher[name].cpu().flatten() for name, _, _ in matrices])
    shown = _figures([shown_in_bf16(w0, w1 - w0) for _, w0, w1 in matrices], information)
    null: dict[str, Figures] = {}
    for kind in NULL_KINDS:
        drawn = [
            _figures(
                [shown_in_bf16(w0, null_update(kind, w1 - w0, name, SEED, draw)) for name, w0, w1 in matrices],
                information,
            )
            for draw in range(DRAWS)
        ]
        null[kind] = _over(shown, {name: _mean([figures[name] for figures in drawn]) for name in shown})
    return {**shown, "null": null}


def _figures(shown: Sequence[tuple[Tensor, Tensor]], information: Tensor) -> Figures:
    """Return both figures of what bf16 shows of an update and of the mask of its changed entries, matrix by matrix."""
    update = torch.cat([moved.flatten() for moved, _ in shown])
    changed = torch.cat([mask.flatten() for _, mask in shown])
    mean, energy = float(information.double().mean()), float(update.square().sum())
    weighted = float((information.double() * update.square()).sum()) / (mean * energy) if mean and energy else None
    return {"mass": _short(fisher_mass(information, changed).lift), "energy": _short(weighted)}


def _over(shown: Figures, null: Figures) -> Figures:
    lifts: Figures = {}
    for name, value in shown.items():
        mean = null[name]
        lifts[f"{name}_lift"] = None if value is None or not mean else _short(value / mean)
    return null | lifts


def _mean(values: Sequence[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return _short(fmean(present)) if present else None


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{DIGITS}g}")


def _is_inner_linear(name: str, module: torch.nn.Module) -> bool:
    """Whether a module is a linear one of the layers: the embedding, tied or not, is looked up and not multiplied."""
    return isinstance(module, torch.nn.Linear) and "layers." in name
