"""What the folded sections hold, in sentences: which methods move the weights how far, which signal gains how much."""

from collections.abc import Mapping, Sequence
from typing import Any

FIGURES = {
    "sparsity_bf16": ("weights unchanged in bf16", "leaves the most weights unchanged in bf16", "the fewest"),
    "relative_norm": ("norm of the update, relative", "makes the largest update for the weights' norm", "the smallest"),
    "spectral_shift": ("shift of singular values", "moves the singular values most", "least"),
    "principal_angle_max_deg": ("largest principal angle, °", "turns the leading directions furthest", "least"),
    "stable_rank": (
        "stable rank of the update",
        "spreads its update over the most directions by stable rank",
        "the fewest",
    ),
    "intruder_dimensions": ("intruder dimensions", "brings the most intruder dimensions", "the fewest"),
}
"""Figure -> its name, and what is said of the method with the most and with the least of it."""

NAMES = {figure: name for figure, (name, _, _) in FIGURES.items()} | {
    "column_stripe_index": "concentration in columns",
    "row_stripe_index": "concentration in rows",
    "principal_energy_joint": "share of the update in principal directions",
    "principal_overlap": "share of changed weights that are principal",
    "low_magnitude_overlap": "share of changed weights of low magnitude",
    "effective_rank": "effective rank of the update",
    "energy_rank_99": "rank that holds 99 % of the update",
    "update_norm": "norm of the update",
    "update_norm_spectral": "spectral norm of the update",
    "visible_share": "share of the update that bf16 shows",
    "ky_fan_drift": "drift of the leading singular values",
    "isospectral_residual": "distance from a change of directions alone",
    "kl_per_step": "KL a step",
    "kl_per_reward": "KL for the reward gained",
    "linearity_r2": "how straight the way is (R²)",
    "k": "leading directions compared",
}
"""What a figure of the geometry is called on the page; one that is not here is called by its own name."""

FEWEST = 3
"""Methods from which on a most and a least are worth a sentence."""


def weights_in_words(figures: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Return sentences on the geometry of a comparison; `figures` has those of each method."""
    said = []
    for figure, (_, most, least) in FIGURES.items():
        held = sorted((values[figure], method) for method, values in figures.items() if figure in values)
        if len(held) >= FEWEST and held[0][0] != held[-1][0]:
            (low, last), (high, first) = held[0], held[-1]
            said.append(
                f"Of {len(held)} methods {first} {most} ({_written(figure, high)}), "
                f"{last} {least} ({_written(figure, low)})."
            )
    return said


def signals_in_words(points: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a sentence for each group of signals on the same base, task and method that has three or more."""
    groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for point in points:
        key = tuple(str(point[name]) for name in ("base", "task", "method", "settings"))
        groups.setdefault(key, []).append(point)
    said = []
    for (base, task, method, settings), held in groups.items():
        if len({point["signal"] for point in held}) >= FEWEST:
            ranked = sorted(held, key=lambda point: -float(point["gain"]))
            first, last = ranked[0], ranked[-1]
            apart = first["gain_lo"] is not None and last["gain_hi"] is not None and first["gain_lo"] > last["gain_hi"]
            certain = "" if apart else "; their intervals overlap"
            said.append(
                f"{base}, {task}, {method} ({settings}): of {len(held)} signals {first['signal']} gains most "
                f"({_points(first['gain'])}), {last['signal']} least ({_points(last['gain'])}){certain}."
            )
    return said


def _points(share: float) -> str:
    return f"{100 * share:+.1f} points".replace("-", "−")


def _written(figure: str, value: float) -> str:
    if figure == "sparsity_bf16":
        return f"{100 * value:.1f} %"
    return f"{value:.3g}".replace("e-0", "e-").replace("-", "−")
