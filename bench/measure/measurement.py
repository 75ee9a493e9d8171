"""What a measurement is: a look at the untrained base, a look at the trained model, and a typed result."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from rlvr_bench.experiment.measurements import MeasurementSettings
from rlvr_bench.measure.context import CellContext, TrainedModel
from rlvr_bench.measure.rollouts import Rollouts
from rlvr_bench.methods.base.handle import Handle

SettingsT = TypeVar("SettingsT", bound=MeasurementSettings)

Result = BaseModel | Mapping[str, Any]
"""Becomes JSON under the measurement's name in the record; NaN and the infinities become null."""


class Measurement(ABC, Generic[SettingsT]):
    """One instance measures one cell: what `before` keeps on it is there in `after`."""

    def __init__(self, settings: SettingsT) -> None:
        self.settings = settings

    def applies_to(self, handle: Handle) -> bool:
        """Return whether a method gives what the measurement needs."""
        return handle.mergeable or not self.settings.needs_merged_weights

    def before(self, context: CellContext) -> None:
        """Look at the untrained base, after it was scored. What cells share belongs in the cache."""

    def attached(self, context: CellContext, handle: Handle) -> None:
        """Look at the method on the base, before its first step; called if `applies_to` it. Changes no weight."""

    def rollouts(self, batch: Rollouts) -> None:
        """Look at a batch of GRPO's rollouts; called if the settings say `watches_rollouts`.

        Training must go on as if nobody had looked: no weight and no random state but one's own is changed.
        """

    @abstractmethod
    def after(self, context: CellContext, trained: TrainedModel) -> Result | None:
        """Return what is found once the trained model was scored; None where it is undefined. Changes no weight."""
