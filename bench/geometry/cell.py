"""The measurement `geometry`: figures of a training run's update, their nulls, and what pictures need."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import nn

from rlvr_bench.geometry.measure import TensorRecord, measure
from rlvr_bench.geometry.measurements import Geometry, settings_of_a_cell
from rlvr_bench.geometry.sample import Sample, draw_sample
from rlvr_bench.geometry.settings import GeometrySettings
from rlvr_bench.geometry.summary import by_kind, summarise
from rlvr_bench.measure.context import CellContext, TrainedModel
from rlvr_bench.measure.measurement import Measurement
from rlvr_bench.measure.pair import Pair

BY_TYPE = (
    "sparsity_bf16", "relative_norm", "spectral_shift", "principal_angle_max_deg", "principal_angle_mean_deg",
    "principal_overlap", "low_magnitude_overlap", "principal_energy_joint", "stable_rank", "row_stripe_index",
    "column_stripe_index",
)  # fmt: skip
BY_MATRIX = ("sparsity_bf16", "relative_norm", "principal_angle_max_deg")
DIGITS = 6


def in_a_cell(model: nn.Module) -> GeometrySettings:
    """Return the settings of a cell on this model."""
    return settings_of_a_cell(_shapes(model))


class CellGeometry(Measurement[Geometry]):
    """The geometry of a cell's update, in the coordinates that were trained."""

    def after(self, context: CellContext, trained: TrainedModel) -> dict[str, Any]:
        """See `Measurement`."""
        shapes = _shapes(context.reference)
        settings = settings_of_a_cell(shapes)
        signal = context.cell.signal
        all_of_them = self.settings.extent == "full"
        sample = None if all_of_them else draw_sample(shapes, settings, signal.steps * signal.batch_size)
        return cell_geometry(context.pairs(trained.handle), settings, sample)


def _shapes(model: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}


def cell_geometry(pairs: Iterable[Pair], settings: GeometrySettings, sample: Sample | None = None) -> dict[str, Any]:
    """Return the geometry of a run record.

    Args:
        pairs: of every parameter, tied ones once.
        settings: of the figures, such as `in_a_cell` gives.
        sample: the matrices that are measured; None for all of them.

    Returns:
        What `summarise` returns, and `settings`, `by_type` (figures of each matrix type) and `by_layer` (three figures
        of each matrix, by layer and type). The settings of a sample say as `sample` what was measured.
    """
    records = list(measure(pairs, settings, torch.get_num_threads(), sample=sample))
    figures = summarise(records) | {
        "settings": settings.as_json() | ({"sample": sample.as_json()} if sample else {}),
        "by_type": by_type(records),
        "by_layer": by_layer(records),
    }
    short: dict[str, Any] = _short(figures)
    return short


def by_type(records: Sequence[TensorRecord]) -> dict[str, Any]:
    """Return the figures of each matrix type, its largest `k` and, as `lift`, the ratios to the isotropic null."""
    types = {}
    for kind, figures in by_kind(records).items():
        lifts = figures.get("null", {}).get("isotropic", {})
        types[kind] = {name: figures.get(name) for name in BY_TYPE} | {
            "k": max(record.k or 0 for record in records if record.kind == kind),
            "lift": {name: lifts[name]["lift"] for name in BY_TYPE if name in lifts},
        }
    return types


def by_layer(records: Sequence[TensorRecord]) -> dict[str, dict[str, dict[str, float | None]]]:
    """Return layer -> matrix type -> figure, of the matrices that are in a layer."""
    layers: dict[str, dict[str, dict[str, float | None]]] = {}
    for record in records:
        if record.is_matrix and record.layer is not None:
            figures = {name: record.figures.get(name) for name in BY_MATRIX}
            layers.setdefault(str(record.layer), {})[record.kind] = figures
    return layers


def _short(value: Any) -> Any:
    """Return numbers with six digits: a record is read by people, too."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    return {key: _short(item) for key, item in value.items()} if isinstance(value, dict) else value
