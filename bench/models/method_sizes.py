"""What each registered method says of itself, and how much of a base model it trains."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rlvr_bench.methods import MethodError
from rlvr_bench.methods import registry as method_registry
from rlvr_bench.methods.base import budget
from rlvr_bench.methods.base.method import Shape
from rlvr_bench.models.config import base_named
from rlvr_bench.models.shapes import parameter_shapes
from rlvr_bench.models.source import source_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def listing(base: str, attach: bool) -> list[dict[str, Any]]:
    """Return one row per usable method: its description, and its trainable count and share on `base` at its defaults.

    Counts are told from shapes, which takes no time; with `attach`, a method whose shapes do not tell is attached to a
    skeleton of the loaded base. None where neither does, or where the defaults do not fit the base.
    """
    config = base_named(base)
    names, _ = method_registry.available()
    folder = source_of(config).folder
    if folder is not None and not attach:
        return [_row(name, base, parameter_shapes(folder), None) for name in names]
    from rlvr_bench.models.base import load

    model = load(config).model
    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    return [_row(name, base, shapes, model if attach else None) for name in names]


def _row(name: str, base: str, shapes: Mapping[str, Shape], model: "PreTrainedModel | None") -> dict[str, Any]:
    trainable = _count(name, shapes, model)
    total = sum(math.prod(shape) for shape in shapes.values())
    size = {"base": base, "trainable": trainable, "trainable_share": trainable / total if trainable else None}
    return method_registry.describe(name).model_dump(mode="json") | size


def _count(name: str, shapes: Mapping[str, Shape], model: "PreTrainedModel | None") -> int | None:
    method = method_registry.default(name)
    if method is None:
        return None
    try:
        return budget.count_from_shapes(method, shapes) if model is None else budget.trainable_count(method, model)
    except MethodError:  # its defaults do not fit this base
        return None
