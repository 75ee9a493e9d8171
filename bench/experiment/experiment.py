"""The experiment file: which cells a comparison is made of.

The grid is bases x interventions x tasks x signals x rewards x methods x seeds. A method entry is the method's own keys
plus `learning_rate`; a list of rates makes one method of each. A `[protocol]` tunes what has no learning rate first.
"""

from fnmatch import fnmatch
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints, ValidationError, field_validator, model_validator

from rlvr_bench.experiment.changes import AXES, Changes
from rlvr_bench.experiment.dotted_keys import refuse_unknown
from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.experiment.interventions import REGISTRY as INTERVENTIONS
from rlvr_bench.experiment.interventions import resolve as resolve_interventions
from rlvr_bench.experiment.lm_eval_tables import with_lm_eval
from rlvr_bench.experiment.measurements import REGISTRY as MEASUREMENTS
from rlvr_bench.experiment.measurements import resolve as resolve_measurements
from rlvr_bench.experiment.plugin_files import with_plugins
from rlvr_bench.experiment.protocol import MIN_FINAL_SEEDS, Protocol
from rlvr_bench.experiment.search_space import LEARNING_RATE, read_search
from rlvr_bench.experiment.seeds import distinct_seeds
from rlvr_bench.experiment.settings import EvaluateSettings, GrpoSettings, RlvrSettings
from rlvr_bench.experiment.signals import Signal
from rlvr_bench.methods import registry as method_registry
from rlvr_bench.models.config import BaseConfig
from rlvr_bench.plugins.settings import Settings, explain
from rlvr_bench.plugins.studies import study_folders
from rlvr_bench.plugins.suggestion import did_you_mean
from rlvr_bench.plugins.toml import parsed_toml
from rlvr_bench.record.documents import read_regular
from rlvr_bench.record.errors import RecordError

MethodName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$")]
"""A method's name in an experiment is also the name of a folder."""


def _search_is_readable(entry: dict[str, Any]) -> dict[str, Any]:
    read_search("search", entry.get("search", {}))
    return entry


def _interventions_are_known(table: dict[str, Any]) -> dict[str, Any]:
    resolve_interventions(table)
    return table


def _measurements_are_known(table: dict[str, Any]) -> dict[str, Any]:
    resolve_measurements(table)
    return table


MethodEntry = Annotated[dict[str, Any], AfterValidator(_search_is_readable)]


class Experiment(Settings):
    """A grid of cells and how they are scored."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    """Its name in sentences and reports: small letters, digits and "-". Does not change a result."""
    description: str = ""
    """One sentence for `rlvr-bench presets list`."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of every method; its row is ranked from five on, and a protocol asks for three or more."""
    bases: tuple[BaseConfig, ...] = Field(min_length=1)
    """The models that are trained, each a name or a table with the keys of `[base]`."""
    rewards: tuple[dict[str, Any], ...] = Field(({"name": "exact"},), min_length=1)
    """What training sees, each a name or a table of settings: `rlvr-bench rewards list`."""
    tasks: tuple[dict[str, Any], ...] = Field(min_length=1)
    """What is trained on. A file writes `[task]` for one, `[[tasks]]` for several; `signals`, `rewards` likewise."""
    signals: tuple[Signal, ...] = Field((RlvrSettings(),), min_length=1)
    """What drives learning, each a table with a `type`."""
    interventions: tuple[Annotated[dict[str, Any], AfterValidator(_interventions_are_known)], ...] = Field(
        ({},), min_length=1
    )
    """What is done to cells on purpose, an axis of the grid: in each table a name with true or its settings."""
    evaluate: EvaluateSettings = EvaluateSettings()
    """The table `[evaluate]`."""
    keep_weights: bool = False
    """Keep every trained model in the cache, as the checkpoint cells/<cell id>/model. Does not change a result."""
    protocol: Protocol | None = None
    """The table `[protocol]`: methods without a learning rate are tuned first, all alike."""
    measurements: Annotated[dict[str, Any], AfterValidator(_measurements_are_known)] = Field({})
    """What else is observed in every cell, by name: true, a table of settings, or false for one of the default."""
    plugins: tuple[str, ...] = ()
    """Python files with methods, rewards, tasks or measurements; paths are relative to the experiment file."""
    methods: dict[MethodName, MethodEntry] = Field(min_length=1)
    """The methods that are compared, a table each: `[methods.lora]`."""

    @model_validator(mode="before")
    @classmethod
    def _one_or_several(cls, document: Any) -> Any:
        """Read `[base]`, `[task]`, `[signal]` as axes of one value, so that nothing behind the file knows two forms."""
        if not isinstance(document, dict):
            return document
        for one, several in AXES.items():
            if one in document and several in document:
                raise ValueError(f"[{one}] and [[{several}]] are both given; keep one of them")
        if not document.get("task") and not document.get("tasks"):
            raise ValueError('the key "task" is missing; add it')
        return {AXES.get(key, key): (value,) if key in AXES else value for key, value in document.items()}

    def check_processes(self, processes: int) -> None:
        """Raise ExperimentError where so many processes cannot train a cell of this experiment together."""
        for signal in self.signals:
            if (reason := signal.refusal(processes)) is not None:
                raise ExperimentError(f"{self.name}, signal {signal.type}: {reason}")

    def check_sharding(self, only: str | None) -> None:
        """Raise ExperimentError where a method that `only` names cannot be trained in parts, one in each process."""
        for name, entry in self.methods.items():
            if only is not None and not fnmatch(name, only):
                continue
            config = {key: value for key, value in entry.items() if key not in (LEARNING_RATE, "search")}
            if not method_registry.create({"type": name} | config).shardable:
                raise ExperimentError(
                    f"{self.name}: {name} acts on whole tensors while it trains, which --shard takes apart; leave"
                    " --shard out, or name other methods with --only"
                )

    def check_trackers(self) -> None:
        """Raise ExperimentError where a signal reports to a tracker that is not installed here."""
        for tracker in dict.fromkeys(name for signal in self.signals for name in signal.report_to):
            if find_spec(tracker) is None:
                raise ExperimentError(
                    f'{self.name}: signal.report_to = ["{tracker}"], which is not installed; python -m pip install '
                    f"{tracker}, or leave it out"
                )

    @field_validator("bases", mode="before")
    @classmethod
    def _names_are_bases(cls, value: Any) -> Any:
        if not isinstance(value, list | tuple):
            return value
        return [{"name": base} if isinstance(base, str) else base for base in value]

    @field_validator("rewards", mode="before")
    @classmethod
    def _names_are_rewards(cls, value: Any) -> Any:
        if not isinstance(value, list | tuple):
            return value
        return [{"name": reward} if isinstance(reward, str) else reward for reward in value]

    @field_validator("methods")
    @classmethod
    def _base_is_taken(cls, methods: dict[str, Any]) -> dict[str, Any]:
        if "base" in methods:
            raise ValueError('a method cannot be called "base", which is the row of the untrained model; rename it')
        return methods

    @field_validator("seeds")
    @classmethod
    def _seeds_are_distinct(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        return distinct_seeds(seeds)

    @model_validator(mode="after")
    def _what_acts_in_grpo_finds_it(self) -> "Experiment":
        interventions = [name for table in self.interventions for name in table]
        acting = [f"intervention {name}" for name in interventions if INTERVENTIONS.settings_class(name).acts_in_grpo]
        measured = resolve_measurements(self.measurements)
        acting += [f"measurement {name}" for name in measured if MEASUREMENTS.settings_class(name).watches_rollouts]
        for signal in self.signals:
            if acting and not isinstance(signal, GrpoSettings):
                raise ValueError(f"{acting[0]} acts in GRPO, which signal {signal.type} is not; leave one out")
        return self

    @model_validator(mode="after")
    def _final_seeds_are_fresh(self) -> "Experiment":
        if self.protocol is None:
            return self
        if len(self.seeds) < MIN_FINAL_SEEDS:
            raise ValueError(f"{len(self.seeds)} seeds; a protocol compares over {MIN_FINAL_SEEDS} or more, add some")
        refuse_seen_seeds(self.seeds, self.protocol)
        return self


def refuse_seen_seeds(seeds: tuple[int, ...], protocol: Protocol) -> None:
    """Raise ValueError when a seed of stage 2 was one of stage 1."""
    if seen := set(seeds) & set(protocol.seeds):
        raise ValueError(f"seed {min(seen)} is one of the protocol's trials; compare with seeds that none has seen")


def presets() -> dict[str, Path]:
    """Return the experiment files that ship with the package and with installed studies, by name."""
    folders = [Path(str(files("rlvr_bench"))), *study_folders().values()]
    paths = (path for folder in folders for path in sorted((folder / "presets").glob("*.toml")))
    return {path.stem: path for path in paths}


def preset_text(name: str) -> str:
    """Return the file of a preset; raises ExperimentError where there is none of this name."""
    paths = presets()
    if name not in paths:
        raise ExperimentError(f'unknown preset "{name}"{did_you_mean(name, paths)}; see rlvr-bench presets list')
    return paths[name].read_text(encoding="utf-8")


def read_document(name_or_path: str) -> dict[str, Any]:
    """Return what the file of an experiment says; raises ExperimentError where there is none, or no TOML in it."""
    path = _locate(name_or_path)
    try:
        document = parsed_toml(read_regular(path).decode())
    except RecordError as error:
        raise ExperimentError(str(error)) from error
    except ValueError as error:
        raise ExperimentError(f"{path}: not valid TOML: {error}; mend the file") from error
    return with_lm_eval(document, path)


def load(name_or_path: str, changes: Changes | None = None) -> Experiment:
    """Read an experiment, with changes of the command line.

    Raises:
        ExperimentError: no such preset or file, broken TOML, an unknown key, a value out of range.
        PluginError: a plug-in file that it names cannot be used.
    """
    path, document = _locate(name_or_path), read_document(name_or_path)
    if changes is not None:
        refuse_unknown((key for key, _ in changes.keys), document, Experiment.model_fields)
        document = changes.applied(document)
    document = with_plugins(document, path.parent)
    try:
        return Experiment.model_validate(document)
    except ValidationError as error:
        raise ExperimentError(_as_written(explain(error, Experiment, str(path)), document)) from error


def _as_written(sentence: str, document: dict[str, Any]) -> str:
    """Return a sentence about an axis with the key that the file has: `signal.steps`, not `signals.0.steps`."""
    for one, several in AXES.items():
        if one in document:
            sentence = sentence.replace(f"{several}.0", one)
    return sentence


def _locate(name_or_path: str) -> Path:
    shipped = presets()
    if name_or_path in shipped:
        return shipped[name_or_path]
    path = Path(name_or_path)
    if path.exists() and not path.is_dir():
        return path
    if path.suffix == ".toml" or "/" in name_or_path:
        raise ExperimentError(
            f"experiment file {name_or_path} does not exist; give a path that does, or a preset: {', '.join(shipped)}"
        )
    raise ExperimentError(f'unknown preset "{name_or_path}"{did_you_mean(name_or_path, shipped)}')
