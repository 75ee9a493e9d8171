"""Which measurements a cell makes beside training and scoring: the table `[measurements]` of an experiment.

`name = true` asks for a measurement, `name = false` (or "off") leaves one of the default out, a table gives it
settings. A measurement is a settings class under the entry-point group `rlvr_bench.measurements`, its own name that of
the entry.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.experiment.registered import RegisteredSettings, SettingsRegistry

DEFAULT = ("geometry", "mask_sample", "trajectory", "behaviour")
"""What every cell measures unless its experiment leaves it out."""

OFF = "off"


class MeasurementSettings(RegisteredSettings):
    """Base of all measurements' settings; a subclass points to what measures and adds its settings as fields.

    `implementation` is that of a `measure.measurement.Measurement`. One that `needs_merged_weights` is left out of a
    cell whose method cannot be merged into plain weights; one that `watches_rollouts` is shown every batch of GRPO's.
    Settings `outside_identity` say how exactly a thing is measured, not what: they enter no cell's id.
    """

    needs_merged_weights: ClassVar[bool] = False
    watches_rollouts: ClassVar[bool] = False
    outside_identity: ClassVar[frozenset[str]] = frozenset()

    def refusal(self) -> str | None:
        """What keeps this from being measured and can be told in seconds, before anything runs, as one sentence."""
        return None


REGISTRY = SettingsRegistry("measurement", "rlvr_bench.measurements", MeasurementSettings)


def check(table: Mapping[str, Any]) -> None:
    """Raise ExperimentError where a measurement that is asked for cannot be made; see `MeasurementSettings.refusal`."""
    for name, given in table.items():
        reason = None if given is False or given == OFF else REGISTRY.read(name, given).refusal()
        if reason is not None:
            raise ExperimentError(reason)


def resolve(table: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return every measurement of a cell with all its settings, those of the default first.

    Raises:
        ExperimentError: one is unknown, or its settings are wrong.
    """
    requested = dict.fromkeys(DEFAULT, True) | dict(table)
    for name in table:
        REGISTRY.settings_class(name)  # a name is checked also where the measurement is left out
    return {
        name: REGISTRY.read(name, settings).model_dump(mode="json")
        for name, settings in requested.items()
        if settings is not False and settings != OFF
    }
