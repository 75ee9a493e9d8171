"""The digest of a record: a SHA-256 over its content and its steps, the same for a folder and for a packed line.

Each part of a record (a key of `run.json` that is not at its default, and the steps) has a SHA-256 of its own; the
digest is that of all of them, and the first digits of each are kept to say which part is another. Samples are covered
by the hash of their file, which the record holds.

A digest finds what was changed by accident, or by somebody who did not know of it. It is no signature: whoever edits a
record can compute it again, or remove it.
"""

import hashlib
import json
import math
import struct
from collections.abc import Iterator, Sequence
from typing import Any

from rlvr_bench.record.schema import Digest, RunRecord, StepRecord
from rlvr_bench.record.steps import DEFAULTS, METRIC_NAMES, attributes, column

MARK_DIGITS = 8
"""Hexadecimal digits that are kept of the SHA-256 of each part."""

SINCE_RESULT_SCHEMA = 3
"""From this result schema on every record is written with a digest."""

STEPS = "steps"
UNCOVERED = {"digest", "schema_version"}

_TABLES = {name: RunRecord.model_fields[name].default for name in ("cell", "attestation", "measurements", "rollout")}
"""Parts that are JSON as they stand, with their defaults: to dump them value by value changes nothing."""

# A validated record holds no NaN, which `strict_json` would search it for.
_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode


def digest_of(record: RunRecord, steps: Sequence[StepRecord]) -> Digest:
    """Return the digest of a record, as it is read from disk, and its steps."""
    # Without what is at its default, as a packed line is: a key that a later version adds leaves old digests valid.
    content = record.model_dump(mode="json", exclude_defaults=True, exclude=UNCOVERED | _TABLES.keys())
    content |= {name: table for name, default in _TABLES.items() if (table := getattr(record, name)) != default}
    parts = {name: hashlib.sha256(_canonical(value).encode()).hexdigest() for name, value in content.items()}
    parts[STEPS] = _steps_digest(steps)
    whole = hashlib.sha256("".join(f"{name} {parts[name]}\n" for name in sorted(parts)).encode()).hexdigest()
    return Digest(sha256=whole, parts={name: mark[:MARK_DIGITS] for name, mark in sorted(parts.items())})


def digest_fault(record: RunRecord, steps: Sequence[StepRecord]) -> str | None:
    """Return, as a part of a sentence, which parts of a record are not what was written; None where its digest fits."""
    if record.digest is None and record.cell.get("result_schema", SINCE_RESULT_SCHEMA) >= SINCE_RESULT_SCHEMA:
        return "its digest is gone"
    parts = changed_parts(record, steps)
    return None if not parts else f"{', '.join(parts)} changed since it was written: the digest does not fit"


def changed_parts(record: RunRecord, steps: Sequence[StepRecord]) -> list[str]:
    """Return the names of the parts that are not what the record's digest was taken of; none of one without a digest.

    Where every part fits but the whole does not, the digest itself was changed: that is the part "digest".
    """
    if record.digest is None:
        return []
    computed = digest_of(record, steps)
    if computed.sha256 == record.digest.sha256 and computed.parts == record.digest.parts:
        return []
    recorded_parts, computed_parts = record.digest.parts, computed.parts
    return [
        name
        for name in sorted(recorded_parts.keys() | computed_parts.keys())
        if recorded_parts.get(name) != computed_parts.get(name)
    ] or ["digest"]


def _steps_digest(steps: Sequence[StepRecord]) -> str:
    """Return the SHA-256 of the metrics in the order of their names: a name, and a float64 for each step."""
    digest = hashlib.sha256(f"{len(steps)}".encode())
    pack = struct.Struct(f"<{len(steps)}d").pack
    for name, values in sorted(_columns(steps)):
        # A metric that a step does not have is NaN, which no metric of a record is.
        numbers = [math.nan if value is None else value for value in values] if None in values else values
        digest.update(f"\n{name}\n".encode() + pack(*numbers))
    return digest.hexdigest()


def _columns(steps: Sequence[StepRecord]) -> Iterator[tuple[str, Sequence[Any]]]:
    """Yield the values of each metric by its name, but for metrics that are at their default in all steps."""
    for attribute in attributes(steps):
        name, values = METRIC_NAMES.get(attribute, attribute), column(steps, attribute)
        if values.count(DEFAULTS.get(attribute)) < len(values):
            yield name, values
