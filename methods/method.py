"""What every fine-tuning method is: a typed config that knows how to attach itself to a model.

A config says where its method comes from, which learning rates are worth searching and which tensors it will train, so
that the harness can plan, count and attest without running it. Importing and validating configs never imports torch;
`attach` and the start checks do so inside.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from methods.handle import Handle
    from methods.measurement import BaseObservation

LINEAR_TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")

Shape = tuple[int, ...]
Calibration = Sequence[Sequence[int]]
"""Token ids of training prompts, for initialisations that look at data."""


class Method(BaseModel, ABC):
    """Base of all method configs; a subclass narrows `type` to a literal and adds its dials as fields.

    Class metadata: `family` groups methods on the leaderboard, `source` is the paper, `learning_rates` the range (low,
    high) of a log-uniform search, `dials` the fields that set the number of trainable parameters.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    family: ClassVar[str]
    source: ClassVar[str]
    formula: ClassVar[str]
    learning_rates: ClassVar[tuple[float, float]]
    dials: ClassVar[tuple[str, ...]] = ()

    type: str
    targets: tuple[str, ...] = Field(
        default=LINEAR_TARGETS,
        min_length=1,
        description="Name endings of the modules that the method may touch; the same for all methods of a comparison.",
    )

    @model_validator(mode="after")
    def _targets_are_distinct(self) -> "Method":
        if len(set(self.targets)) < len(self.targets):
            raise ValueError(f"targets = {list(self.targets)} names a module twice; list every name ending once")
        return self

    @property
    def changes_base(self) -> bool:
        """Whether initialisation moves base weights into the adapter, so that the frozen part is no longer the base."""
        return False

    @property
    def identity_at_start(self) -> bool:
        """Whether the attached, untrained model must give the base model's logits."""
        return True

    @property
    def depends_on_seed(self) -> bool:
        """Whether another seed gives another start."""
        return True

    @property
    def needs_calibration(self) -> bool:
        """Whether `attach` must be given token ids of training prompts."""
        return False

    @property
    def optimizer(self) -> str:
        """Class name of the optimizer that trains this method, which attestation looks for."""
        return "AdamW"

    @abstractmethod
    def attach(self, model: "PreTrainedModel", seed: int, calibration: Calibration | None = None) -> "Handle":
        """Make `model` trainable under this method, in place, and return its handle.

        The global random state is left untouched: `seed` alone decides the initialisation. Raises `MethodError`.
        """

    @abstractmethod
    def expected_trainable(self, shapes: Mapping[str, Shape]) -> dict[str, Shape | None] | None:
        """Name and shape of every tensor that must be trainable, from the base's parameter `shapes` alone.

        A shape of None means that it depends on the weights; None for the whole means that only `problems_at_start`
        can tell. Written apart from `attach`, so that one checks the other.
        """

    def problems_at_start(self, handle: "Handle", base: "BaseObservation") -> list[str]:
        """What shows that the attached model is not this method (one sentence each); empty when all is well."""
        return []


def target_weights(shapes: Mapping[str, Shape], targets: Sequence[str]) -> dict[str, Shape]:
    """Return path -> (out, in) of every targeted matrix among the base's parameter `shapes`."""
    paths = {name.removesuffix(".weight"): shape for name, shape in shapes.items() if name.endswith(".weight")}
    return {path: shape for path, shape in paths.items() if len(shape) == 2 and ends_with(path, targets)}


def ends_with(path: str, endings: Sequence[str]) -> bool:
    """Whether the module `path` is, or ends in a full component with, one of `endings`."""
    return any(path == ending or path.endswith(f".{ending}") for ending in endings)
