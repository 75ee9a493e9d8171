"""Documents with damage in a place that a seed chooses: odd values, lost keys, and what only a file can say."""

import json
from copy import deepcopy
from random import Random
from typing import Any

ODD_VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63) - 1, 10**20, 0.5, 1e308, -1e-320, "", "x", "0", "../../etc",
    "\x1b[2J", "=1+1", "\x00", "é" * 300, [], {}, [[]], [None], {"": None}, {"=": "none"}, {"name": 3}, [1, "a", {}],
    {"type": "x"},
]  # fmt: skip

HUGE, SURROGATE, DEEP = "9" * 401, '"\\ud800"', "[" * 5000 + "]" * 5000
INFINITE, UNDEFINED, TWICE = "1e999", "NaN", '{"a":1,"a":2}'
NESTED = '{"a":' * 190 + "1" + "}" * 190
WRITTEN = (HUGE, "9" * 5000, SURROGATE, DEEP, INFINITE, "-Infinity", UNDEFINED, TWICE, NESTED)
"""JSON, or almost, that Python's reader takes or breaks on."""

_MARK = "@damaged@"


def damaged_values(random: Random, document: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of a document in which one value, sometimes more, is another one, gone, or under another key."""
    changed: dict[str, Any] = json.loads(json.dumps(document))
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        parent, key = _place(random, changed)
        if random.random() < 0.7:
            parent[key] = deepcopy(random.choice(ODD_VALUES))
        elif isinstance(parent, list) or random.random() < 0.6:
            del parent[key]
        else:
            parent[random.choice(("", "x", "schema_version", "\x1b", "name"))] = parent.pop(key)
        if not changed:
            break
    return changed


def damaged_json(random: Random, document: dict[str, Any]) -> bytes:
    """Return one line of JSON, or almost: with other values, with what only a file can say, or with other bytes."""
    kind = random.choice(("values", "values", "values", "written", "bytes"))
    if kind == "values":
        return json.dumps(damaged_values(random, document)).encode()
    if kind == "bytes":
        content = bytearray(json.dumps(document).encode())
        start = random.randrange(len(content))
        content[start : start + random.randrange(40)] = random.randbytes(random.randrange(8))
        return bytes(content).replace(b"\n", b" ").replace(b"\r", b" ")
    changed = json.loads(json.dumps(document))
    parent, key = _place(random, changed)
    parent[key] = _MARK
    return json.dumps(changed).replace(f'"{_MARK}"', random.choice(WRITTEN)).encode()


def _place(random: Random, document: Any) -> tuple[Any, Any]:
    """Return a container of the document and a key in it; every level is as likely to be the one as those below it."""
    parent = document
    while True:
        key = random.choice(list(parent) if isinstance(parent, dict) else range(len(parent)))
        if not (isinstance(parent[key], dict | list) and parent[key]) or random.random() < 0.3:
            return parent, key
        parent = parent[key]
