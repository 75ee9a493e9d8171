"""What the presets are: by study, with their cells and the time that they took.

The times are what single runs took on a machine with two cores; nothing derives from them.
"""

from collections.abc import Mapping
from typing import NamedTuple

from rlvr_bench.experiment.experiment import Experiment, load, presets
from rlvr_bench.experiment.search_space import LEARNING_RATE, space_of
from rlvr_bench.plugins.studies import study_folders

TIMES: Mapping[str, str] = {
    "quick": "1 to 2 min",
    "default": "8 min",
    "rates": "15 to 25 min",
    "methods": "15 min",
    "smollm2": "20 min",
    "reference": "1 h",
    "methods-rates": "50 min",
    "smollm2-rates": "10 min",
    "board-smollm2": "1 h 50 min",
    "gates": "12 min",
    "gates-pissa": "8 min",
    "fused-probe": "10 min",
    "probe-rollouts": "9 min",
    "gates-pissa-fine": "4 min after `gates-pissa`",
    "gates-pissa-habits": "5 min",
    "gates-heads": "6 min",
    "anchor": "40 min",
    "disjoint-masks": "11 min",
    "sharpness": "about 15 min",
    "gates-smollm2": "25 min",
    "gates-smollm2-sft": "15 min",
    "published-path-not-taken-masks": "GPUs",
    "published-path-not-taken-lora": "GPUs",
    "published-peft-for-rlvr": "GPUs",
    "published-spurious-rewards": "GPUs",
    "rewards": "14 min",
    "rewards-smollm2": "1 h 30 min",
    "pilot-qwen": "not run; some minutes",
    "rewards-qwen": "not run; some hours",
    "clip": "8 min",
    "clip-sides": "1 h 15 min",
    "verifier-noise": "50 min",
    "verifier-noise-slow": "16 min",
    "verifier-noise-long": "40 min, one at a time",
    "verifier-noise-longest": "38 min, one at a time",
    "gamma": "5 min",
    "contamination": "8 min",
    "compound": "3 min",
    "noise": "5 min",
    "signals": "10 min",
    "transfer": "12 min",
    "coldstart": "6 min",
    "overoptimisation": "8 min",
    "passk": "8 min",
    "offline-updates": "7 min",
    "es": "12 min",
    "data-wall": "5 min",
    "sizes": "20 min to 3M; 10M: 55 min, one at a time",
}
"""Name of a preset -> time on two cores; an outside study's presets have none."""


CORE = "core"


class Preset(NamedTuple):
    """One preset; `study` is `CORE` for those of no study."""

    name: str
    study: str
    description: str
    cells: int
    time: str


def all_presets() -> list[Preset]:
    """Return the presets of the core, then those of each study, by name."""
    folders = study_folders()
    rows = []
    for name, path in presets().items():
        experiment = load(name)
        study = next((study for study, folder in folders.items() if path.is_relative_to(folder)), CORE)
        rows.append(Preset(name, study, experiment.description, cell_count(experiment), TIMES.get(name, "")))
    return sorted(rows, key=lambda row: (row.study != CORE, row.study, row.name))


def cell_count(experiment: Experiment) -> int:
    """Return how many cells an experiment has, trials of its protocol included.

    It is counted and not resolved, so that no model or data set needs to be here.
    """
    per_signal = (len(experiment.rewards) if signal.fixed_reward is None else 1 for signal in experiment.signals)
    bases = len(experiment.bases) * len(experiment.interventions)
    settings = bases * len(experiment.tasks) * sum(per_signal)
    tuned = [name for name, entry in experiment.methods.items() if space_of(name, entry) is not None]
    fixed = [entry[LEARNING_RATE] for name, entry in experiment.methods.items() if name not in tuned]
    rates = sum(len(value) if isinstance(value, list) else 1 for value in fixed)
    final = settings * len(experiment.seeds) * (rates + len(tuned))
    if experiment.protocol is None:
        return final
    return final + settings * len(tuned) * experiment.protocol.cells_of_a_study


def presets_markdown() -> str:
    """Return the presets as a Markdown table, one line per preset."""
    lines = ["| preset | study | what it runs | cells | on 2 cores |", "|---|---|---|---:|---|"]
    lines += [
        f"| `{row.name}` | {row.study} | {row.description} | {row.cells:,} | {row.time} |" for row in all_presets()
    ]
    return "\n".join(lines) + "\n"
