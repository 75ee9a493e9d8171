"""The material of one training, as the harness hands it to a signal, and what a signal hands back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Protocol, TypeVar

from torch import nn
from transformers import PreTrainedTokenizerBase

from rlvr_bench.experiment.settings import TrainingSettings
from rlvr_bench.generate.backend import Backend
from rlvr_bench.measure.intervention import Intervention
from rlvr_bench.measure.measurement import Measurement
from rlvr_bench.methods.base.handle import Handle
from rlvr_bench.record.schema import StepRecord
from rlvr_bench.tasks.problem import Problem
from rlvr_bench.tasks.rewards import Label, Reward
from rlvr_bench.tasks.task import Task
from rlvr_bench.train.ledger import Meter

StepSink = Callable[[dict[str, Any]], None]
"""Takes the metrics of one optimizer step, under TRL's names."""

StepListener = Callable[[StepRecord], None]
"""Hears the record of every optimizer step."""

SettingsT = TypeVar("SettingsT", bound=TrainingSettings, covariant=True)


@dataclass(frozen=True, slots=True)
class TrainingRun(Generic[SettingsT]):
    """One run, or one part of it: parts share the handle and the meter, whose steps count through."""

    handle: Handle
    tokenizer: PreTrainedTokenizerBase
    reference: nn.Module
    task: Task
    problems: list[Problem]
    prompt_ids: list[list[int]]
    reward: Reward
    backend: Backend
    settings: SettingsT
    learning_rate: float
    seed: int
    output_dir: str
    """Its last part names the run in trackers."""
    meter: Meter = field(default_factory=Meter)
    labels: Mapping[str, Label] = field(default_factory=dict)
    interventions: Sequence[Intervention[Any]] = ()
    watching: Sequence[Measurement[Any]] = ()
    """Measurements that are shown the rollouts."""


OtherSettingsT = TypeVar("OtherSettingsT", bound=TrainingSettings)


def with_settings(run: TrainingRun[Any], settings: OtherSettingsT) -> TrainingRun[OtherSettingsT]:
    """Return the same run under other settings, such as those of its supervised or its RL stage."""
    changed: TrainingRun[OtherSettingsT] = replace(run, settings=settings)
    return changed


class Trained(Protocol):
    """What is left of a trainer for the record: its optimizer is attested."""

    optimizer: Any
    update_backend: str


def begin(run: TrainingRun[Any], steps: int) -> None:
    """Tell the method how many steps there will be; only the first part of a run does."""
    if run.meter.planned is None:
        run.meter.planned = steps
        run.handle.before_training(steps)
