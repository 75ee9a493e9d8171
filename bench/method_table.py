"""What `rlvr-bench methods list` tells: what each method says of itself, and its size on a base model."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import methods.registry
from bench.models.config import BaseConfig
from bench.models.shapes import parameter_shapes
from bench.models.source import source_of
from methods import MethodError, budget
from methods.method import Shape

if TYPE_CHECKING:
    from transformers import PreTrainedModel

REFERENCE = "organism-steps"
"""The base on which sizes are told unless another is asked for."""

COLUMNS = ("type", "family", "dials", "trainable", "share", "merged", "start", "source")


def listing(base: str, attach: bool) -> list[dict[str, Any]]:
    """Return one row per method: its description, and its trainable count and share on `base` at its defaults.

    Counts are told from shapes, which takes no time; with `attach`, a method whose shapes do not tell is attached to a
    skeleton of the loaded base. None where neither does, or where the defaults do not fit the base.
    """
    config = BaseConfig(name=base)
    folder = source_of(config).folder
    if folder is not None and not attach:
        return [_row(name, base, parameter_shapes(folder), None) for name in methods.registry.names()]
    from bench.models.base import load

    model = load(config).model
    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    return [_row(name, base, shapes, model if attach else None) for name in methods.registry.names()]


def _row(name: str, base: str, shapes: Mapping[str, Shape], model: "PreTrainedModel | None") -> dict[str, Any]:
    trainable = _count(name, shapes, model)
    total = sum(math.prod(shape) for shape in shapes.values())
    size = {"base": base, "trainable": trainable, "trainable_share": trainable / total if trainable else None}
    return methods.registry.describe(name).model_dump(mode="json") | size


def _count(name: str, shapes: Mapping[str, Shape], model: "PreTrainedModel | None") -> int | None:
    method = methods.registry.default(name)
    if method is None:
        return None
    try:
        return budget.count_from_shapes(method, shapes) if model is None else budget.trainable_count(method, model)
    except MethodError:  # its defaults do not fit this base
        return None


def as_text(row: Mapping[str, Any]) -> dict[str, str]:
    """Return the `COLUMNS` of a row as a table shows them; "-" for what is not known."""
    share = row["trainable_share"]
    return {
        "type": row["type"],
        "family": row["family"],
        "dials": ", ".join(row["dials"]) or "-",
        "trainable": "-" if row["trainable"] is None else f"{row['trainable']:,}",
        "share": "-" if share is None else f"{100 * share:.3g} %",
        "merged": {True: "yes", False: "no", None: "-"}[row["mergeable"]],
        "start": _start(row),
        "source": row["source"].split(";")[0],
    }


def _start(row: Mapping[str, Any]) -> str:
    if row["identity_at_start"] is None:
        return "-"
    facts = {
        "identity": row["identity_at_start"],
        "not identity": not row["identity_at_start"],
        "moves the base": row["changes_base"],
        "calibrated": row["needs_calibration"],
    }
    return ", ".join(fact for fact, holds in facts.items() if holds)
