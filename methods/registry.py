"""From settings to a method: the built-in types, the aliases, and the types that other packages register.

A plug-in is a `Method` subclass under the entry-point group `rlvr_bench.methods`, its name the value of `type`, or a
class of a plug-in file. It is loaded only when asked for. Nothing here imports torch.
"""

import inspect
from collections.abc import Iterator
from itertools import product
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticUndefined

from rlvr_bench.methods.aliases import ALIASES, expanded
from rlvr_bench.methods.base.method import Method
from rlvr_bench.methods.errors import MethodError
from rlvr_bench.methods.full.bitfit import Bitfit
from rlvr_bench.methods.full.full import Full, FullSgd
from rlvr_bench.methods.low_rank.variants import Geora, LoraNull, LoraXs, Milora, Oplora, Rlmo, Rlpo
from rlvr_bench.methods.masks.lift import Lift
from rlvr_bench.methods.masks.mask import Mask
from rlvr_bench.methods.peft.any_type import AnyPeft
from rlvr_bench.methods.peft.method import Lora, Pissa
from rlvr_bench.methods.peft.row import PeftRow, row_class
from rlvr_bench.methods.peft.table import PEFT_ROWS
from rlvr_bench.methods.spectral.spectral import Iso, Svf
from rlvr_bench.methods.steering.steering import Steering
from rlvr_bench.plugins.registry import Registry
from rlvr_bench.plugins.settings import explain

BUILT_IN: dict[str, type[Method] | PeftRow] = {
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
    **PEFT_ROWS,
}
"""The types that this package brings. The config class of a PEFT row is made when it is asked for."""

NEEDED = ("family", "source", "formula", "learning_rates", "implementation")
"""What the class of a plug-in must say of itself."""


class FieldDescription(BaseModel):
    """One key of a method: its default (None when it must be given: see `required`) and why it is that."""

    name: str
    required: bool
    default: Any
    description: str


class MethodDescription(BaseModel):
    """What `methods show` prints; properties of a config are those at its defaults, None when it has none.

    `settings` are those that an alias stands for, `aliases` the aliases of a type.
    """

    type: str
    settings: dict[str, Any]
    aliases: list[str]
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


def _config_class(row: type[Method] | PeftRow) -> type[Method]:
    return row_class(row) if isinstance(row, PeftRow) else row


def _refusal(item: Any) -> str | None:
    if not (isinstance(item, type) and issubclass(item, Method)) or inspect.isabstract(item):
        return f"is {item!r}; offer a subclass of Method with implementation and expected_trainable"
    attaches = item.attach is not Method.attach
    lacking = [key for key in NEEDED if not getattr(item, key, None) and not (key == "implementation" and attaches)]
    return f"lacks {', '.join(lacking)}; add them to the class" if lacking else None


def _type_of_class(_: str, item: Any) -> str | None:
    """Return the `type` of a class of a plug-in file that is to be a method."""
    if not (isinstance(item, type) and issubclass(item, Method)):
        return None
    default = item.model_fields["type"].default
    return default if isinstance(default, str) else item.__name__.lower()


METHODS: Registry[type[Method]] = Registry(
    "method",
    "rlvr_bench.methods",
    BUILT_IN,
    MethodError,
    refusal=_refusal,
    load=_config_class,
    reserved=ALIASES,
    name_in_file=_type_of_class,
)


def names() -> list[str]:
    """Return the sorted types of all methods, plug-ins included, those that cannot be used too."""
    return sorted(METHODS.names())


def available() -> tuple[list[str], list[str]]:
    """Return the sorted types of the methods that can be used, and one sentence for each plug-in that cannot."""
    classes, faults = METHODS.available()
    return sorted(classes), faults


def method_class(name: str) -> type[Method]:
    """Return the config class of a type, or of the type that an alias stands for.

    Raises `MethodError` when it is unknown, when two packages claim it, or when a plug-in is no method.
    """
    METHODS.refuse_clash(name)
    return METHODS.find(str(expanded({"type": name})["type"]))


def with_later_fields(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a record with the defaults of fields that its method got only after it was written.

    Settings of a method that is not installed here stay as they are.
    """
    name = str(settings.get("type"))
    if isinstance(BUILT_IN.get(name), PeftRow):  # data: it has no such fields, and its class need not be made
        return settings
    try:
        config_class = method_class(name)
    except MethodError:
        return settings
    return {later: config_class.model_fields[later].default for later in config_class.added_later} | settings


def create(settings: dict[str, Any]) -> Method:
    """Build a method from `settings`, e.g. {"type": "lora", "rank": 8}; the type may be an alias.

    Raises `MethodError`, one sentence, for an unknown type or key and for a value out of range.
    """
    if "type" not in settings:
        raise MethodError(f"a method needs a type; choose from {', '.join(names())}")
    config_class = method_class(str(settings["type"]))
    try:
        return config_class(**expanded(settings))
    except ValidationError as invalid:
        raise MethodError(explain(invalid, config_class, f"method {settings['type']!r}")) from invalid


def default(name: str) -> Method | None:
    """Return `name` at its defaults, a required choice at its first value; None when a required key is free."""
    return next(_at_defaults(name), None)


def examples(name: str) -> list[Method]:
    """Return the configs of `name` that stand for it in the conformance kit: its examples, else its defaults."""
    settings_of_each = () if name in ALIASES else method_class(name).examples
    return [create({"type": name} | settings) for settings in settings_of_each] or list(_at_defaults(name))


def _at_defaults(name: str) -> Iterator[Method]:
    """Yield one config for each combination of the choices that `name` requires."""
    settings = expanded({"type": name})
    fields = method_class(name).model_fields
    required = {key: info for key, info in fields.items() if info.is_required() and key not in settings}
    choices = [
        get_args(info.annotation) if get_origin(info.annotation) is Literal else () for info in required.values()
    ]
    for values in product(*choices):
        yield create({"type": name} | dict(zip(required, values, strict=True)))


def describe(name: str) -> MethodDescription:
    """Return what there is to know of a type or an alias without a model."""
    config_class, usual, settings = method_class(name), default(name), expanded({"type": name})
    turned = usual.dial if usual else None
    free = turned if turned and turned.name not in settings else None
    hidden = {"type", "params"} if usual and not free else {"type"}
    return MethodDescription(
        type=str(settings.pop("type")),
        settings=settings,
        aliases=[alias for alias, stands_for in ALIASES.items() if stands_for["type"] == name],
        summary=(config_class.__doc__ or "").strip().splitlines()[0],
        family=config_class.family,
        source=config_class.source,
        formula=config_class.formula,
        learning_rates=config_class.learning_rates,
        dials=config_class.dials,
        params_turns=free.name if free else None,
        optimizer=usual and usual.optimizer,
        mergeable=usual and usual.mergeable,
        identity_at_start=usual and usual.identity_at_start,
        changes_base=usual and usual.changes_base,
        needs_calibration=usual and usual.needs_calibration,
        why_slow=config_class.why_slow,
        fields=[_field(config_class, key, settings) for key in config_class.model_fields if key not in hidden],
    )


def _field(config_class: type[Method], key: str, settings: dict[str, Any]) -> FieldDescription:
    info = config_class.model_fields[key]
    default = settings.get(key, None if info.default is PydanticUndefined else info.default)
    required = info.is_required() and key not in settings
    return FieldDescription(name=key, required=required, default=default, description=info.description or "")
