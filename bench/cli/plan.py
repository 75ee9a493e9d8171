"""`rlvr-bench plan`: what is done, missing or stale, and what the rest will take."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rlvr_bench.cli.options import (
    BaseOption,
    ChangesOption,
    DataOption,
    ExperimentArgument,
    JsonOption,
    OnlyOption,
    PluginOption,
    ResultsOption,
    SeedsOption,
    TaskOption,
    WorkersOption,
    experiment_of,
    resolved_settings,
)

if TYPE_CHECKING:
    from rlvr_bench.experiment.experiment import Experiment
    from rlvr_bench.experiment.origins import ResolvedValue
    from rlvr_bench.studies.power import ClaimPower
    from rlvr_bench.sweep.protocol_trials import Selection

app = typer.Typer()

CLAIM_COLUMNS = ["claim", "base", "seeds", "decided_distance", "cautious_distance", "core_hours"]
CLAIM_LEGEND = (
    "Decided distance: from the threshold, in 80 % of repetitions, at the spread over seeds that was seen. Cautious "
    "distance: at the upper end of that spread's 80 % interval, since few seeds often show too small a one."
)

ClaimOption = Annotated[
    list[str] | None,
    typer.Option(
        "--claim", metavar="ID", help="Also say how many seeds this claim needs, such as W8.", show_default=False
    ),
]


@app.command()
def plan(
    experiment: ExperimentArgument,
    only: OnlyOption = None,
    seeds: SeedsOption = None,
    workers: WorkersOption = None,
    results: ResultsOption = Path("results"),
    data_dir: DataOption = None,
    plugin: PluginOption = None,
    base: BaseOption = None,
    task: TaskOption = None,
    keys: ChangesOption = None,
    claim: ClaimOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say which cells are done, missing or stale and why, and what the rest will take."""
    settings, selection = experiment_of(experiment, only, seeds, data_dir, base, task, keys)
    values = resolved_settings(experiment, selection, base, task, keys)
    show_plan(settings, selection, results, workers, values if as_json else None, claim)


def show_plan(
    experiment: "Experiment",
    selection: "Selection",
    results: Path,
    workers: int | None,
    as_json: "list[ResolvedValue] | None" = None,
    claims: Iterable[str] | None = None,
) -> None:
    """Print the state of every cell and what the rest will take, and exit; see `plan.states`.

    `as_json` has the settings, which then are a part of one JSON document.
    """
    from dataclasses import replace

    os.environ["HF_HUB_OFFLINE"] = "1"  # a plan fetches nothing, and does not wait for a hub that is out of reach

    from rlvr_bench.cli.views.plan import show_plan_tables
    from rlvr_bench.console.tables import print_line, print_table
    from rlvr_bench.console.text import print_json, say, tell
    from rlvr_bench.launch.local import cores
    from rlvr_bench.plan.power import power
    from rlvr_bench.plan.states import as_document
    from rlvr_bench.plan.targets import with_targets
    from rlvr_bench.sweep.phases import plan_phases

    phases = plan_phases(experiment, replace(selection, fetch=False), results)
    for problem in phases.problems:
        say(problem)
    planned = with_targets(phases.cells)
    forecasts = power([entry.cell for entry in phases.cells], phases.records)
    document = as_document(planned, workers or cores(), phases.records)
    needs = _needs(claims or (), results, phases.problems)
    if as_json is None:
        show_plan_tables(planned, forecasts, document["summary"])
        if needs:
            tell("")
            print_table(_rows(needs), CLAIM_COLUMNS, numbers=["seeds"])
            print_line(CLAIM_LEGEND)
    else:
        document["power"] = [forecast.as_document() for forecast in forecasts]
        document["settings"] = [value._asdict() for value in as_json]
        if claims:
            document["claims"] = [need.as_document() for need in needs]
        print_json(document)
    raise typer.Exit(1 if phases.problems else 0)


def _needs(claims: Iterable[str], results: Path, said: Iterable[str]) -> list["ClaimPower"]:
    """Return what claims need by all records; those that cannot be read are named, but for what was `said` already."""
    if not claims:
        return []
    from rlvr_bench.console.text import say
    from rlvr_bench.record.store import load_all
    from rlvr_bench.studies.derive import verdicts
    from rlvr_bench.studies.power import claim_power

    entries, (records, problems) = verdicts(results), load_all(results)
    for problem in sorted({*map(str, problems)} - {*said}):
        say(problem)
    return [need for claim in claims for need in claim_power(claim, entries, records)]


def _rows(needs: Iterable["ClaimPower"]) -> list[dict[str, Any]]:
    """Return a line for each number of seeds; the first that decides the claim's margin, cautiously, is marked."""
    return [
        {
            "claim": need.claim,
            "base": need.base,
            "seeds": seeds,
            "decided_distance": f"{distance.at_seen:.3g}",
            "cautious_distance": f"{distance.cautious:.3g}"
            + (f" (margin {need.margin:g})" if seeds == need.seeds_for_margin else ""),
            "core_hours": f"{need.minutes[seeds] / 60:.1f}" if need.minutes else "",
        }
        for need in needs
        for seeds, distance in need.distances.items()
    ]
