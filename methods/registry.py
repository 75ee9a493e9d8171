"""From settings to a method: the built-in types, and those that other packages register.

A plug-in is a `Method` subclass under the entry-point group `methods`, its name the value of `type`. It is
loaded only when asked for. Nothing here imports torch.
"""

import inspect
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from itertools import product
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticUndefined

from rlvr_bench.methods.base.method import Method
from rlvr_bench.methods.errors import MethodError, did_you_mean, first_problem
from rlvr_bench.methods.full.bitfit import Bitfit
from rlvr_bench.methods.full.full import Full, FullSgd
from rlvr_bench.methods.low_rank.variants import Geora, LoraNull, LoraXs, Milora, Oplora, Rlmo, Rlpo
from rlvr_bench.methods.masks.lift import Lift
from rlvr_bench.methods.masks.mask import Mask
from rlvr_bench.methods.peft.any_type import AnyPeft
from rlvr_bench.methods.peft.entry import entry_class
from rlvr_bench.methods.peft.method import Lora, Pissa
from rlvr_bench.methods.peft.table import PEFT_ROWS
from rlvr_bench.methods.spectral.spectral import Iso, Svf
from rlvr_bench.methods.steering.steering import Steering

GROUP = "rlvr_bench.methods"
OWN: dict[str, type[Method]] = {
    "full": Full,
    "lora": Lora,
    "pissa": Pissa,
    "mask": Mask,
    "peft": AnyPeft,
    "milora": Milora,
    "rlpo": Rlpo,
    "rlmo": Rlmo,
    "geora": Geora,
    "lora-null": LoraNull,
    "oplora": Oplora,
    "lora-xs": LoraXs,
    "full-sgd": FullSgd,
    "lift": Lift,
    "svf": Svf,
    "iso": Iso,
    "steering": Steering,
    "bitfit": Bitfit,
}
BUILT_IN = (*OWN, *PEFT_ROWS)
"""The types that this package brings. The config class of a PEFT row is made when it is asked for."""


class FieldDescription(BaseModel):
    """One key of a method: its default (None when it must be given: see `required`) and why it is that."""

    name: str
    required: bool
    default: Any
    description: str


class MethodDescription(BaseModel):
    """What `methods show` prints; properties of a config are those at its defaults, None when it has none."""

    type: str
    summary: str
    family: str
    source: str
    formula: str
    learning_rates: tuple[float, float]
    dials: tuple[str, ...]
    params_turns: str | None
    optimizer: str | None
    mergeable: bool | None
    identity_at_start: bool | None
    changes_base: bool | None
    needs_calibration: bool | None
    why_slow: str
    fields: list[FieldDescription]


@cache
def _plugins() -> dict[str, tuple[EntryPoint, ...]]:
    """Return name -> the entry points of that name; more than one is a clash."""
    entries = entry_points(group=GROUP)
    return {name: tuple(entries.select(name=name)) for name in entries.names}


def names() -> list[str]:
    """Return the sorted types of all methods, plug-ins included."""
    return sorted({*BUILT_IN, *_plugins()})


def method_class(name: str) -> type[Method]:
    """Return the config class of type `name`.

    Raises `MethodError` when it is unknown, when two packages claim it, or when a plug-in is no method.
    """
    entries = _plugins().get(name, ())
    _refuse_clash(name, entries)
    if name in OWN:
        return OWN[name]
    if name in PEFT_ROWS:
        return entry_class(PEFT_ROWS[name])
    if not entries:
        raise MethodError(f"unknown method {name!r}{did_you_mean(name, names())}; known are {', '.join(names())}")
    return _loaded(name, entries[0])


def _refuse_clash(name: str, entries: Sequence[EntryPoint]) -> None:
    claims = ["this package"] * (name in BUILT_IN) + sorted({entry.value for entry in entries})
    if len(claims) > 1:
        raise MethodError(
            f"method {name!r} is registered by {' and by '.join(claims)}; rename an entry point, or uninstall it"
        )


def _loaded(name: str, entry: EntryPoint) -> type[Method]:
    source = entry.value
    try:
        loaded = entry.load()
    except (ImportError, AttributeError) as failure:
        raise MethodError(f"plug-in method {name!r} ({source}) cannot be imported: {failure}") from failure
    if not (isinstance(loaded, type) and issubclass(loaded, Method)) or inspect.isabstract(loaded):
        raise MethodError(
            f"plug-in method {name!r} ({source}) is {loaded!r}; expected a subclass of Method with attach "
            "and expected_trainable"
        )
    lacking = [key for key in ("family", "source", "formula", "learning_rates") if not hasattr(loaded, key)]
    if lacking:
        raise MethodError(f"plug-in method {name!r} ({source}) lacks {', '.join(lacking)}; add them to the class")
    return loaded


def create(settings: dict[str, Any]) -> Method:
    """Build a method from `settings`, e.g. {"type": "lora", "rank": 8}.

    Raises `MethodError`, one sentence, for an unknown type or key and for a value out of range.
    """
    if "type" not in settings:
        raise MethodError(f"a method needs a type; known are {', '.join(names())}")
    chosen = method_class(str(settings["type"]))
    try:
        return chosen(**settings)
    except ValidationError as invalid:
        raise MethodError(first_problem(f"method {settings['type']!r}", chosen, invalid)) from invalid


def default(name: str) -> Method | None:
    """Return type `name` at its defaults, a required choice at its first value; None when a required key is free."""
    return next(_at_defaults(name), None)


def examples(name: str) -> list[Method]:
    """Return the configs of type `name` that stand for it in the conformance kit: its examples, else its defaults."""
    chosen = method_class(name)
    return [create({"type": name} | settings) for settings in chosen.examples] or list(_at_defaults(name))


def _at_defaults(name: str) -> Iterator[Method]:
    """Yield one config for each combination of the choices that type `name` requires."""
    required = {key: info for key, info in method_class(name).model_fields.items() if info.is_required()}
    choices = [
        get_args(info.annotation) if get_origin(info.annotation) is Literal else () for info in required.values()
    ]
    for chosen in product(*choices):
        yield create({"type": name} | dict(zip(required, chosen, strict=True)))


def describe(name: str) -> MethodDescription:
    """Return what there is to know of type `name` without a model."""
    chosen, usual = method_class(name), default(name)
    turned = usual.dial if usual else None
    hidden = {"type", "params"} if usual and not turned else {"type"}
    return MethodDescription(
        type=name,
        summary=(chosen.__doc__ or "").strip().splitlines()[0],
        family=chosen.family,
        source=chosen.source,
        formula=chosen.formula,
        learning_rates=chosen.learning_rates,
        dials=chosen.dials,
        params_turns=turned.name if turned else None,
        optimizer=usual and usual.optimizer,
        mergeable=usual and usual.mergeable,
        identity_at_start=usual and usual.identity_at_start,
        changes_base=usual and usual.changes_base,
        needs_calibration=usual and usual.needs_calibration,
        why_slow=chosen.why_slow,
        fields=[_field(chosen, key) for key in chosen.model_fields if key not in hidden],
    )


def _field(chosen: type[Method], key: str) -> FieldDescription:
    info = chosen.model_fields[key]
    default = None if info.default is PydanticUndefined else info.default
    return FieldDescription(name=key, required=info.is_required(), default=default, description=info.description or "")
