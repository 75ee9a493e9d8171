"""What every fine-tuning method is: a typed config that knows how to attach itself to a model.

A config says where its method comes from, which learning rates are worth searching and which tensors it will train, so
that the harness can plan, count and attest without running it. Importing and validating configs never imports torch:
what needs it is pointed at by name ("package.module:function") and imported when it is called.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self, get_args

from pydantic import (
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic_core import to_jsonable_python

from rlvr_bench.methods.base.params import checked_params
from rlvr_bench.plugins.settings import Settings
from rlvr_bench.plugins.suggestion import did_you_mean

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from rlvr_bench.methods.base.handle import Handle
    from rlvr_bench.methods.base.observation import BaseObservation

LINEAR_TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
TARGET_GROUPS: dict[str, tuple[str, ...]] = {
    "all-linear": LINEAR_TARGETS,
    "attention": LINEAR_TARGETS[:4],
    "mlp": LINEAR_TARGETS[4:],
}
"""Names that `targets` takes for groups of modules, and how a config holds them: by Llama's names for their members.

What they are on another decoder follows from its structure (`targets.resolve_targets`), before a method is attached.
"""

SMALLEST = 1e-9
"""Where a dial that is a share starts."""

Shape = tuple[int, ...]
Calibration = Sequence[Sequence[int]]
"""Token ids of training prompts, for initialisations that look at data."""


class Dial(NamedTuple):
    """A number of a config that sets how many values are trained: from `low` to `high`, whole or not."""

    name: str
    low: float
    high: float
    whole: bool


class Method(Settings, ABC):
    """Base of all method configs; a subclass narrows `type` to a literal and adds its dials as fields.

    Class metadata: `family` groups methods on the leaderboard, `source` is the paper, `learning_rates` the range (low,
    high) of a log-uniform search, `dials` the fields that set the number of trainable parameters, the one that `params`
    turns first. `examples` are settings under which the conformance kit attaches the method, where its defaults are not
    enough or do not fit a model of width 64. `why_slow` explains a step that costs more than 1.6 of full fine-tuning's.
    `added_later` are fields that the configs of older records lack though they were written whole.

    Pointers to code, "package.module:function": `implementation` is what `attach` calls, with this config before the
    arguments; `start_checks` and `end_checks` are what `problems_at_start` and `problems_at_end` call in turn.
    """

    model_config = ConfigDict(defer_build=True)  # most are never used by a verb

    family: ClassVar[str]
    source: ClassVar[str]
    formula: ClassVar[str]
    learning_rates: ClassVar[tuple[float, float]]
    dials: ClassVar[tuple[str, ...]] = ()
    examples: ClassVar[tuple[dict[str, Any], ...]] = ()
    why_slow: ClassVar[str] = ""
    added_later: ClassVar[tuple[str, ...]] = ()
    implementation: ClassVar[str]
    start_checks: ClassVar[tuple[str, ...]] = ()
    end_checks: ClassVar[tuple[str, ...]] = ()

    type: str
    targets: tuple[str, ...] = Field(
        default=LINEAR_TARGETS,
        min_length=1,
        description="Name endings of the modules that the method may touch, the same for all methods of a comparison; "
        "or all-linear, attention or mlp, which mean the same on every decoder.",
    )
    params: str | int | None = Field(
        default=None,
        description='Instead of a dial: trainable values as a share of the base\'s parameters ("0.5%") or as a count.',
    )

    @model_validator(mode="before")
    @classmethod
    def _defaults_are_not_given(cls, given: Any) -> Any:
        """Read a config that was written whole as it was asked for: without the keys that are at their defaults."""
        if not isinstance(given, dict):
            return given
        exempt = {"type", "params", *(cls.dials if given.get("params") is not None else ())}
        optional = {key: field.default for key, field in cls.model_fields.items() if not field.is_required()}
        defaults = {key: (value, to_jsonable_python(value)) for key, value in optional.items() if key not in exempt}
        if not defaults.keys() - set(cls.added_later) <= given.keys():
            return given
        return {key: value for key, value in given.items() if key not in defaults or value not in defaults[key]}

    @field_validator("targets", mode="before")
    @classmethod
    def _group_of_targets(cls, given: Any) -> Any:
        if not isinstance(given, str):
            return given
        if given not in TARGET_GROUPS:
            raise ValueError(
                f"it is no group of modules, and no list of name endings{did_you_mean(given, TARGET_GROUPS)}"
            )
        return TARGET_GROUPS[given]

    @property
    def shardable(self) -> bool:
        """Whether it trains tensors by their gradients alone, so that processes may each hold a part of every one."""
        return False

    @property
    def targets_are_norms(self) -> bool:
        """Whether `targets` names norms: at their default, all of a model, whatever they are called in it."""
        return False

    @property
    def targets_are_linear(self) -> bool:
        """Whether `targets` names linear modules of the base."""
        return True

    def with_targets(self, endings: tuple[str, ...], closing: tuple[str, ...]) -> Self:
        """Return this method on the modules of one base; `closing` are the endings that end a feed-forward block."""
        return self.model_copy(update={"targets": endings})

    @property
    def files(self) -> tuple[str, ...]:
        """Files, or folders of safetensors files, whose content decides what is trained."""
        return ()

    @model_validator(mode="after")
    def _targets_are_distinct(self) -> "Method":
        if len(set(self.targets)) < len(self.targets):
            raise ValueError(f"targets = {list(self.targets)} names a module twice; list every name ending once")
        return self

    @field_validator("params", mode="before")
    @classmethod
    def _params_are_a_share_or_a_count(cls, given: Any) -> str | int | None:
        return None if given is None else checked_params(given)

    @model_validator(mode="after")
    def _params_turn_a_free_dial(self) -> "Method":
        if self.params is None:
            return self
        if self.dial is None:
            raise ValueError(f"params = {self.params!r}, but no dial of {self.type!r} sets the count; leave params out")
        if self.dial.name in self.model_fields_set:
            raise ValueError(
                f"params = {self.params!r} is given together with {self.dial.name}, which it decides; give one of them"
            )
        return self

    @model_serializer(mode="wrap")
    def _without_the_dial_that_params_turns(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out `params` where it is not used, and the default of the dial where it is."""
        settings: dict[str, Any] = dump(self)
        if self.params is None:
            settings.pop("params", None)
        elif not self.resolved and self.dial is not None:
            settings.pop(self.dial.name, None)
        return settings

    @property
    def dial(self) -> Dial | None:
        """What `params` turns: the first number among `dials`; None where nothing sets the count by degrees."""
        for name in self.dials:
            field = type(self).model_fields[name]
            kinds = {field.annotation, *get_args(field.annotation)} & {int, float}
            if kinds:
                return _dial(name, field.metadata, whole=float not in kinds)
        return None

    @property
    def resolved(self) -> bool:
        """Whether the dial is set: always without `params`, with it once `budget.resolve` has."""
        return self.params is None or (self.dial is not None and self.dial.name in self.model_fields_set)

    @property
    def changes_base(self) -> bool:
        """Whether initialisation moves base weights into the adapter, so that the frozen part is no longer the base."""
        return False

    @property
    def identity_at_start(self) -> bool:
        """Whether the attached, untrained model must give the base model's logits."""
        return True

    @property
    def depends_on_seed(self) -> bool | None:
        """Whether another seed gives another start; None if attaching tells."""
        return True

    @property
    def needs_calibration(self) -> bool:
        """Whether `attach` must be given token ids of training prompts."""
        return False

    @property
    def mergeable(self) -> bool | None:
        """Whether the trained model can be written as plain weights, on which rollouts run; None if attaching tells."""
        return True

    @property
    def optimizer(self) -> str:
        """Class name of the optimizer that trains this method, which attestation looks for."""
        return "AdamW"

    def refuse_misfit(self, model: "PreTrainedModel") -> None:
        """Raise `MethodError` where this method does not fit `model`, as far as that shows without attaching it."""
        resolve_name("rlvr_bench.methods.base.targets:refuse_misfit")(self, model)

    def attach(self, model: "PreTrainedModel", seed: int, calibration: Calibration | None = None) -> "Handle":
        """Make `model` trainable under this method, in place, and return its handle.

        The global random state is left untouched: `seed` alone decides the initialisation. Raises `MethodError`.
        """
        handle: Handle = resolve_name(self.implementation)(self, model, seed, calibration)
        return handle

    @abstractmethod
    def expected_trainable(self, shapes: Mapping[str, Shape]) -> dict[str, Shape | None] | None:
        """Name and shape of every tensor that must be trainable, from the base's parameter `shapes` alone.

        A shape of None means that it depends on the weights; None for the whole means that only `problems_at_start`
        can tell. Written apart from `attach`, so that one checks the other.
        """

    def problems_at_start(self, handle: "Handle", base: "BaseObservation") -> list[str]:
        """What shows that the attached model is not this method (one sentence each); empty when all is well."""
        return [problem for check in self.start_checks for problem in resolve_name(check)(self, handle, base)]

    def problems_at_end(self, handle: "Handle", optimizer: "torch.optim.Optimizer | None") -> list[str]:
        """What shows that this method was not trained (one sentence each); `optimizer` is what trained, if known."""
        return [problem for check in self.end_checks for problem in resolve_name(check)(self, handle, optimizer)]


def _dial(name: str, bounds: Sequence[Any], whole: bool) -> Dial:
    """Return the dial `name` within pydantic's `bounds`, and from 1 if it is whole, from just above 0 if it is not."""
    step = 1.0 if whole else SMALLEST
    low, high = step, math.inf
    for bound in bounds:
        low = max(low, getattr(bound, "ge", low), getattr(bound, "gt", low - step) + step)
        high = min(high, getattr(bound, "le", high), getattr(bound, "lt", high + step) - step)
    return Dial(name, low, high, whole)


def target_weights(shapes: Mapping[str, Shape], targets: Sequence[str]) -> dict[str, Shape]:
    """Return path -> (out, in) of every targeted matrix among the base's parameter `shapes`."""
    paths = {name.removesuffix(".weight"): shape for name, shape in shapes.items() if name.endswith(".weight")}
    return {path: shape for path, shape in paths.items() if len(shape) == 2 and ends_with(path, targets)}


def ends_with(path: str, endings: Sequence[str]) -> bool:
    """Whether the module `path` is, or ends in a full component with, one of `endings`."""
    return any(path == ending or path.endswith(f".{ending}") for ending in endings)
