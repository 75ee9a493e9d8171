"""The keys of an experiment file as Markdown tables: limits and defaults from the JSON Schema, meanings from the code.

What a key means stands in its `description` or in the docstring below the field, which only its source holds.
"""

import ast
import inspect
import json
import textwrap
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from rlvr_bench.cli.signals import values_in_words
from rlvr_bench.experiment.experiment import Experiment
from rlvr_bench.experiment.protocol import Protocol
from rlvr_bench.experiment.settings import EvaluateSettings, GrpoSettings, TrainingSettings
from rlvr_bench.experiment.signals import SupervisedSettings, signal_classes
from rlvr_bench.models.config import BaseConfig


def experiment_markdown() -> str:
    """Return one section with a table for the file itself and for each of its tables with keys of their own.

    A key that several signals share stands in the section of what they share.
    """
    sections: dict[str, type[BaseModel]] = {
        "The file itself": Experiment,
        "`[base]`": BaseConfig,
        "`[evaluate]`": EvaluateSettings,
        "`[protocol]`": Protocol,
        "`[signal]`: keys of every type": TrainingSettings,
        "`[signal]`: keys of GRPO (`rlvr`, `rlhf`, `sft+rlvr`)": GrpoSettings,
        "`[signal]`: keys of supervised types (`sft`, `rft`)": SupervisedSettings,
    }
    sections |= {f'`[signal]` with `type = "{name}"`': kind for name, kind in signal_classes().items()}
    return "\n".join(f"## {title}\n\n{_summary(kind)}\n\n{_table(kind)}" for title, kind in sections.items())


def _table(kind: type[BaseModel]) -> str:
    """Return the keys that a class adds to those of the class above it, as a table."""
    (above,) = kind.__bases__
    shared = above.model_fields if issubclass(above, BaseModel) else {}
    schema, meanings = kind.model_json_schema()["properties"], _docstrings(kind)
    rows = [
        {
            "key": f"`{key}`",
            "default": _default(entry),
            "values": values_in_words(entry).removesuffix(" of ").replace("object", "table") or "table",
            "meaning": str(entry.get("description", meanings.get(key, ""))),
        }
        for key, entry in schema.items()
        if key != "type" and key not in shared
    ]
    if not rows:
        return "It has no keys of its own.\n"
    lines = ["| key | default | values | meaning |", "|---|---|---|---|"]
    lines += [
        "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in row.values()) + " |" for row in rows
    ]
    return "\n".join(lines) + "\n"


def _default(entry: Mapping[str, Any]) -> str:
    """Return a default as TOML writes it; nothing for tables, whose own keys have defaults."""
    default = entry.get("default")
    parts = default if isinstance(default, list) else [default]
    tables = any(isinstance(part, dict) for part in parts)
    return "" if tables or default in (None, "") else f"`{json.dumps(default)}`"


def _summary(kind: type) -> str:
    return inspect.cleandoc(kind.__doc__ or "").split("\n\n")[0].replace("\n", " ")


def _docstrings(kind: type) -> dict[str, str]:
    """Return the docstrings below the fields of a class."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(definition, ast.ClassDef)
    found: dict[str, str] = {}
    for field, after in zip(definition.body, definition.body[1:], strict=False):
        match field, after:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = text
    return found
