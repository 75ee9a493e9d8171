"""What `rlvr-bench geometry` prints: figures by matrix type, and the model's beside the nulls. It gives no verdict."""

from collections.abc import Mapping
from typing import IO, Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rlvr_bench.cli.leaderboard_table import console
from rlvr_bench.geometry.report import Report

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


def show(report: Report, file: IO[str] | None = None) -> None:
    """Print a report."""
    out = console(file)
    found, asked = report.document["summary"], report.document["settings"]
    out.print(f"[bold]{escape(report.base)} → {escape(report.tuned)}[/bold]", highlight=False, soft_wrap=True)
    sparsities = {name: _number(found[f"sparsity_{name}"], 100) for name in ("bf16", "fp32", "1e_5")}
    out.print(
        f"{found['matrices']} matrices, {found['entries']:,} parameters; unchanged: {sparsities['bf16']} % in bf16,"
        f" {sparsities['fp32']} % in float32, {sparsities['1e_5']} % within 1e-5\n"
        f"|dW|/|W| {_number(found['relative_norm'])}; median |dW| / (ULP/2)"
        f" {_number(found['visibility_margin_median'])}, mean over matrices",
        highlight=False,
    )
    out.print(_by_type(found["by_type"], out))
    if "null" in found:
        out.print(_against_nulls(found["null"], out))
    out.print(
        f"k {asked['k']}, mask rank {asked['mask_rank']}"
        + (" (at most a quarter of the smaller side)" if asked["at_most_a_quarter_of_the_side"] else "")
        + f", mask density {asked['mask_density']}; {asked['null_draws']} draws of each null; × is the lift above the"
        " isotropic null, intervals are 95 %.",
        highlight=False,
    )


def _by_type(types: Mapping[str, Any], out: Console) -> Table:
    table = _table(out)
    table.add_column("type", no_wrap=True)
    for name in ("n", *BY_TYPE, *LIFTED):
        table.add_column(name, justify="right", no_wrap=True)
    for kind, found in types.items():
        cells = [_number(found.get(figure), scale) for figure, scale in BY_TYPE.values()]
        table.add_row(
            escape(kind), str(found["matrices"]), *cells, *(_with_lift(found, figure) for figure in LIFTED.values())
        )
    return table


def _against_nulls(null: Mapping[str, Any], out: Console) -> Table:
    table = _table(out)
    for name in ("shown in bf16", "update", "isotropic", "lift [95 %]", "permuted", "lift [95 %]"):
        table.add_column(name, justify="left" if name == "shown in bf16" else "right", no_wrap=True)
    for label, name in AGAINST_NULLS.items():
        cells = [_number(null["shown_in_bf16"].get(name))]
        for kind in ("isotropic", "permuted"):
            found = null[kind].get(name, {})
            cells += [_number(found.get("mean")), _interval(found)]
        table.add_row(label, *cells)
    return table


def _with_lift(found: Mapping[str, Any], name: str) -> str:
    lift = found.get("null", {}).get("isotropic", {}).get(name, {}).get("lift")
    share = _number(found.get(name))
    return f"{share} (×{_number(lift)})" if lift is not None else share


def _interval(found: Mapping[str, Any]) -> str:
    if found.get("lift") is None:
        return "-"
    low, high = _number(found["lift_lo"]), "∞" if found["lift_hi"] is None else _number(found["lift_hi"])
    return escape(f"{_number(found['lift'])} [{low}, {high}]")


def _number(value: float | None, scale: float = 1) -> str:
    return "-" if value is None else f"{value * scale:.3g}"


def _table(out: Console) -> Table:
    return Table(box=box.SIMPLE_HEAD if out.is_terminal else None, pad_edge=False, header_style="bold")
