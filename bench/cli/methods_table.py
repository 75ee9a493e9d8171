"""What `rlvr-bench methods list` and `show` tell: what each method says of itself, and its size on a base model."""

import json
import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rlvr_bench.methods import MethodError
from rlvr_bench.methods import registry as method_registry
from rlvr_bench.methods.aliases import ALIASES
from rlvr_bench.methods.base import budget
from rlvr_bench.methods.base.method import Shape
from rlvr_bench.models.config import BaseConfig
from rlvr_bench.models.shapes import parameter_shapes
from rlvr_bench.models.source import source_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel

REFERENCE = "organism-steps"
"""The base on which sizes are told unless another is asked for."""

COLUMNS = ("type", "family", "dials", "trainable", "share", "merged", "start", "source")

ALIAS_COLUMNS = ("alias", "type", "settings")

LEGEND = """
trainable, share: at the defaults on {base}, a choice that must be given at its first value; "-" where the base has no
place for the method, or keys decide.
dials: what sets the count; `params` turns the first one that is a number.
merged: rollouts run on plain merged weights.
start: "base" gives the base's logits; "moves base" too, but takes its start out of the base's weights; "not base" does
not. "prompts": the start is computed from training prompts. `rlvr-bench methods show NAME` has formula and settings.
Aliases, a type with some of its settings given:
"""


def listing(base: str, attach: bool) -> list[dict[str, Any]]:
    """Return one row per usable method: its description, and its trainable count and share on `base` at its defaults.

    Counts are told from shapes, which takes no time; with `attach`, a method whose shapes do not tell is attached to a
    skeleton of the loaded base. None where neither does, or where the defaults do not fit the base.
    """
    names, _ = method_registry.available()
    config = BaseConfig(name=base)
    folder = source_of(config).folder
    if folder is not None and not attach:
        return [_row(name, base, parameter_shapes(folder), None) for name in names]
    from rlvr_bench.models.base import load

    model = load(config).model
    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    return [_row(name, base, shapes, model if attach else None) for name in names]


def alias_rows() -> list[dict[str, str]]:
    """Return the `ALIAS_COLUMNS` of every alias: the type that it stands for, and the settings as in TOML."""
    return [
        {"alias": alias, "type": str(keys["type"]), "settings": settings_text(keys)} for alias, keys in ALIASES.items()
    ]


def settings_text(settings: Mapping[str, Any]) -> str:
    """Return settings as a line of TOML, without their type."""
    return ", ".join(f"{key} = {json.dumps(value)}" for key, value in settings.items() if key != "type")


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
        "source": _paper(row["source"]),
    }


def _start(row: Mapping[str, Any]) -> str:
    if row["identity_at_start"] is None:
        return "-"
    start = "not base" if not row["identity_at_start"] else "moves base" if row["changes_base"] else "base"
    return f"{start}, prompts" if row["needs_calibration"] else start


def _paper(source: str) -> str:
    """Return the first paper of `source` by its number alone, where it has one: the type is named after it."""
    first = source.split(";")[0]
    number = re.search(r"arXiv [\d.]*\d|openreview \w+", first)
    return number[0] if number else first


def entry_as_text(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return a method's description as `show` prints it: yes and no, a range, and no line for what it has not."""
    words = {True: "yes", False: "no"}
    low, high = entry["learning_rates"]
    told = {key: words[value] if isinstance(value, bool) else value for key, value in entry.items()}
    told["learning_rates"] = f"{low:g} to {high:g}"
    told["settings"] = settings_text(entry["settings"])
    told["fields"] = [
        {
            "key": field["name"],
            "default": "must be given" if field["required"] else "left out" if field["default"] is None else shown,
            "description": field["description"],
        }
        for field in entry["fields"]
        for shown in [words[field["default"]] if isinstance(field["default"], bool) else field["default"]]
    ]
    return {key: value for key, value in told.items() if value not in ("", None, [], ())}
