"""What is done to a cell on purpose, to see what follows: the tables `[[interventions]]`, an axis of an experiment.

Each table names interventions, `name = true` or a table of settings; an empty one is the cell as it is. An
intervention is a settings class under the entry-point group `rlvr_bench.interventions`. None belongs in a comparison of
methods: claims leave such cells out unless they ask for them.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, ClassVar

from rlvr_bench.experiment.registered import RegisteredSettings, SettingsRegistry


class InterventionSettings(RegisteredSettings):
    """Base of all interventions' settings; `implementation` is that of a `measure.intervention.Intervention`.

    `acts_in_grpo`: it acts while GRPO trains. `drifts_base`: it moves weights that the method keeps frozen.
    `trains_off_policy`: on purpose, the policy that is trained is not the one that is sampled.
    """

    acts_in_grpo: ClassVar[bool] = False
    trains_off_policy: ClassVar[bool] = False
    drifts_base: ClassVar[bool] = False

    def change_of_base(self) -> str | None:
        """What it does to the base before training, as text for the base's fingerprint; None when nothing."""
        return None


REGISTRY = SettingsRegistry("intervention", "rlvr_bench.interventions", InterventionSettings)


def resolve(table: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the interventions of a cell with all their settings.

    Raises:
        ExperimentError: one is unknown, or its settings are wrong.
    """
    return {name: REGISTRY.read(name, settings).model_dump(mode="json") for name, settings in table.items()}


def changed_fingerprint(base: str, interventions: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the fingerprint of a base after what is done to it before training."""
    for name, settings in interventions.items():
        change = REGISTRY.read(name, settings).change_of_base()
        if change is not None:
            base = hashlib.sha256(f"{base} {change}".encode()).hexdigest()
    return base
