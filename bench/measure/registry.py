"""From the measurements that a cell names to their implementations; imports those and nothing else."""

from collections.abc import Mapping
from pkgutil import resolve_name
from typing import Any

from rlvr_bench.experiment.measurements import REGISTRY
from rlvr_bench.measure.measurement import Measurement


def create(measurements: Mapping[str, Mapping[str, Any]]) -> dict[str, Measurement[Any]]:
    """Return a cell's measurements by name.

    Raises:
        ExperimentError: one is not installed here, or its settings are wrong.
        TypeError: what it points to is no `Measurement`.
    """
    created: dict[str, Measurement[Any]] = {}
    for name, keys in measurements.items():
        settings = REGISTRY.read(name, keys)
        measurement = resolve_name(settings.implementation)(settings)
        if not isinstance(measurement, Measurement):
            raise TypeError(f"measurement {name!r}: {settings.implementation} is no Measurement; mend that package")
        created[name] = measurement
    return created
