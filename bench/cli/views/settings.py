"""The resolved settings of an experiment in a terminal, with where each comes from."""

import json
from collections.abc import Iterable
from typing import IO, Any

from rlvr_bench.console.tables import print_table
from rlvr_bench.experiment.origins import Origin, ResolvedValue

COLUMNS = ("setting", "value", "from")

ORDER: tuple[Origin, ...] = ("command line", "experiment file", "default")
"""What was changed stands first."""


def show_settings(values: Iterable[ResolvedValue], file: IO[str] | None = None, width: int | None = None) -> None:
    """Print a line for each value, those of the command line first, with what the file has in their place."""
    rows = [
        {"setting": each.key, "value": _value(each), "from": each.origin}
        for each in sorted(values, key=lambda value: ORDER.index(value.origin))
    ]
    print_table(rows, COLUMNS, file=file, width=width)


def _value(value: ResolvedValue) -> str:
    shown = _text(value.value)
    return shown if value.replaced is None else f"{shown} (in the file {_text(value.replaced)})"


def _text(value: Any) -> str:
    """Return a value as TOML has it, which JSON's texts, numbers and lists are; "none" where nothing is set."""
    return "none" if value is None else json.dumps(value, ensure_ascii=False)
