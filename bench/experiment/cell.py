"""A cell: one training run, addressed by its content.

The id hashes what changes the result: the resolved settings, the base model's weight hash, the task's fingerprint and
the schema of the package. Where and with what it ran (package versions, processor, threads) is recorded beside it.
"""

import json
import re
from collections.abc import Callable, Mapping
from fnmatch import fnmatch
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any

from pydantic import Field

from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.experiment.experiment import Experiment
from rlvr_bench.experiment.identity import chosen, digest, scoring_identity, training_identity
from rlvr_bench.experiment.interventions import changed_fingerprint
from rlvr_bench.experiment.interventions import resolve as resolve_interventions
from rlvr_bench.experiment.measurements import DEFAULT
from rlvr_bench.experiment.measurements import resolve as resolve_measurements
from rlvr_bench.experiment.plugin_files import parts_from_files
from rlvr_bench.experiment.protocol import Tuning
from rlvr_bench.experiment.scored import score_tasks
from rlvr_bench.experiment.search_space import LARGEST_RATE
from rlvr_bench.experiment.settings import EvaluateSettings
from rlvr_bench.experiment.signals import SftRlvrSettings, SftSettings, Signal
from rlvr_bench.methods import registry as method_registry
from rlvr_bench.models.config import BaseConfig
from rlvr_bench.models.errors import NotDownloadedError
from rlvr_bench.models.fingerprint import file_digest, fingerprint, folder_fingerprint
from rlvr_bench.models.shapes import parameter_shapes
from rlvr_bench.models.source import source_of
from rlvr_bench.plugins.settings import Settings
from rlvr_bench.tasks import prompts, rewards, solutions
from rlvr_bench.tasks import registry as task_registry
from rlvr_bench.tasks.errors import NotDownloadedError as DataNotDownloadedError
from rlvr_bench.tasks.task import Task

NOT_DOWNLOADED = "not downloaded: "
"""Begins, in a plan, what stands for a fingerprint: the hub model or data set is not here, so there is no id either."""

RESULT_SCHEMA = 3
"""Raised when a change of this package changes what a cell's settings lead to, a changed default included.

Only what differs from a default enters a cell's id, so that a new setting does not make every result stale.

2: ids of the first release. 3: an answer that touches a cut is none, only a whole stated answer counts, bnpo with
micro-batches normalises over the update, float32 products are chosen once per machine.
"""


LONGEST_NAME = 200
"""Characters of a method's name with what distinguishes it, which is the name of a folder."""


class Cell(Settings):
    """Everything that one training run needs to know."""

    result_schema: int = RESULT_SCHEMA
    """The `RESULT_SCHEMA` of the code that runs it; one that ran under an older code keeps its own, and its id."""
    base: BaseConfig
    base_fingerprint: str
    task: dict[str, Any]
    task_fingerprint: str
    signal: Signal
    reward: dict[str, Any]
    method_name: str
    method: dict[str, Any]
    learning_rate: float = Field(gt=0)
    evaluate: EvaluateSettings
    interventions: dict[str, dict[str, Any]] = Field({})
    """By name all settings of what is done to the cell on purpose."""
    measurements: dict[str, dict[str, Any]] = Field({name: {} for name in DEFAULT}, validate_default=False)
    """By name all settings of what is measured beside training and scoring."""
    extra_fingerprints: tuple[str, ...] = ()
    method_fingerprints: tuple[str, ...] = ()
    """Hashes of the files that the method reads."""
    plugins: dict[str, str] = Field({})
    """By part (method, task, reward, a measurement) the name and the SHA-256 of the plug-in file that it comes from."""
    seed: int
    tuning: Tuning | None = None
    """How the protocol of an experiment found these settings; None outside of one."""
    stop_dead: float | None = None
    """Share of its steps without a right completion after which it is stopped: of a protocol's trial alone."""
    data_dir: Path | None = Field(None, exclude=True)
    """Where data files lie on this machine; the task's fingerprint says what they hold."""
    keep_weights: bool = Field(False, exclude=True)
    plugin_paths: tuple[Path, ...] = Field((), exclude=True)
    """Where those files lie on this machine."""

    @cached_property
    def id(self) -> str:
        """First 12 hex digits of the SHA-256 of all that changes the result."""
        own = {"method": self.chosen_method, "learning_rate": self.learning_rate, "seed": self.seed}
        own |= {} if self.tuning is None else {"tuning": self.tuning.identity}
        own |= {} if self.stop_dead is None else {"stop_dead": self.stop_dead}
        own |= {"method_files": self.method_fingerprints} if self.method_fingerprints else {}
        own |= {"plugin": self.plugins["method"]} if "method" in self.plugins else {}
        return digest(self._comparable | own)[:12]

    @property
    def absent(self) -> list[str]:
        """What of the hub is not on this machine: only a plan has such cells."""
        parts = (self.base_fingerprint, self.task_fingerprint, *self.extra_fingerprints)
        return [part.removeprefix(NOT_DOWNLOADED) for part in parts if part.startswith(NOT_DOWNLOADED)]

    @cached_property
    def apart_from_reward(self) -> str:
        """Digest of all that changes the result but reward and seed: a run under a control reward has the same."""
        shared = {name: value for name, value in self._comparable.items() if name != "reward"}
        return digest(shared | {"method": self.chosen_method, "learning_rate": self.learning_rate})

    @cached_property
    def chosen_method(self) -> dict[str, Any]:
        """The method's type and the settings that differ from its defaults."""
        return chosen(method_registry.create(self.method))

    def scored_tasks(self) -> dict[str, Mapping[str, Any]]:
        """Return the settings of the trained task and of those that are only scored, by the names of their scores.

        Further tasks of the same name are numbered from 2.
        """
        return score_tasks({"task": self.task, "evaluate": {"extra_tasks": self.evaluate.extra_tasks}})

    @property
    def paid_reward(self) -> dict[str, Any]:
        """The reward that the trainer computes: the verifier's own where the signal knows no other."""
        return self.reward if self.signal.fixed_reward is None else {"name": "exact"}

    @cached_property
    def comparison(self) -> str:
        """Name of the group of cells that may be ranked against each other: readable, and unique through its hash."""
        task = "-".join([str(self.task["name"]), *(str(level) for level in self.task.get("levels") or ())])
        reward = rewards.title(self.reward)
        path = Path(self.base.name)
        base = path.stem if self.base.is_gguf else path.resolve().name if path.is_dir() else self.base.name
        parts = [base, task, self.signal.type, reward, self.comparison_digest]
        return ".".join(re.sub(r"[^A-Za-z0-9.]+", "-", part).strip(".-")[:40] or "x" for part in parts)

    @cached_property
    def comparison_digest(self) -> str:
        """Hash of all that must be equal in a comparison: the end of its name."""
        return digest(self._comparable)[:6]

    def with_seed(self, seed: int) -> "Cell":
        """Return this cell with another seed; what follows from all else is computed once for all of its seeds."""
        shared = {"comparison": self.comparison, "chosen_method": self.chosen_method, "_comparable": self._comparable}
        cell = self.model_copy(update={"seed": seed})
        cell.__dict__.pop("id", None)
        cell.__dict__.update(shared)
        return cell

    @cached_property
    def _comparable(self) -> dict[str, Any]:
        """All that must be equal between rows that are ranked together."""
        # A method's own file is no reason not to compare it with others.
        plugins = {part: file for part, file in self.plugins.items() if part != "method"}
        return {
            **({"plugins": plugins} if plugins else {}),
            "schema": self.result_schema,
            "base": self.base_fingerprint,
            "task": self.task_fingerprint,
            "extra_tasks": self.extra_fingerprints,
            "reward": self.reward,
            **training_identity(self.signal, self.interventions),
            **scoring_identity(self.evaluate, self.measurements),
        }


def cells(
    experiment: Experiment,
    *,
    only: str | None = None,
    seeds: tuple[int, ...] | None = None,
    data_dir: Path | None = None,
    tuning: Mapping[str, Tuning] | None = None,
    stop_dead: float | None = None,
    fetch: bool = True,
) -> list[Cell]:
    """Resolve the grid of an experiment, seeds outermost so that every method gets its first seed early.

    Args:
        only: a glob on method names.
        seeds: instead of the experiment's own.
        data_dir: folder of data-set files.
        tuning: how the settings of a method were found, by its name.
        stop_dead: share of its steps without a right completion after which a cell is stopped.
        fetch: whether what is not here is fetched, or an error; else it is `NOT_DOWNLOADED`, and the cells are for a
            plan only.

    Raises:
        ExperimentError, ModelError, TaskError, MethodError: the grid names something that does not exist, or twice.
    """
    entries = _selected_entries(experiment, only)
    shared = {
        "evaluate": experiment.evaluate,
        "extra_fingerprints": _extra_fingerprints(experiment, data_dir, fetch),
        "measurements": resolve_measurements(experiment.measurements),
        "seed": 0,
        "stop_dead": stop_dead,
        "data_dir": data_dir,
        "keep_weights": experiment.keep_weights,
    }
    _refuse_ranks_above_matrices(experiment, entries)
    methods = [
        {
            "method_name": name,
            "method": config,
            "learning_rate": rate,
            "method_fingerprints": _content(config),
            "tuning": (tuning or {}).get(name),
        }
        for name, (config, rate) in entries.items()
    ]
    tasks = [
        {"task": settings, "task_fingerprint": fingerprint_}
        for settings, fingerprint_ in _tasks(experiment, data_dir, fetch)
    ]
    firsts = [
        with_plugin_files(Cell(**base, **task, signal=signal, reward=reward, **method, **shared))
        for base in _bases(experiment, fetch)
        for task in tasks
        for signal in experiment.signals
        for reward in _rewards(experiment, signal)
        for method in methods
    ]
    # Seeds last: all that a cell shares with its other seeds is resolved and hashed once.
    grid = [first.with_seed(seed) for seed in seeds or experiment.seeds for first in firsts]
    if len({(cell.id, cell.method_name) for cell in grid}) < len(grid):
        raise ExperimentError(
            f'"{experiment.name}" names a base, a task, a signal, a reward or an intervention twice; name each once'
        )
    return grid


def with_plugin_files(cell: Cell) -> Cell:
    """Return a cell with the plug-in files that its parts come from; most have none."""
    files = parts_from_files(cell.method, cell.task, cell.paid_reward, cell.measurements, cell.interventions)
    if not files:
        return cell
    plugins = {part: f"{file.path.name} {file.sha256}" for part, file in files.items()}
    paths = tuple(dict.fromkeys(file.path for file in files.values()))
    return cell.model_copy(update={"plugins": plugins, "plugin_paths": paths})


def _selected_entries(experiment: Experiment, only: str | None) -> dict[str, tuple[dict[str, Any], float]]:
    """Return the method entries whose names match the glob `only`; raises ExperimentError if none does."""
    entries = _method_entries(experiment)
    if only is None:
        return entries
    selected = {name: entry for name, entry in entries.items() if fnmatch(name, only)}
    if not selected:
        raise ExperimentError(f'--only "{only}" matches no method of "{experiment.name}"; it has: {", ".join(entries)}')
    return selected


def _extra_fingerprints(experiment: Experiment, data_dir: Path | None, fetch: bool) -> tuple[str, ...]:
    """Return the fingerprints of the tasks that are only scored."""
    return tuple(
        _fingerprint(str(settings["name"]), _task(json.dumps(settings), data_dir).fingerprint, fetch)
        for settings in experiment.evaluate.extra_tasks
    )


def _bases(experiment: Experiment, fetch: bool) -> list[dict[str, Any]]:
    """Return the keys of a cell that say which base it trains and how that is changed: each base under each change."""
    return [
        {
            "base": base,
            "interventions": interventions,
            "base_fingerprint": _fingerprint(base.name, partial(_base_fingerprint, base, interventions, fetch), fetch),
        }
        for base in experiment.bases
        for interventions in map(resolve_interventions, experiment.interventions)
    ]


def _base_fingerprint(base: BaseConfig, interventions: Mapping[str, Mapping[str, Any]], fetch: bool) -> str:
    return changed_fingerprint(fingerprint(base, fetch), interventions)


def _fingerprint(name: str, of: Callable[[], str], fetch: bool) -> str:
    """Return a fingerprint, or that there is none because of what is not downloaded and not to be fetched."""
    try:
        return of()
    except (NotDownloadedError, DataNotDownloadedError):
        if fetch:
            raise
        return NOT_DOWNLOADED + name


def _tasks(experiment: Experiment, data_dir: Path | None, fetch: bool) -> list[tuple[dict[str, Any], str]]:
    """Return the settings and the fingerprint of every task that is trained on; only data that are here are checked."""
    prompts.render("", "", experiment.evaluate.prompt, chat=False)
    for reward in experiment.rewards:
        rewards.label_request(reward)
    tasks = []
    for settings in experiment.tasks:
        task = _task(json.dumps(settings), data_dir)
        fingerprint_ = _fingerprint(task.name, task.fingerprint, fetch)
        if not fingerprint_.startswith(NOT_DOWNLOADED):
            _check(experiment, task)
        tasks.append((settings, fingerprint_))
    return tasks


@lru_cache(maxsize=32)
def _task(settings: str, data_dir: Path | None) -> Task:
    """Return the task of these settings, written as JSON: its problems are drawn or read once for all grids."""
    return task_registry.create(json.loads(settings), data_dir)


def _rewards(experiment: Experiment, signal: Signal) -> list[dict[str, Any]]:
    """Return the rewards that a signal is trained under: the experiment's, or the only one that it knows."""
    if signal.fixed_reward is not None:
        return [{"name": signal.fixed_reward}]
    return [rewards.resolve(reward) for reward in experiment.rewards]


def _check(experiment: Experiment, task: Task) -> None:
    """Raise what would otherwise end every cell: a solution or a train split that is not there."""
    for signal in experiment.signals:
        needed, available = signal.problems_needed, len(task.problems("train"))
        if available < needed:
            raise ExperimentError(
                f"task {task.name!r} has {available} train problems, a batch of {signal.type} asks {needed}; lower "
                f"signal.{signal.problems_key}, or choose a task with more"
            )
        if isinstance(signal, SftSettings | SftRlvrSettings):
            solutions.gold(task, task.problems("train")[0])


def _rates(method: str, entry: object) -> list[float]:
    """Return the learning rates of a method entry, one or several; raises ExperimentError for anything else."""
    listed = entry if isinstance(entry, list) else [entry]
    rates = [float(rate) for rate in listed if isinstance(rate, int | float) and not isinstance(rate, bool)]
    good = len(rates) == len(listed) and all(0 < rate <= LARGEST_RATE for rate in rates)
    if not rates or not good or len({f"{rate:g}" for rate in rates}) < len(rates):
        raise ExperimentError(
            f"methods.{method}: learning_rate = {entry!r}; give a number above 0 and up to {LARGEST_RATE:g}, or a list "
            "of different ones to try"
        )
    return rates


def _method_entries(experiment: Experiment) -> dict[str, tuple[dict[str, Any], float]]:
    """Return each method's resolved config and learning rate; a list of rates gives `name@rate` entries."""
    entries: dict[str, tuple[dict[str, Any], float]] = {}
    for name, entry in experiment.methods.items():
        keys = {key: value for key, value in entry.items() if key != "search"}
        if "learning_rate" not in keys:
            raise ExperimentError(
                f"methods.{name} has no learning_rate; add one, a list to try several, or a [protocol] that finds one"
            )
        listed = keys.pop("learning_rate")
        rates = _rates(name, listed)
        config = method_registry.create({"type": name} | keys).model_dump(mode="json")
        entries |= {f"{name}@{rate:g}" if isinstance(listed, list) else name: (config, rate) for rate in rates}
    if long := [name for name in entries if len(name) > LONGEST_NAME]:
        raise ExperimentError(
            f"methods.{long[0][:40]}...: a name of {len(long[0])} characters is too long for a folder; shorten it"
        )
    return entries


def _refuse_ranks_above_matrices(
    experiment: Experiment, entries: Mapping[str, tuple[Mapping[str, Any], float]]
) -> None:
    """Raise ExperimentError for a rank that no matrix of a base that is here can have."""
    folders = {base.name: source_of(base).folder for base in experiment.bases}
    for base, folder in folders.items():
        sides = [side for shape in parameter_shapes(folder).values() for side in shape] if folder else []
        for name, (config, _) in entries.items():
            rank = config.get("rank")
            if sides and isinstance(rank, int) and rank > max(sides):
                raise ExperimentError(
                    f"methods.{name}: rank = {rank} is above {max(sides)}, the longest side of any matrix of {base}; "
                    "lower it"
                )


def _content(method: dict[str, Any]) -> tuple[str, ...]:
    """Return hashes of the files that a method reads; raises ExperimentError where one is not there."""
    fingerprints = []
    for path in (Path(file).expanduser() for file in method_registry.create(method).files):
        if not path.exists():
            raise ExperimentError(
                f"method {method['type']!r} reads {path}, which does not exist; give a path that does"
            )
        fingerprints.append(folder_fingerprint(path) if path.is_dir() else file_digest(path))
    return tuple(fingerprints)
