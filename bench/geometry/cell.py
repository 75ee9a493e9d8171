"""The geometry of a training run, as it stands in its record: figures, their nulls, and what pictures need."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from rlvr_bench.geometry.mask_sample import MaskSamples, sample_masks
from rlvr_bench.geometry.measure import TensorRecord, measure
from rlvr_bench.geometry.settings import GeometrySettings
from rlvr_bench.geometry.summary import by_kind, summarise
from rlvr_bench.models.interventions import Intervention, restored, role_of

Pair = tuple[str, Tensor, Tensor]
"""Name, tensor before, tensor after."""

NULL_MATRICES = 40
"""About so many matrices get null updates, which is enough for a model's mean; of a small model all."""

BY_TYPE = (
    "sparsity_bf16", "relative_norm", "spectral_shift", "principal_angle_max_deg", "principal_angle_mean_deg",
    "principal_overlap", "low_magnitude_overlap", "principal_energy_joint", "stable_rank", "row_stripe_index",
    "column_stripe_index",
)  # fmt: skip
BY_MATRIX = ("sparsity_bf16", "relative_norm", "principal_angle_max_deg")
DIGITS = 6


def in_a_cell(model: nn.Module) -> GeometrySettings:
    """Return the settings of a cell on this model; two draws of each null are enough for an interval."""
    matrices = sum(parameter.ndim == 2 for parameter in model.parameters())
    return GeometrySettings(draws=2, null_every=max(1, round(matrices / NULL_MATRICES)))


def cell_geometry(
    pairs: Iterable[Pair], settings: GeometrySettings, key: str, interventions: Sequence[Intervention] = ()
) -> dict[str, Any]:
    """Return the geometry of a run record.

    Args:
        pairs: of every parameter, tied ones once.
        settings: of the figures, such as `in_a_cell` gives.
        key: names the run, so that no two runs share a null update in the sampled masks.
        interventions: what was done to the base before training. The figures are in the coordinates that were trained;
            the changed masks are sampled a second time in the base's own.

    Returns:
        What `summarise` returns, and `settings`, `by_type` (figures of each matrix type), `by_layer` (three figures of
        each matrix, by layer and type), `changed_sample` and for a changed base `changed_sample_restored`.
    """
    samples: MaskSamples = {}
    in_base: MaskSamples = {}

    def watched() -> Iterator[Pair]:
        for name, before, after in pairs:
            samples.update(sample_masks([(name, before, after)], key))
            if interventions:
                in_base.update(sample_masks([_restored(name, before, after, interventions)], key))
            yield name, before, after

    records = list(measure(watched(), settings, torch.get_num_threads()))
    found = summarise(records) | {
        "settings": settings.as_json(),
        "by_type": by_type(records),
        "by_layer": by_layer(records),
        "changed_sample": samples,
    }
    short: dict[str, Any] = _short(found | ({"changed_sample_restored": in_base} if interventions else {}))
    return short


def by_type(records: Sequence[TensorRecord]) -> dict[str, Any]:
    """Return the figures of each matrix type, its largest `k` and, as `lift`, the ratios to the isotropic null."""
    found = {}
    for kind, figures in by_kind(records).items():
        lifts = figures.get("null", {}).get("isotropic", {})
        found[kind] = {name: figures.get(name) for name in BY_TYPE} | {
            "k": max(record.k or 0 for record in records if record.kind == kind),
            "lift": {name: lifts[name]["lift"] for name in BY_TYPE if name in lifts},
        }
    return found


def by_layer(records: Sequence[TensorRecord]) -> dict[str, dict[str, dict[str, float | None]]]:
    """Return layer -> matrix type -> figure, of the matrices that are in a layer."""
    found: dict[str, dict[str, dict[str, float | None]]] = {}
    for record in records:
        if record.is_matrix and record.layer is not None:
            figures = {name: record.figures.get(name) for name in BY_MATRIX}
            found.setdefault(str(record.layer), {})[record.kind] = figures
    return found


def _restored(name: str, before: Tensor, after: Tensor, interventions: Sequence[Intervention]) -> Pair:
    if not any(role_of(name, intervention.layer) for intervention in interventions):
        return name, before, after
    start = restored(name, before.detach().cpu().double(), interventions)
    update = restored(name, after.detach().cpu().double() - before.detach().cpu().double(), interventions)
    return name, start, start + update


def _short(value: Any) -> Any:
    """Return numbers with six digits: a record is read by people, too."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    return {key: _short(item) for key, item in value.items()} if isinstance(value, dict) else value
