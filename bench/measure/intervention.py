"""What an intervention is: a change of the base, or of how a method trains, that a claim asks about."""

from collections.abc import Mapping, Sequence
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from transformers import PreTrainedModel

from rlvr_bench.experiment.interventions import REGISTRY, InterventionSettings
from rlvr_bench.measure.pair import Pair
from rlvr_bench.measure.rollouts import Rollouts
from rlvr_bench.methods.base.handle import Handle

if TYPE_CHECKING:  # a context holds interventions
    from rlvr_bench.measure.context import CellContext

SettingsT = TypeVar("SettingsT", bound=InterventionSettings)


class Intervention(Generic[SettingsT]):
    """One instance changes one cell. Every hook does nothing unless it is overridden."""

    new_coordinates = False
    """Whether `change_base` gives weights other coordinates, which `restore` takes back."""

    def __init__(self, settings: SettingsT) -> None:
        self.settings = settings

    def change_base(self, model: PreTrainedModel) -> PreTrainedModel:
        """Return the base that is trained, scored and compared with."""
        return model

    def restore(self, pair: Pair) -> Pair:
        """Return a weight before and after training in the coordinates of the base as it was."""
        return pair

    def before(self, context: "CellContext") -> None:
        """Look at what the cell works on before its method is attached; changes nothing of it."""

    def training_begins(self, handle: Handle) -> None:
        """Act on the method once its trainer is made."""

    def rollout_ended(self, handle: Handle) -> None:
        """Act on the method after every batch of rollouts."""

    def paid(self, batch: Rollouts, rewards: list[float]) -> list[float]:
        """Return what GRPO pays for a batch, one finite number per completion, in the place of `rewards`."""
        return rewards

    def kept(self, batch: Rollouts) -> list[bool] | None:
        """Return which completions GRPO learns from; None is all of them. Called after `paid`."""
        return None


def create(interventions: Mapping[str, Mapping[str, Any]]) -> Sequence[Intervention[Any]]:
    """Return a cell's interventions.

    Raises:
        ExperimentError: one is not installed here, or its settings are wrong.
        TypeError: what it points to is no `Intervention`.
    """
    created = []
    for name, keys in interventions.items():
        settings = REGISTRY.read(name, keys)
        intervention = resolve_name(settings.implementation)(settings)
        if not isinstance(intervention, Intervention):
            raise TypeError(f"intervention {name!r}: {settings.implementation} is no Intervention; mend that package")
        created.append(intervention)
    return created
