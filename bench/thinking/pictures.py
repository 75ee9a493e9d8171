"""The pictures of a study: files, drawn without a display."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from rlvr_bench.record.atomic import disk_errors, replace_whole

DOTS_PER_INCH = 150
FIGURE_SIZE = (7.5, 5.0)


def draw(document: Mapping[str, Any], folder: Path) -> list[Path]:
    """Draw a study into `folder` and return the files. Raises RecordError where the folder cannot be written."""
    drawn = {
        "frontier.png": frontier(document["frontier"]),
        "abstention.png": risk_coverage(document["frontier"]),
        "auroc.png": auroc_by_position(document["scorers"]),
        "turning.png": turning(document["turning_points"]["curves"]),
    }
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for name, figure in drawn.items():
        figure.suptitle(f"{document['model']}, {document['task']['name']}", fontsize=10)
        replace_whole(folder / name, partial(figure.savefig, format="png", dpi=DOTS_PER_INCH))
    return [folder / name for name in drawn]


def frontier(points: Sequence[Mapping[str, Any]]) -> Figure:
    """Accuracy against all tokens (as a share of the full vote's): a colour a scorer, live policies as dots.

    A ring marks the policy that validation chose for a tenth of the tokens, where the dotted line stands.
    """
    figure = Figure(figsize=FIGURE_SIZE, layout="constrained")
    axes = figure.subplots()
    votes = sorted((p for p in points if p["aggregator"] == "majority" and not p["live"]), key=lambda p: p["tokens"])
    shares, heights = [p["tokens_share"] for p in votes], [p["accuracy"] for p in votes]
    axes.plot(shares, heights, color="grey", marker="s", label="majority of n")
    axes.fill_between(
        shares, [p["accuracy_lo"] for p in votes], [p["accuracy_hi"] for p in votes], color="grey", alpha=0.15
    )
    # Scored after the fact a trace costs all of its tokens: only what was stopped live belongs beside the votes.
    live = [p for p in points if p["live"] and p["scorer"] is not None]
    for colour, name in zip(_colours(), dict.fromkeys(p["scorer"] for p in live), strict=False):
        own = [p for p in live if p["scorer"] == name]
        axes.scatter([p["tokens_share"] for p in own], [p["accuracy"] for p in own], color=colour, label=name, s=24)
        for point in own:
            place = (point["tokens_share"], point["accuracy"])
            if point.get("chosen_for_share"):
                axes.scatter(*place, s=90, facecolors="none", edgecolors=colour)
            axes.annotate(point["policy"], place, fontsize=5, xytext=(2, 2), textcoords="offset points")
    axes.axvline(0.1, color="grey", linestyle=":", linewidth=1)
    axes.set_xscale("log")
    axes.set(xlabel="all generated tokens, share of the full majority vote", ylabel="accuracy")
    axes.legend(fontsize=8)
    return figure


def risk_coverage(points: Sequence[Mapping[str, Any]]) -> Figure:
    """Share of wrong answers against the share that is given, the least sure withheld: full votes, a line each."""
    figure = Figure(figsize=FIGURE_SIZE, layout="constrained")
    axes = figure.subplots()
    most = max(point["n"] for point in points)
    votes = [p for p in points if not p["live"] and p["n"] == most and p["abstention"] and p["abstention"]["curve"]]
    for number, (colour, vote) in enumerate(zip(_colours(), votes, strict=False)):
        curve, style = vote["abstention"]["curve"], "-" if number < 10 else "--"
        label = vote["scorer"] or "majority"
        axes.plot(
            [p["coverage"] for p in curve], [p["risk"] for p in curve], style, color=colour, marker=".", label=label
        )
    axes.set(xlabel="share of problems that are answered", ylabel="share of wrong answers among them", ylim=(0, 1))
    figure.legend(loc="outside right upper", fontsize=7)
    return figure


def auroc_by_position(scorers: Sequence[Mapping[str, Any]]) -> Figure:
    """Within-problem AUROC by how much of the trace has been read, a line per scorer."""
    figure = Figure(figsize=FIGURE_SIZE, layout="constrained")
    axes = figure.subplots()
    shown = [v for v in scorers if v["name"] not in ("oracle", "majority-share")]
    for number, (colour, scorer) in enumerate(zip(_colours(), shown, strict=False)):
        places = [p for p in scorer["by_position"] if p["within_problem_auroc"] is not None]
        style = "-" if number < 10 else "--"
        heights = [p["within_problem_auroc"] for p in places]
        axes.plot([p["share"] for p in places], heights, style, color=colour, marker=".", label=scorer["name"])
    axes.axhline(0.5, color="grey", linestyle=":", linewidth=1)
    axes.set(xlabel="share of the trace that was read", ylabel="AUROC within problems")
    figure.legend(loc="outside right upper", fontsize=7)
    return figure


def turning(curves: Mapping[str, Any]) -> Figure:
    """Mean score on the way of traces that recovered, flipped, or went as they looked."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    shown = [name for name in ("otv", "external") if name in curves]
    for axes, name in zip(figure.subplots(1, max(1, len(shown)), sharey=True, squeeze=False).flat, shown, strict=True):
        for colour, (kind, curve) in zip(_colours(), curves[name].items(), strict=False):
            if curve["scores"]:
                axes.plot(curve["shares"], curve["scores"], color=colour, label=f"{kind} ({curve['traces']})")
        axes.set(title=name, xlabel="share of the trace that was read", ylim=(0, 1))
        axes.legend(fontsize=7)
    return figure


def _colours() -> list[str]:
    palette = matplotlib.colormaps["tab20"]
    return [matplotlib.colors.to_hex(palette((2 * number) % 20 + (number >= 10))) for number in range(20)]
