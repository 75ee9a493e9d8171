"""A cell: one training run, addressed by its content.

The id hashes what changes the result: the resolved settings, the base model's weight hash, the task's fingerprint and
the schema of the package. Where and with what it ran (package versions, processor, threads) is recorded beside it.
"""

import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import Field

from rlvr_bench.experiment.identity import chosen, digest, scoring_identity, training_identity
from rlvr_bench.experiment.measurements import DEFAULT
from rlvr_bench.experiment.plugin_files import parts_from_files
from rlvr_bench.experiment.protocol import Tuning
from rlvr_bench.experiment.scored import score_tasks
from rlvr_bench.experiment.settings import EvaluateSettings
from rlvr_bench.experiment.signals import Signal
from rlvr_bench.methods import registry as method_registry
from rlvr_bench.models.config import BaseConfig
from rlvr_bench.plugins.settings import Settings
from rlvr_bench.tasks import rewards

NOT_DOWNLOADED = "not downloaded: "
"""Begins, in a plan, what stands for a fingerprint: the hub model or data set is not here, so there is no id either."""

RESULT_SCHEMA = 3
"""Raised when a change of this package changes what a cell's settings lead to, a changed default included.

Only what differs from a default enters a cell's id, so that a new setting does not make every result stale.

2: ids of the first release. 3: an answer that touches a cut is none, only a whole stated answer counts, bnpo with
micro-batches normalises over the update, float32 products are chosen once per machine.
"""


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
        return f"{self.comparison_title}.{_name_part(self.comparison_digest)}"

    @cached_property
    def comparison_title(self) -> str:
        """What a person reads of the comparison's name: base, task with its levels, signal, reward."""
        task = "-".join([str(self.task["name"]), *(str(level) for level in self.task.get("levels") or ())])
        reward = rewards.title(self.reward)
        path = Path(self.base.name)
        base = path.stem if self.base.is_gguf else path.resolve().name if path.is_dir() else self.base.name
        return ".".join(map(_name_part, (base, task, self.signal.type, reward)))

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


def _name_part(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip(".-")[:40] or "x"


def with_plugin_files(cell: Cell) -> Cell:
    """Return a cell with the plug-in files that its parts come from; most have none."""
    files = parts_from_files(cell.method, cell.task, cell.paid_reward, cell.measurements, cell.interventions)
    if not files:
        return cell
    plugins = {part: f"{file.path.name} {file.sha256}" for part, file in files.items()}
    paths = tuple(dict.fromkeys(file.path for file in files.values()))
    return cell.model_copy(update={"plugins": plugins, "plugin_paths": paths})
