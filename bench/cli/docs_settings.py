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
from rlvr_bench.experiment.settings import EvaluateSettings
from rlvr_bench.experiment.signals import signal_classes


def experiment_markdown() -> str:
    """Return one section with a table for the file itself and for each of its tables with keys of their own."""
    sections: dict[str, type[BaseModel]] = {
        "The file itself": Experiment,
        "`[evaluate]`": EvaluateSettings,
        "`[protocol]`": Protocol,
    }
    sections |= {f'`[signal]` with `type = "{name}"`': kind for name, kind in signal_classes().items()}
    return "\n".join(f"## {title}\n\n{_summary(kind)}\n\n{_table(kind)}" for title, kind in sections.items())


def _table(kind: type[BaseModel]) -> str:
    schema, meanings = kind.model_json_schema()["properties"], _docstrings(kind)
    rows = [
        {
            "key": f"`{key}`",
            "default": _default(entry),
            "values": values_in_words(entry).removesuffix(" of ").replace("object", "table") or "table",
            "meaning": str(entry.get("description", meanings.get(key, ""))),
        }
        for key, entry in schema.items()
        if key != "type"
    ]
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
    """Return the docstrings below the fields of a class and of those that it comes from; its own come first."""
    found: dict[str, str] = {}
    for parent in kind.__mro__:
        if not parent.__module__.startswith("rlvr_bench."):
            continue
        (definition,) = ast.parse(textwrap.dedent(inspect.getsource(parent))).body
        assert isinstance(definition, ast.ClassDef)
        for field, after in zip(definition.body, definition.body[1:], strict=False):
            match field, after:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                    found.setdefault(name, text)
    return found
