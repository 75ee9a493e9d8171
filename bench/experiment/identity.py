"""What of a cell's settings its id is made of: only what differs from a default, so that a new setting keeps old ids.

What is a measurement or an intervention today was a key of evaluation, of the signal or a table of its own before. In
the hashed content it stays where it was: the same cells keep their ids.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from rlvr_bench.experiment.interventions import REGISTRY as INTERVENTIONS
from rlvr_bench.experiment.measurements import DEFAULT
from rlvr_bench.experiment.measurements import REGISTRY as MEASUREMENTS

_FLAGS_OF_EVALUATION = ("contamination", "prompt_range", "rank_one")
_THINKING = {"scorer": "verifier"}


def chosen(settings: BaseModel, exclude: set[str] | None = None) -> dict[str, Any]:
    """Return the type of `settings` and what differs from its defaults."""
    differing = settings.model_dump(mode="json", exclude_defaults=True, exclude=exclude)
    return differing | {"type": kind} if (kind := getattr(settings, "type", None)) else differing


def scoring_identity(evaluate: BaseModel, measurements: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return what evaluation and measurements add to the content of an id.

    A measurement of the default stands there only with other settings, or as null where it is left out.

    Raises:
        ExperimentError: a measurement is not installed here, or its settings are not those of this version.
    """
    content: dict[str, Any] = {"evaluate": chosen(evaluate)}
    own: dict[str, Any] = {name: None for name in DEFAULT if name not in measurements}
    for name, table in measurements.items():
        measured = MEASUREMENTS.read(name, table)
        settings = chosen(measured, exclude=set(measured.outside_identity))
        if name in _FLAGS_OF_EVALUATION:
            content["evaluate"][name] = settings or True
        elif name == "divergence":
            content["evaluate"]["kl_problems"] = table["problems"]
        elif name == "thinking":
            content["verify"] = {_THINKING.get(key, key): value for key, value in settings.items()}
        elif settings or name not in DEFAULT:
            own[name] = settings
    return content | ({"measurements": own} if own else {})


def training_identity(signal: BaseModel, interventions: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return what signal and interventions add to the content of an id; a changed base has its own fingerprint.

    Raises:
        ExperimentError: an intervention is not installed here, or its settings are not those of this version.
    """
    content: dict[str, Any] = {"signal": chosen(signal, exclude={"report_to", "probe_every"})}
    own: dict[str, Any] = {}
    for name, table in interventions.items():
        settings = INTERVENTIONS.read(name, table)
        if name == "adapter_dropout":
            content["signal"]["adapter_dropout"] = table["share"]
        elif name == "merge_in_place":
            content["signal"]["merge"] = "in-place"
        elif settings.change_of_base() is None:
            own[name] = chosen(settings)
    return content | ({"interventions": own} if own else {})


def digest(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 of JSON-able content, in hexadecimal digits."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
