"""The pictures of a report: files, drawn without a display.

Colour names a matrix type, a solid line the update, a dashed one the isotropic update of equal norm.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import fmean

import matplotlib
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator
from torch import Tensor

from rlvr_bench.geometry.measure import TensorRecord
from rlvr_bench.geometry.report import GeometryReport
from rlvr_bench.record.atomic import disk_errors, replace_whole

BINS = 48
DOTS_PER_INCH = 150
MOST_PANELS = 12


def draw(report: GeometryReport, folder: Path) -> list[Path]:
    """Draw the pictures of a report made with `pictures=True` into `folder`, and return their paths.

    Raises:
        RecordError: the folder cannot be written.
    """
    matrices = [record for record in report.records if record.is_matrix]
    drawn = {"layers.png": by_layer(matrices), "energy.png": by_direction(matrices), "stripes.png": stripes(matrices)}
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for name, figure in drawn.items():
        figure.suptitle(f"{report.base} → {report.tuned}", fontsize=10)
        replace_whole(folder / name, partial(figure.savefig, format="png", dpi=DOTS_PER_INCH))
    return [folder / name for name in drawn]


def by_layer(matrices: Sequence[TensorRecord]) -> Figure:
    """Sparsity and the largest principal angle by layer, a line per matrix type."""
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    _layer_lines(left, matrices, "sparsity_bf16")
    left.set(xlabel="layer", ylabel="share unchanged in bf16", ylim=(-0.02, 1.02))
    for axes in (left, right):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.plot([], [], color="grey", linestyle="--", linewidth=0.8, label="isotropic null")
    _layer_lines(right, matrices, "principal_angle_max_deg")
    right.set(xlabel="layer", ylabel="largest principal angle, degrees")
    right.set_yscale("symlog", linthresh=1e-3)
    right.yaxis.set_major_formatter(_plain)
    _legend(figure, left)
    return figure


def by_direction(matrices: Sequence[TensorRecord]) -> Figure:
    """Energy of the update along the base's singular directions, mean over layers: density and running sum."""
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    for kind, (colour, group) in _groups(matrices).items():
        curves = [record.picture.energy for record in group if record.picture and record.picture.energy is not None]
        if curves:
            density = torch.stack([_binned(curve) for curve in curves]).mean(dim=0)
            places = (torch.arange(len(density)) + 0.5) / len(density)
            left.plot(places, density, color=colour, label=kind, linewidth=1.2)
            ends = torch.cat([torch.zeros(1), density.cumsum(0).float() / len(density)])
            right.plot(torch.linspace(0, 1, len(ends)), ends, color=colour, linewidth=1.2)
    left.axhline(1, color="grey", linestyle="--", linewidth=1, label="isotropic")
    right.plot([0, 1], [0, 1], color="grey", linestyle="--", linewidth=1)
    left.set(xlabel="singular direction of the base, largest first, as a share", ylabel="energy over isotropic")
    left.set_yscale("log")
    left.yaxis.set_major_formatter(_plain)
    left.yaxis.set_minor_formatter(_plain)
    left.yaxis.set_minor_locator(LogLocator(subs=(2, 5) if _decades(left) > 1 else range(1, 10)))
    right.set(xlabel="singular directions of the base, as a share", ylabel="share of the update's energy")
    _legend(figure, left)
    return figure


def stripes(matrices: Sequence[TensorRecord]) -> Figure:
    """Where entries changed in bf16: the matrices of the middle layer, dark where more of them did."""
    layers = sorted({record.layer for record in matrices if record.layer is not None})
    middle = layers[len(layers) // 2] if layers else None
    shown = [record for record in matrices if record.layer == middle and record.picture][:MOST_PANELS]
    columns = min(4, max(1, len(shown)))
    rows = max(1, -(-len(shown) // columns))
    figure = Figure(figsize=(3.2 * columns, 3.4 * rows), layout="constrained")
    for axes, record in zip(figure.subplots(rows, columns, squeeze=False).flat, shown, strict=False):
        assert record.picture is not None
        axes.imshow(record.picture.changed, cmap="Greys", aspect="auto", interpolation="nearest", vmin=0)
        indices = [record.figures[f"{side}_stripe_index"] for side in ("row", "column")]
        rows_by, columns_by = ("-" if value is None else f"{value:.3g}" for value in indices)
        axes.set_title(f"{record.kind}{'' if middle is None else f', layer {middle}'}", fontsize=9)
        axes.set_xlabel(f"stripe index: rows {rows_by}, columns {columns_by}", fontsize=7)
        axes.set(xticks=[], yticks=[])
    for axes in figure.axes[len(shown) :]:
        axes.set_axis_off()
    return figure


def _plain(value: float, _: int | None = None) -> str:
    """Return a tick as a decimal number."""
    return f"{value:g}"


def _decades(axes: Axes) -> float:
    low, high = axes.get_ylim()
    return math.log10(high / low)


def _layer_lines(axes: Axes, matrices: Sequence[TensorRecord], name: str) -> None:
    """Draw a figure by layer, the mean over a layer's matrices of one type: the update solid, its null dashed."""
    for kind, (colour, group) in _groups([record for record in matrices if record.layer is not None]).items():
        update = _by_layer(group, lambda record: record.figures.get(name))
        axes.plot(list(update), list(update.values()), color=colour, label=kind, marker=".")
        null = _by_layer(group, lambda record: _isotropic(record, name))
        axes.plot(list(null), list(null.values()), color=colour, linestyle="--", linewidth=0.8)


def _by_layer(group: Sequence[TensorRecord], value: Callable[[TensorRecord], float | None]) -> dict[int, float]:
    by_layer: dict[int, list[float]] = {}
    for record in group:
        measured = value(record)
        if measured is not None and record.layer is not None:
            by_layer.setdefault(record.layer, []).append(measured)
    return {layer: fmean(values) for layer, values in sorted(by_layer.items())}


def _isotropic(record: TensorRecord, name: str) -> float | None:
    drawn = [null.get(name) for null in record.null.draws["isotropic"]] if record.null else []
    values = [value for value in drawn if value is not None]
    return fmean(values) if values else None


def _groups(matrices: Sequence[TensorRecord]) -> dict[str, tuple[str, list[TensorRecord]]]:
    """Return a colour and the matrices of each type."""
    kinds = list(dict.fromkeys(record.kind for record in matrices))
    palette = matplotlib.colormaps["tab10"]
    return {
        kind: (matplotlib.colors.to_hex(palette(i % 10)), [record for record in matrices if record.kind == kind])
        for i, kind in enumerate(kinds)
    }


def _binned(energy: Tensor) -> Tensor:
    """Return the energy density over at most `BINS` equal bins, 1 where it is the isotropic one."""
    bins = min(BINS, len(energy))
    return torch.nn.functional.adaptive_avg_pool1d(energy[None], bins)[0] * len(energy)


def _legend(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(8, max(1, len(labels))), fontsize=8)
