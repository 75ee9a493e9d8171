"""What `rlvr-bench geometry` prints: figures by matrix type, and the model's beside the nulls. It gives no verdict."""

from collections.abc import Mapping
from typing import IO, Any

from rlvr_bench.console.tables import print_line, print_table
from rlvr_bench.console.text import console
from rlvr_bench.geometry.report import GeometryReport

BY_TYPE = {
    "unchanged\n%": ("sparsity_bf16", 100),
    "|dW|/|W|": ("relative_norm", 1),
    "spectral\nshift": ("spectral_shift", 1),
    "angle\nmax°": ("principal_angle_max_deg", 1),
    "angle\nmean°": ("principal_angle_mean_deg", 1),
    "stable\nrank": ("stable_rank", 1),
}
"""Column -> figure and scale."""

LIFTED = {
    "changes in\nM_princ": "principal_overlap",
    "changes in\nM_low": "low_magnitude_overlap",
    "joint\nenergy": "principal_energy_joint",
}
"""Columns that show a share and, in brackets, its lift above the isotropic null."""

AGAINST_NULLS = {
    "unchanged in bf16": "sparsity_bf16",
    "spectral shift": "spectral_shift",
    "principal angle, largest, °": "principal_angle_max_deg",
    "principal angle, mean, °": "principal_angle_mean_deg",
    "changes in the principal mask": "principal_overlap",
    "changes in the low-magnitude mask": "low_magnitude_overlap",
    "changes in principal, not low": "principal_not_low_overlap",
    "energy, left principal": "principal_energy_left",
    "energy, right principal": "principal_energy_right",
    "energy, joint principal": "principal_energy_joint",
    "energy, tail": "principal_energy_tail",
    "stable rank": "stable_rank",
    "effective rank": "effective_rank",
    "intruder dimensions": "intruder_dimensions",
    "row stripe index": "row_stripe_index",
    "column stripe index": "column_stripe_index",
}

TYPE_COLUMNS = ("type", "n", *BY_TYPE, *LIFTED)

NULL_COLUMNS = (
    "shown in bf16",
    "update",
    "isotropic",
    "isotropic lift\n[95 %]",
    "permuted",
    "permuted lift\n[95 %]",
)


def show(report: GeometryReport, file: IO[str] | None = None) -> None:
    """Print a report."""
    out = console(file)
    summary, settings = report.document["summary"], report.document["settings"]
    title = f"{report.base} → {report.tuned}"
    print_line(title, out, bold=len(title))
    sparsities = {name: _number(summary[f"sparsity_{name}"], 100) for name in ("bf16", "fp32", "1e_5")}
    print_line(
        f"{summary['matrices']} matrices, {summary['entries']:,} parameters; unchanged: {sparsities['bf16']} % in bf16,"
        f" {sparsities['fp32']} % in float32, {sparsities['1e_5']} % within 1e-5\n"
        f"|dW|/|W| {_number(summary['relative_norm'])}; median |dW| / (ULP/2)"
        f" {_number(summary['visibility_margin_median'])}, mean over matrices",
        out,
    )
    print_table(
        [_by_type(*kind) for kind in summary["by_type"].items()], TYPE_COLUMNS, numbers=TYPE_COLUMNS[1:], file=file
    )
    if "null" in summary:
        lines = [_against_nulls(summary["null"], label, name) for label, name in AGAINST_NULLS.items()]
        print_table(lines, NULL_COLUMNS, numbers=NULL_COLUMNS[1:], file=file)
    print_line(
        f"k {settings['k']}, mask rank {settings['mask_rank']}"
        + (" (at most a quarter of the smaller side)" if settings["at_most_a_quarter_of_the_side"] else "")
        + f", mask density {settings['mask_density']}; {settings['null_draws']} draws of each null; × is the lift above"
        " the isotropic null, intervals are 95 %.",
        out,
    )


def _by_type(kind: str, figures: Mapping[str, Any]) -> dict[str, Any]:
    shares = {column: _with_lift(figures, name) for column, name in LIFTED.items()}
    plain = {column: _number(figures.get(name), scale) for column, (name, scale) in BY_TYPE.items()}
    return {"type": kind, "n": figures["matrices"]} | plain | shares


def _against_nulls(null: Mapping[str, Any], label: str, name: str) -> dict[str, Any]:
    line = {"shown in bf16": label, "update": _number(null["shown_in_bf16"].get(name))}
    for kind in ("isotropic", "permuted"):
        figures = null[kind].get(name, {})
        line |= {kind: _number(figures.get("mean")), f"{kind} lift\n[95 %]": _interval(figures)}
    return line


def _with_lift(summary: Mapping[str, Any], name: str) -> str:
    lift = summary.get("null", {}).get("isotropic", {}).get(name, {}).get("lift")
    share = _number(summary.get(name))
    return f"{share} (×{_number(lift)})" if lift is not None else share


def _interval(lift: Mapping[str, Any]) -> str:
    if lift.get("lift") is None:
        return "-"
    low, high = _number(lift["lift_lo"]), "∞" if lift["lift_hi"] is None else _number(lift["lift_hi"])
    return f"{_number(lift['lift'])} [{low}, {high}]"


def _number(value: float | None, scale: float = 1) -> str:
    return "-" if value is None else f"{value * scale:.3g}"
