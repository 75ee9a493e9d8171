"""Methods in the terminal: the list, one entry, the lines of the conformance kit."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from rlvr_bench.console.formats import as_csv
from rlvr_bench.console.text import tell
from rlvr_bench.methods.aliases import ALIASES

MARKS = {"ok": "ok     ", "failed": "FAILED ", "skipped": "skipped"}

ALIAS_COLUMNS = ("alias", "type", "settings")
COLUMNS = ("type", "family", "dials", "trainable", "share", "merged", "start", "source")

LEGEND = (
    "\n"
    "trainable, share: at the defaults on {base}, a choice that must be given at its first value; "
    '"-" where the base has no place for the method, or keys decide.\n'
    "dials: what sets the count; `params` turns the first one that is a number.\n"
    "merged: rollouts run on plain merged weights.\n"
    'start: "base" gives the base\'s logits; "moves base" too, but takes its start out of the base\'s weights; '
    '"not base" does not. "prompts": the start is computed from training prompts.\n'
    "`rlvr-bench methods show NAME` has formula and settings.\n\n"
    "Aliases, a type with some of its settings given:\n"
)


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


def alias_rows() -> list[dict[str, str]]:
    """Return the `ALIAS_COLUMNS` of every alias: the type that it stands for, and the settings as in TOML."""
    return [
        {"alias": alias, "type": str(keys["type"]), "settings": settings_text(keys)} for alias, keys in ALIASES.items()
    ]


def settings_text(settings: Mapping[str, Any]) -> str:
    """Return settings as a line of TOML, without their type."""
    return ", ".join(f"{key} = {json.dumps(value)}" for key, value in settings.items() if key != "type")


def entry_as_text(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return a method's description as `show` prints it: yes and no, a range, and no line for what it has not."""
    words = {True: "yes", False: "no"}
    low, high = entry["learning_rates"]
    entry_words = {key: words[value] if isinstance(value, bool) else value for key, value in entry.items()}
    entry_words["settings"] = settings_text(entry["settings"])
    entry_words["learning_rates"] = f"{low:g} to {high:g}"
    entry_words["fields"] = [
        {
            "key": field["name"],
            "default": "must be given" if field["required"] else "left out" if field["default"] is None else shown,
            "description": field["description"],
        }
        for field in entry["fields"]
        for shown in [words[field["default"]] if isinstance(field["default"], bool) else field["default"]]
    ]
    return {key: value for key, value in entry_words.items() if value not in ("", None, [], ())}


def snippet(name: str, entry: Mapping[str, Any]) -> str:
    """Return the table of an experiment file that trains a method: what it needs, and a rate amid its range."""
    low, high = entry["learning_rates"]
    required = [f"{field['name']} = ...  # {field['description']}" for field in entry["fields"] if field["required"]]
    rate = f"learning_rate = {(low * high) ** 0.5:.0e}  # required; a list tries several"
    return "\n".join([f"[methods.{name}]", *required, rate])


def show_checks(document: Mapping[str, Any], brief: bool) -> None:
    """Print a line per check, or with `brief` a line for the method and one per failure."""
    checks = document["checks"]
    if brief:
        tally = Counter(each["status"] for each in checks)
        counts = ", ".join(f"{tally[status]} {status}" for status in MARKS if tally[status])
        mark = MARKS["ok" if document["passed"] else "failed"]
        tell(f"{mark} {_title(document)}: {counts} ({document['seconds']:.1f} s)")
        checks = [each for each in checks if each["status"] == "failed"]
    else:
        tell(f"{_title(document)} ({document['seconds']:.1f} s)")
    for each in checks:
        tell(f"{MARKS[each['status']]} {each['check']}{': ' if each['detail'] else ''}{each['detail']}")


def _title(document: Mapping[str, Any]) -> str:
    keys = [f"{key} = {value!r}" for key, value in document["settings"].items() if key != "type"]
    return " ".join([document["method"], *([f"({', '.join(keys)})"] if keys else [])])


def print_cost(row: Mapping[str, Any], first: bool) -> None:
    """Print a row of `models.method_costs` as a line of CSV, the `first` one with a header above it."""
    tell(as_csv([row], list(row), header=first).removesuffix("\n"))
