"""A first experiment file: a preset with comments that say what each part is, and the JSON Schema of such files.

Editors that know TOML (taplo, Even Better TOML) complete and check a file whose first line names its schema.
"""

import re
from typing import Any

from rlvr_bench.experiment.experiment import Experiment
from rlvr_bench.experiment.lm_eval_tables import NAME as LM_EVAL
from rlvr_bench.models.source import organism_names

SCHEMA_FILE = "rlvr-bench.schema.json"

HEAD = """#:schema ./{schema}
# An experiment of rlvr-bench, from the preset "{preset}". Run it: rlvr-bench run {file}
# What would run, and how long it takes: rlvr-bench plan {file}
"""

NOTES = {
    "seeds": "Every method is trained once for each seed; five or more tell methods apart.",
    "bases": 'Models to train: an organism, "smollm2", a local folder or a hub id (owner/name). rlvr-bench models list',
    "rewards": 'What training sees; a function of your own is "my.py:fn". rlvr-bench rewards list',
    "[protocol]": "How learning rates are found before methods are compared: trials on validation, then fresh seeds.",
    "[task]": "What is trained on; evaluation uses the same task's test split. rlvr-bench tasks list, tasks show NAME",
    "[signal]": "How it is trained. All keys and their defaults: rlvr-bench signals show rlvr",
    "[evaluate]": "How the base and every trained model are scored.",
    "[measurements]": "What else is observed in every cell: NAME = true, or a table of its settings.",
    "[methods.": "What is compared: a table each, with its learning_rate (or several). rlvr-bench methods list",
}
"""The beginning of a line -> the comment above the first line that begins so."""

CLIPS = {"clip_low", "clip_high"}

OPTIONAL = """# keep_weights = true                 # then: rlvr-bench export CELL --peft DIR
# plugins = ["my.py"]                 # methods, rewards, tasks and measurements of your own; rlvr-bench new --help
"""


def commented(text: str, preset: str, name: str, file: str) -> str:
    """Return a preset's text as an experiment `name` of one's own in `file`, which runs as it stands."""
    lines: list[str] = []
    open_notes, before_tables = dict(NOTES), True
    for line in re.sub(r'(?m)^name = ".*"$', f'name = "{name}"', text, count=1).splitlines():
        if line.startswith("[") and before_tables:
            before_tables = False
            lines += [*OPTIONAL.splitlines(), ""]
        for beginning in [key for key in open_notes if re.match(rf"\[?{re.escape(key)}(?:\W|\w+\])", line + " ")]:
            lines.append(f"# {open_notes.pop(beginning)}")
        lines.append(line)
    return HEAD.format(schema=SCHEMA_FILE, preset=preset, file=file) + "\n".join(lines) + "\n"


def file_schema() -> dict[str, Any]:
    """Return the JSON Schema of an experiment file as a person writes it: [task], [signal], names for tables."""
    schema = Experiment.model_json_schema()
    for signal in schema["$defs"].values():
        for key in CLIPS & signal["properties"].keys():
            signal["properties"][key]["anyOf"][-1] = {"const": "off"}  # TOML has no null
    schema["$defs"]["EvaluateSettings"]["properties"] |= {LM_EVAL: _LM_EVAL}
    properties = schema["properties"]
    properties |= {
        "task": properties["tasks"]["items"] | {"required": ["name"], "properties": {"name": {"type": "string"}}},
        "signal": _of_type(properties["signals"]["items"]),
        "reward": _named(properties["rewards"]["items"]),
        "rewards": properties["rewards"] | {"items": _named(properties["rewards"]["items"])},
        "bases": properties["bases"] | {"items": _named(properties["bases"]["items"], organism_names())},
    }
    properties["methods"] = {"type": "object", "minProperties": 1, "additionalProperties": _METHOD}
    schema["required"] = [key for key in schema["required"] if key != "tasks"]
    return {"$schema": "http://json-schema.org/draft-07/schema#", "title": "rlvr-bench experiment"} | schema


def file_name(stem: str) -> str:
    """Return the name of an experiment in a file of this stem; raises ValueError for one that gives none."""
    name = re.sub(r"[^a-z0-9-]+", "-", stem.lower()).strip("-")
    if not name:
        raise ValueError(f"{stem!r} gives no name of an experiment")
    return name


_METHOD: dict[str, Any] = {
    "type": "object",
    "properties": {
        "type": {"type": "string", "description": "the method, where the table's name is another"},
        "learning_rate": {
            "anyOf": [{"type": "number"}, {"type": "array", "items": {"type": "number"}}],
            "description": "one rate, or a list of which each becomes a row",
        },
        "params": {"type": ["string", "integer"], "description": 'trainable values: a share ("0.5%") or a count'},
        "search": {"type": "object"},
    },
}

_LM_EVAL: dict[str, Any] = {
    "type": "array",
    "description": "lm-eval's tasks, groups or tags, one table each: the measurement lm_eval",
    "items": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
}


def _named(table: dict[str, Any], names: list[str] | None = None) -> dict[str, Any]:
    """Return the schema of a table that may be written as its name alone."""
    text: dict[str, Any] = {"type": "string"} | ({"examples": names} if names else {})
    return {"anyOf": [text, table]}


def _of_type(union: dict[str, Any]) -> dict[str, Any]:
    """Return a union that several may fit: the type may be left out."""
    return {"anyOf": union["oneOf"]}
